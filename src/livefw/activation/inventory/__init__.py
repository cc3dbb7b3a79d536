# SPDX-License-Identifier: Apache-2.0
"""Components, their names and versions, and which of them a word selects."""
