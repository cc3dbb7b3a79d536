# SPDX-License-Identifier: Apache-2.0
"""What a machine has and lacks for live activation, and what is broken, block by block."""
