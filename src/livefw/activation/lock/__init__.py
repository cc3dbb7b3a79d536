# SPDX-License-Identifier: Apache-2.0
"""The lock of a machine, and what counts as one machine."""
