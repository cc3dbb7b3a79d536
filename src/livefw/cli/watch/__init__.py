# SPDX-License-Identifier: Apache-2.0
"""``livefw watch``, in lines or on a screen."""
