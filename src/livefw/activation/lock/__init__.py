# SPDX-License-Identifier: Apache-2.0
"""One activation at a time on one machine, and which machine a tree is."""
