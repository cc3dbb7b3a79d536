# SPDX-License-Identifier: Apache-2.0
"""A machine put together from firmware and kernel: clock, CPUs, faults, control socket, FUSE mount."""
