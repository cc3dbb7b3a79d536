# SPDX-License-Identifier: Apache-2.0
"""What the operating system does: the LFA driver of each version, and its sysfs tree."""
