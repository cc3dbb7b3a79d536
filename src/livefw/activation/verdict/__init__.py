# SPDX-License-Identifier: Apache-2.0
"""How it is judged what became of an activation or a staging."""
