# SPDX-License-Identifier: Apache-2.0
"""What ``livefw image info`` knows: one table of formats (`table`), and for each kind its document and its text."""
