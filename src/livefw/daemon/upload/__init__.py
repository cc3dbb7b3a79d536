# SPDX-License-Identifier: Apache-2.0
"""Images from clients, copied before anything is done with them."""
