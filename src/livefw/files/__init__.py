# SPDX-License-Identifier: Apache-2.0
"""The machine as files: the protocol, the host's own, and the child that writes."""
