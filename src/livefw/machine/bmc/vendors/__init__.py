# SPDX-License-Identifier: Apache-2.0
"""How vendors' BMCs look: one table for each."""
