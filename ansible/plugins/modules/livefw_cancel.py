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
extends_documentation_fragment:
  - livefw.fleet.livefw
  - livefw.fleet.livefw.acting
author:
  - The livefw authors (@livefw)
attributes:
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
    error_of,
    finish,
    result_of,
    run,
    without_result,
)

IDLE = ("up-to-date", "needs-reset")
"""States of a component for which nothing was begun."""


def work(module, livefw):
    """Cancel, if there is something; the history keeps nothing of a look."""
    params = module.params
    code, document = livefw.ask("show", "--", params["component"])
    if code != DONE:
        finish(module, error_of(code, document), changed=False)
    component = document["components"][0]
    known = {
        "component": component["key"],
        "name": component["name"],
        "version_before": component["current_version"],
        "version_after": component["current_version"],
    }
    if not component["pending"] and component["state"]["code"] in IDLE:
        finish(module, {**known, **without_result("nothing-to-do")}, changed=False)
    if module.check_mode:
        finish(module, {**known, **without_result("would-cancel")}, changed=True)
    words = [f"--reason={params['reason']}"] if params["reason"] else []
    code, document = livefw.ask("cancel", *words, "--", params["component"])
    found = result_of(document["results"][0]) if document.get("results") else error_of(code, document)
    finish(module, {**known, **found}, changed=found["outcome"] in ("cancelled", "unknown"))


def main():
    run(AnsibleModule(argument_spec={**WHERE, **ACTING}, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
