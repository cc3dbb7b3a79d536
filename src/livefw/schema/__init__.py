# SPDX-License-Identifier: Apache-2.0
"""JSON Schemas of what livefw reads and prints, made from the types and tables that the code itself uses."""
