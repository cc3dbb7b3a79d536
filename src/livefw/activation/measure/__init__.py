# SPDX-License-Identifier: Apache-2.0
"""What an activation costs the CPUs: sampled, traced, and drawn."""
