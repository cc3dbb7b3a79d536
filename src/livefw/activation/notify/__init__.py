# SPDX-License-Identifier: Apache-2.0
"""Events for the executables in ``notify.d``: what is an event, where it waits, and how it is sent."""
