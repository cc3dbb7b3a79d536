# SPDX-License-Identifier: Apache-2.0
"""The service: fwupd's interface and our own on one Unix socket, over the same engine as the command."""
