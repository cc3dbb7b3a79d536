# SPDX-License-Identifier: Apache-2.0
"""Carries out requests: activations one after the other, stagings, cancellations, and the settling of open intents."""
