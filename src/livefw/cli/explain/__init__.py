# SPDX-License-Identifier: Apache-2.0
"""``livefw explain``: the table of all codes, the verb, and the tables of the document that are made from it."""
