#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""What livefw shows of a machine."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: livefw_info
short_description: Components, plan and history of a machine
version_added: 0.1.0
description:
  - Returns what C(livefw) shows of a machine; nothing is changed.
options:
  components:
    description:
      - These components only, by key, id, a unique beginning of it, or name.
    type: list
    elements: str
    default: []
  gather:
    description:
      - What to look at. V(record) verifies the history. V(report) is the document of C(livefw report), about everything
        that ran on the machine and what proves it.
    type: list
    elements: str
    choices: [components, plan, history, record, report]
    default: [components]
  limit:
    description:
      - The newest entries of the history, and activations in the report, at most 1000.
    type: int
    default: 10
  head:
    description:
      - A head of the history that was kept elsewhere. With O(gather=record), proves that no row before it was changed.
    type: str
extends_documentation_fragment:
  - livefw.fleet.livefw
author:
  - The livefw authors (@livefw)
attributes:
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: none
"""

EXAMPLES = r"""
- name: Look at the components
  livefw.fleet.livefw_info:
  register: firmware

- name: Look at what was done, and whether the history is whole
  livefw.fleet.livefw_info:
    gather: [history, record]
    limit: 5
  register: first

- name: Prove later that no row before that head was changed
  livefw.fleet.livefw_info:
    gather: [record]
    head: "{{ first.record.head | default(omit, true) }}"
"""

RETURN = r"""
components:
  description: The components.
  returned: if O(gather) has V(components)
  type: list
  elements: dict
  sample:
    - key: lfa:6c0762a6-12f2-4b56-92cb-ba8f633606d9
      name: TF-RMM
      provider: lfa
      host: null
      current_version: "1.0"
      pending: true
      pending_version: "1.1"
      pending_since: "2026-11-29T19:37:06+00:00"
      state: ready
plan:
  description: What an activation of everything, or of these components, would do.
  returned: if O(gather) has V(plan)
  type: dict
  contains:
    outcome:
      description: V(ready), V(nothing-to-do) or V(refused).
      type: str
      returned: always
    steps:
      description: The steps in their order, each with component, versions and checks.
      type: list
      elements: dict
      returned: always
history:
  description:
    - The newest entries of the history about this machine, newest first.
    - C(age_seconds) is how long ago its last row was written, by the clock of the machine itself. C(measured) is
      V(changed) or V(unchanged) if the firmware was attested before and after it.
  returned: if O(gather) has V(history)
  type: list
  elements: dict
  sample:
    - activation: 8391638ad97901e7
      component: lfa:6c0762a6-12f2-4b56-92cb-ba8f633606d9
      name: TF-RMM
      kind: intent
      time: "2026-11-29T19:37:06.285+00:00"
      outcome: activated
      code: version-arrived
      firmware_code: null
      reason: CVE-2026-0001
      user: root
      hostname: node17
      version_before: "1.0"
      version_after: "1.1"
      stall_ms: 64.3
      seconds: 0.9
      measured: null
      age_seconds: 42.0
record:
  description: Whether the history is whole, and its head.
  returned: if O(gather) has V(record)
  type: dict
  contains:
    whole:
      description: Whether it is consistent; null if there is no history.
      type: bool
      returned: always
    head:
      description: C(SEQUENCE:HASH) of the last row, to be kept elsewhere.
      type: str
      returned: always
    rows:
      description: Number of rows.
      type: int
      returned: always
    flaws:
      description: What is not as it was written, at most 32.
      type: list
      elements: str
      returned: always
report:
  description: The document of C(livefw report), for C(livefw report --fleet); null if there is no history.
  returned: if O(gather) has V(report)
  type: dict
