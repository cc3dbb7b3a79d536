# SPDX-License-Identifier: Apache-2.0
"""Archives of the LVFS: images, and what is said of them. Nothing here knows of a component."""
