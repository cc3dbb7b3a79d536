# SPDX-License-Identifier: Apache-2.0
"""What the documents promise about speed, measured: ``make bench``."""
