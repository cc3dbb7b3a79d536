# SPDX-License-Identifier: Apache-2.0
"""What vendors' BMCs do in ways of their own: one table for each."""
