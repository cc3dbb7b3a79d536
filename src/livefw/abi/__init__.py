# SPDX-License-Identifier: Apache-2.0
"""Values and packing only: SMCCC registers, LFA calls, status codes, GUIDs, version words."""
