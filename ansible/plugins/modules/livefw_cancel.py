#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Cancel what is pending or was begun."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: livefw_cancel
short_description: Cancel what is pending or was begun on a component
version_added: 0.1.0
description:
  - Asks the mechanism of a component to abandon an image or an activation. What a mechanism can cancel differs.

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
  executable:
    description:
      - The command C(livefw) on the machine. Without it, it is looked for on E(PATH) and in the usual directories.
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
author:
  - The livefw authors (@livefw)
attributes:
  check_mode:
    description: Can run in check_mode and return the changed status without modifying the machine.
    support: full
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: none
"""

EXAMPLES = r"""
- name: Do not activate the image after all
  livefw.fleet.livefw_cancel:
    component: "redfish:model/pmfw-a"
    reason: bad release
"""

RETURN = r"""
outcome:
  description:
    - How it ended.
    - V(nothing-to-do) is no failure. V(failed), V(unknown), V(busy) and V(refused) are, see O(refused_ok).
    - Never repeat what is V(unknown) by itself; a person has to look.
  returned: always
  type: str
  sample: cancelled
code:
  description: Stable code of the reason, as C(livefw explain) describes it.
  returned: always
  type: str
  sample: cancelled
text:
  description: The reason, for a person. At most 500 characters.
  returned: always
  type: str
hint:
  description: What to do about it. At most 500 characters.
  returned: always
  type: str
firmware_code:
  description: Code that the firmware answered.
  returned: always
  type: str
component:
  description: Key of the component.
  returned: if the component was found
  type: str
  sample: lfa:6c0762a6-12f2-4b56-92cb-ba8f633606d9
name:
  description: Its name.
  returned: if the component was found
  type: str
  sample: TF-RMM
version_before:
  description: Version that ran before.
  returned: if the component was found
  type: str
  sample: "1.0"
version_after:
  description: Version that runs now; in check mode the one that would.
  returned: if the component was found
  type: str
  sample: "1.1"
seconds:
  description: How long it took.
  returned: if the component was found
  type: float
stall_ms:
  description: Longest time for which a CPU ran nothing, in milliseconds.
  returned: if the component was found
  type: float
checks:
  description: What the checks found, at most 32 of them.
  returned: if the component was found
  type: list
  elements: dict
  contains:
    check:
      description: Name of the check.
      type: str
      returned: always
    weight:
      description: V(warning), V(error) or V(fatal).
      type: str
      returned: always
    text:
      description: What it found.
      type: str
      returned: always
    ignored:
      description: Whether it was ignored.
      type: bool
      returned: always
activation:
  description: Id of the activation in the history; null if it has no row there.
  returned: if the component was found
  type: str
  sample: 8391638ad97901e7
head:
  description: Head of the history after it, to be kept elsewhere as proof; see O(livefw.fleet.livefw_info#module:head).
  returned: if the component was found
  type: str
  sample: 3:0de0cc7e5a8f020d5d3c7b0d3e97ee7321ee4254fc536dd3766a8d1b13af45ce
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.livefw.fleet.plugins.module_utils._livefw import (
    ACTING,
    DONE,
    WHERE,
    Livefw,
    error_of,
    finish,
    result_of,
)


def main():
    module = AnsibleModule(argument_spec={**WHERE, **ACTING}, supports_check_mode=True)
    params, livefw = module.params, Livefw(module)
    if module.check_mode:
        code, document = livefw.ask("show", "--", params["component"])
        if code != DONE:
            finish(module, error_of(code, document), changed=False)
        pending = bool(document["components"][0]["pending"])
        finish(module, {"outcome": "would-cancel" if pending else "nothing-to-do", "text": ""}, changed=pending)
    words = [f"--reason={params['reason']}"] if params["reason"] else []
    code, document = livefw.ask("cancel", *words, "--", params["component"])
    found = result_of(document["results"][0]) if document.get("results") else error_of(code, document)
    finish(module, found, changed=found["outcome"] in ("cancelled", "unknown"))


if __name__ == "__main__":
    main()
