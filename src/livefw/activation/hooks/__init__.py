# SPDX-License-Identifier: Apache-2.0
"""Executables of an administrator, in directories beside livefw.toml: which of them are run."""
