# SPDX-License-Identifier: Apache-2.0
"""Images that can be staged: the image directory, releases, and the component that an image is for."""
