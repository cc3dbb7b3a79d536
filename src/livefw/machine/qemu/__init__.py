# SPDX-License-Identifier: Apache-2.0
"""A machine whose CPUs are QEMU's: our EL3 monitor below the guest, and the agent of this process behind it."""
