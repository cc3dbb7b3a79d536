# SPDX-License-Identifier: Apache-2.0
"""Settings as an administrator may write them, for livefw.toml(5)."""

EXAMPLES = (
    (
        "Activate by itself what is pending on Sunday night, and never the SCP:",
        """\
automatic = ["*"]
deny = ["*SCP*"]

[[window]]
days = ["sun"]
from = "22:00"
to = "04:00"
zone = "Europe/Berlin"
""",
    ),
    (
        "Refuse while the machine is busy, keep one version of the RMM, and activate it before everything else:",
        """\
[limits]
load = 0.5

[[order]]
first = "TF-RMM"
then = "*"

[component."TF-RMM"]
pin = "1.1"
""",
    ),
    (
        "Send the executable pager in notify.d only what needs a person:",
        """\
[notify.hook.pager]
events = ["failed", "unknown", "unconfirmed", "unfinished", "silent"]
""",
    ),
    (
        "Let nobody ignore the maintenance window:",
        """\
never-ignore = ["window"]

[[window]]
from = "01:00"
to = "05:00"
""",
    ),
)
"""What each is for, and the file."""
