# SPDX-License-Identifier: Apache-2.0
"""How things look, in text and in JSON, for every face: functions that return, and never print."""