"""

from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.livefw.fleet.plugins.module_utils._livefw import (
    CHECKS,
    DONE,
    FAILED,
    MOST,
    NOTHING_TO_DO,
    REFUSED,
    WHERE,
    bounded,
    checks,
    cut,
    error_of,
    run,
)

PLANS = {DONE: "ready", NOTHING_TO_DO: "nothing-to-do", REFUSED: "refused"}


def of_component(each):
    """A component without what only a person reads."""
    kept = ("key", "name", "provider", "host", "current_version", "pending", "pending_version", "pending_since")
    return {**{name: each[name] for name in kept}, "state": (each.get("state") or {}).get("code")}


def of_entry(each):
    """An entry of the history; it has the same shape whether anything was tried or not."""
    first, last = each["intent"] or each["outcome"] or {}, each["outcome"] or {}
    cost = last.get("cost")
    return {
        "activation": each["activation"],
        "component": each["component"],
        "name": each["name"],
        "kind": first.get("kind"),
        "time": each["time"],
        "outcome": last.get("outcome", "unfinished") if last else "unfinished",
        "code": last.get("code"),
        "firmware_code": last.get("firmware_code"),
        "reason": cut(each["reason"]),
        "user": (each["actor"] or {}).get("user"),
        "hostname": (each["machine"] or {}).get("hostname"),
        "version_before": first.get("current_version"),
        "version_after": last.get("current_version"),
        "stall_ms": cost["longest_ns"] / 1e6 if cost and "longest_ns" in cost else None,
        "seconds": last.get("seconds"),
        "measured": last.get("measured"),
        "age_seconds": age(last.get("time") or each["time"]),
    }


def age(time):
    """Seconds since then, by the clock of this machine, which also wrote the time; None if that is damaged."""
    try:
        return (datetime.now(timezone.utc) - datetime.fromisoformat(time)).total_seconds()
    except (TypeError, ValueError):
        return None


class Looking:
    """One look at the machine."""

    def __init__(self, module, livefw):
        self._module = module
        self._livefw = livefw
        self._words = ["--", *module.params["components"]] if module.params["components"] else []

    def _ask(self, verb, *words, allowed=(DONE, NOTHING_TO_DO)):
        code, document = self._livefw.ask(verb, *words)
        if code not in allowed:
            self._module.fail_json(msg=error_of(code, document)["text"] or f"livefw {verb} failed", rc=code)
        return code, document

    def components(self):
        document = self._ask("list", *self._words)[1]
        return [of_component(each) for each in document.get("components", [])]

    def plan(self):
        code, document = self._ask("plan", *self._words, allowed=PLANS)
        steps = [
            {**of_component(each["component"]), "stopped": each["stopped"], "checks": checks(each["problems"])}
            for each in document.get("steps", [])
        ]
        return {"outcome": PLANS[code], "steps": steps}

    def history(self):
        limit = max(1, min(self._module.params["limit"], MOST))
        words = self._module.params["components"] or [None]
        found = []
        for word in words:
            named = ["--", word] if word else []
            document = self._ask("history", f"--limit={limit}", *named)[1]
            # A history that several machines share, or that was cloned, has rows of others.
            found += [of_entry(each) for each in document.get("history", []) if each.get("own", True)]
        return found

    def record(self):
        head = self._module.params["head"]
        words = [f"--head={head}"] if head else []
        code, document = self._ask("history", "--verify", *words, allowed=(DONE, FAILED, NOTHING_TO_DO))
        if "whole" not in document:
            if code == FAILED:
                self._module.fail_json(msg=error_of(code, document)["text"], rc=code)
            return {"whole": None, "head": None, "rows": 0, "flaws": []}
        flaws = [cut(each["text"]) for each in document["flaws"][:CHECKS]]
        return {"whole": document["whole"], "head": document["head"], "rows": document["rows"], "flaws": flaws}

    def report(self):
        limit = max(1, min(self._module.params["limit"], MOST))
        code, document = self._livefw.ask("report", "--output=-", "--format=json", f"--limit={limit}", *self._words)
        if code == NOTHING_TO_DO:
            return None
        if "report" not in document:  # of a history that is not whole there is one, with another exit code
            self._module.fail_json(msg=error_of(code, document)["text"] or "livefw report failed", rc=code)
        return document


def work(module, livefw):
    """Look at what is asked for."""
    looking = Looking(module, livefw)
    found = {name: getattr(looking, name)() for name in module.params["gather"]}
    whole = {"report": found.pop("report")} if "report" in found else {}  # it is proof, of which nothing is cut
    module.exit_json(changed=False, **bounded(found), **whole)


def main():
    choices = ["components", "plan", "history", "record", "report"]
    module = AnsibleModule(
        argument_spec={
            **WHERE,
            "components": {"type": "list", "elements": "str", "default": []},
            "gather": {"type": "list", "elements": "str", "choices": choices, "default": ["components"]},
            "limit": {"type": "int", "default": 10},
            "head": {"type": "str"},
        },
        supports_check_mode=True,
    )
    run(module, work)


if __name__ == "__main__":
    main()
