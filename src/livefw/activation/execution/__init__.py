# SPDX-License-Identifier: Apache-2.0
"""Carries out requests: one activation after the other, stagings, and the settling of what was left unfinished."""
