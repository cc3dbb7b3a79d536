# SPDX-License-Identifier: Apache-2.0
"""What is asked of the machine beside the snapshot, and the processes that answer ordinary users."""
