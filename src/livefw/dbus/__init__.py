# SPDX-License-Identifier: Apache-2.0
"""A bounded D-Bus server and client that knows nothing of firmware."""
