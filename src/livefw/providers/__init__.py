# SPDX-License-Identifier: Apache-2.0
"""The mechanisms an administrator meets, each seen through files only."""
