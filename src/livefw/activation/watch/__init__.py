# SPDX-License-Identifier: Apache-2.0
"""Watching a machine for changes, and activating what the policy makes automatic."""
