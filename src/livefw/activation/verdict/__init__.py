# SPDX-License-Identifier: Apache-2.0
"""How the outcome of an activation or a staging is decided."""
