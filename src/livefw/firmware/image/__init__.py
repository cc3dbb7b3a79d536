# SPDX-License-Identifier: Apache-2.0
"""Firmware images: packages (FIP), certificates, chains of trust, banks on disk, measurements."""
