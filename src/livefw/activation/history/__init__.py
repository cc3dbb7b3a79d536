# SPDX-License-Identifier: Apache-2.0
"""The history of all activations: the journal file, its verification, its archives, and its announcements."""
