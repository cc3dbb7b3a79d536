# SPDX-License-Identifier: Apache-2.0
"""Since when each image has been pending: recorded in the history by the first program that sees it."""
