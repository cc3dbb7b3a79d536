# SPDX-License-Identifier: Apache-2.0
"""CPU microcode, loaded while the machine runs."""
