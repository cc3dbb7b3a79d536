# SPDX-License-Identifier: Apache-2.0
"""Images that wait to be staged: the image directory, releases, and for which component one is."""
