# SPDX-License-Identifier: Apache-2.0
"""The command as a client of the daemon ``livefwd``."""
