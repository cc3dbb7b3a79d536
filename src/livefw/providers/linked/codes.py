# SPDX-License-Identifier: Apache-2.0
"""Every reason that links can give."""

from livefw.providers.codes import Codes, reasons_in
from livefw.providers.linked import provider, staging, way

CODES = Codes(reasons_in(provider, staging, way))
