# SPDX-License-Identifier: Apache-2.0
"""Activations and stagings, each in a process of its own."""
