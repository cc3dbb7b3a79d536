# SPDX-License-Identifier: Apache-2.0
"""The conformance suite: what a caller can find out about any LFA agent, ours or somebody else's."""
