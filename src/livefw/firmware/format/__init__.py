# SPDX-License-Identifier: Apache-2.0
"""Readers of file formats in which firmware is shipped and stored, one module each; `livefw image info` shows them.

Each takes what somebody sent: sizes and counts are compared with the file before they are used, and a reader holds
headers, never payloads. What breaks a format is a `FormatError` with the offset. Packages of TF-A, certificates of its
chains, update metadata and measurement logs are in `livefw.firmware.image`, whose store works on them.
"""
