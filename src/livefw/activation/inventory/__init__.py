# SPDX-License-Identifier: Apache-2.0
"""What there is to be activated: components, their names and versions, and which one is meant."""
