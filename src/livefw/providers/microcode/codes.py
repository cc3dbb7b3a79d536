# SPDX-License-Identifier: Apache-2.0
"""Every reason that this provider can give."""

from livefw.providers.codes import Codes, reasons_in
from livefw.providers.microcode import provider, requirements

CODES = Codes(reasons_in(provider, requirements))
