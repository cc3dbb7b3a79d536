# SPDX-License-Identifier: Apache-2.0
"""What the EL3 firmware does: the LFA agent and the components it activates."""
