# SPDX-License-Identifier: Apache-2.0
"""What the administrator allows: livefw.toml, its keys, patterns and maintenance windows."""
