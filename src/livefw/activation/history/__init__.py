# SPDX-License-Identifier: Apache-2.0
"""The file that a history is kept in: its rows and its schema, what proves it, and what becomes of it in time."""
