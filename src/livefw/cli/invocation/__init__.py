# SPDX-License-Identifier: Apache-2.0
"""What every verb works with: the session that answers, the options that say where things are, progress, the trace."""
