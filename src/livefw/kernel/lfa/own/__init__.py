# SPDX-License-Identifier: Apache-2.0
"""The driver of ``dkms/``, by what its documentation says and what it was seen to do.

``dkms/Documentation/lfa.rst`` has locks and the life of an activation, ``ABI/testing/sysfs-firmware-lfa`` beside it the
files. Its procedure has little in common with that of the postings: an id is used only if its GUID was read with it.
"""

from livefw.kernel.lfa.own.driver import OwnDriver

__all__ = ["OwnDriver"]
