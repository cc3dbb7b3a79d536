# SPDX-License-Identifier: Apache-2.0
"""The interface of fwupd, for its clients."""
