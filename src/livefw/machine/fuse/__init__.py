# SPDX-License-Identifier: Apache-2.0
"""The tree of a modelled machine, mounted by FUSE."""
