# SPDX-License-Identifier: Apache-2.0
"""Run-time update of Intel's TDX module, through Linux 7.2's firmware upload interface."""
