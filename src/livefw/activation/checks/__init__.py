# SPDX-License-Identifier: Apache-2.0
"""What may block an activation: the table of checks, hooks, and facts about the machine."""
