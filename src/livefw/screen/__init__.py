# SPDX-License-Identifier: Apache-2.0
"""The screen of ``livefw watch`` on a terminal. It needs the extra ``tui``; nothing else imports it."""
