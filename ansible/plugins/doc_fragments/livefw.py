# SPDX-License-Identifier: Apache-2.0
"""What the documentation of the modules has in common."""

from __future__ import annotations


class ModuleDocFragment:
    """Options by which the command is found and told where to look, and those of what changes something."""

    DOCUMENTATION = r"""
options:
  executable:
    description:
      - The command C(livefw) on the machine. Without it, it is looked for on E(PATH) and in F(/usr/local/bin),
        F(/opt/livefw/bin) and F(/usr/bin).
    type: path
  root:
    description:
      - Work on the machine whose files are below this directory.
    type: path
    default: /
  settings:
    description:
      - Directory of F(livefw.toml) and F(checks.d). Without it that is F(/etc/livefw), or none if O(root) is another
        directory.
    type: path
  state_dir:
    description:
      - Directory of the history. Without it the command decides.
    type: path
notes:
  - Needs nothing on the machine but Python 3.9 or newer and the command C(livefw).
  - Works as root. Where livefwd runs, other users can do what polkit allows them.
attributes:
  check_mode:
    description: Can run in check_mode and return the changed status without modifying the machine.
    support: full
"""

    ACTING = r"""
options:
  component:
    description:
      - The component, by key, id, a unique beginning of its id, or name. It is one component; use a loop for several.
    type: str
    required: true
  reason:
    description:
      - Why, for the history.
    type: str
    default: ""
  refused_ok:
    description:
      - Names of checks, such as V(window) or V(order), or codes of refusals that are no failure. The task is skipped if
        nothing else has blocked. V(all) stands for every refusal.
    type: list
    elements: str
    default: []
"""

    IGNORE = r"""
options:
  ignore:
    description:
      - Names of checks that are not to block. The history keeps them.
    type: list
    elements: str
    default: []
"""
