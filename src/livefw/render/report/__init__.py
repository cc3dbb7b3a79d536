# SPDX-License-Identifier: Apache-2.0
"""A report of a machine as a page in HTML or Markdown, or as JSON."""
