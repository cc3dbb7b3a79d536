# SPDX-License-Identifier: Apache-2.0
"""The job an administrator wants done, without a mechanism's name."""
