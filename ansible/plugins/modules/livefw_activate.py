#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Activate firmware that is pending."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: livefw_activate
short_description: Activate firmware that is pending, while the machine runs
version_added: 0.1.0
description:
  - Has C(livefw) activate one component, and returns how that ended, on what evidence and at what cost.
  - A second run changes nothing. A component with nothing pending is not an error, and adds nothing to the history.
  - If the connection is lost, the activation goes on by itself. Run the same task again; it tells how the first one
    ended, and activates nothing twice.
options:
  version:
    description:
      - The version that has to be pending. Nothing is activated if it is another one. If it runs already there is
        nothing to do; if it is nowhere, the outcome is V(refused) with the code V(other-version).
    type: str
  wait_busy:
    description:
      - How many seconds to wait for another activation on this machine to end.
    type: float
    default: 0
extends_documentation_fragment:
  - livefw.fleet.livefw
  - livefw.fleet.livefw.acting
  - livefw.fleet.livefw.ignore
author:
  - The livefw authors (@livefw)
attributes:
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: full
"""

EXAMPLES = r"""
- name: Activate the RMM that is pending, if it is 1.1
  livefw.fleet.livefw_activate:
    component: tf-rmm
    version: "1.1"
    reason: CVE-2026-0001
    wait_busy: 60
  register: rmm

- name: Activate inside the maintenance window, and skip outside of it
  livefw.fleet.livefw_activate:
    component: tf-rmm
    refused_ok: [window]
"""

RETURN = r"""
outcome:
  description:
    - How it ended.
    - V(nothing-to-do) is no failure. V(failed), V(unknown), V(busy) and V(refused) are, see O(refused_ok).
    - Never repeat what is V(unknown) by itself; a person has to look.
  returned: always
  type: str
  sample: activated
code:
  description: Stable code of the reason, as C(livefw explain) describes it.
  returned: always
  type: str
  sample: version-arrived
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
settled:
  description: Earlier requests that were found unfinished, and how they ended, at most 32.
  returned: when not in check mode
  type: list
  elements: dict
  sample: [{activation: 8391638ad97901e7, component: "lfa:6c0762a6-12f2-4b56-92cb-ba8f633606d9", outcome: activated}]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.livefw.fleet.plugins.module_utils._livefw import (
    ACTING,
    CHECKS,
    WHERE,
    blocking,
    checks,
    cut,
    difference,
    error_of,
    finish,
    result_of,
    run,
)


def planned(code, document):
    """What would be done, by the plan, and whether anything would change."""
    if not document.get("steps"):
        return error_of(code, document), False
    step = document["steps"][0]
    component, found = step["component"], checks(step["problems"])
    stops = blocking(found)
    outcome = "refused" if code else "would-activate"
    if code == 3:
        outcome = "nothing-to-do"
    why = next((each for each in step["problems"] if each["check"] in stops), None)
    after = component["current_version"] if code else component["pending_version"]
    return {
        "outcome": "busy" if stops[:1] == ["busy"] else outcome,
        "code": why["check"] if why else "",
        "text": cut(why["text"]) if why else "",
        "hint": cut(why["hint"]) if why else "",
        "firmware_code": None,
        "component": component["key"],
        "name": component["name"],
        "version_before": component["current_version"],
        "version_after": after,
        "seconds": 0.0,
        "stall_ms": None,
        "checks": found,
        "activation": None,
        "head": None,
    }, code == 0


def activated(code, document):
    """What was done, and whether anything changed."""
    if not document.get("results"):
        found, changed = error_of(code, document), False
    else:
        found = result_of(document["results"][0])
        changed = found["outcome"] in ("activated", "unknown")
    settled = [
        {"activation": each["activation"], "component": each["component"], "outcome": each["outcome"]}
        for each in (document.get("settled") or [])[:CHECKS]
    ]
    return {**found, "settled": settled}, changed


def work(module, livefw):
    """Activate, or plan it."""
    params = module.params
    if any(each in params["component"] for each in "*?["):
        module.fail_json(msg=f"{params['component']}: a pattern may mean several components; name one")
    words = ["--dry-run"] if module.check_mode else ["--yes"]
    words += [f"--to={params['version']}"] if params["version"] is not None else []
    words += [f"--reason={params['reason']}"] if params["reason"] else []
    words += [f"--ignore={each}" for each in params["ignore"]]
    words += [f"--wait-busy={params['wait_busy']:g}"] if params["wait_busy"] else []
    code, document = livefw.ask("activate", *words, "--", params["component"])
    found, changed = planned(code, document) if module.check_mode else activated(code, document)
    shown = None
    if changed:
        shown = difference(found["name"] or found["component"], found["version_before"], found["version_after"])
    finish(module, found, changed=changed, diff=shown)


def main():
    module = AnsibleModule(
        argument_spec={
            **WHERE,
            **ACTING,
            "version": {"type": "str"},
            "ignore": {"type": "list", "elements": "str", "default": []},
            "wait_busy": {"type": "float", "default": 0},
        },
        supports_check_mode=True,
    )
    run(module, work)


if __name__ == "__main__":
    main()
