#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Keep one JSON file for each host."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: livefw_collect
short_description: Keep what was collected of hosts, in one JSON file for each
version_added: 0.1.0
description:
  - Writes documents into a directory, each in one step, so that C(livefw report --fleet) can make a page of them. Runs
    on the controller, once for many hosts, and needs no C(livefw).

options:
  directory:
    description:
      - The directory. It is made if it is missing.
    type: path
    required: true
  reports:
    description:
      - The document of C(livefw report) of each host, by its name; null if there is none. Its file is called
        F(NAME.json); characters in the name that are no letter, digit, dot, hyphen or underscore become an underscore.
    type: dict
    required: true
  results:
    description:
      - What a roll-out found of each host. It is put into the same document, as C(rollout).
    type: dict
    default: {}
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
- name: Keep the report of each host on the controller
  livefw.fleet.livefw_collect:
    directory: "{{ playbook_dir }}/reports"
    reports:
      node1: {schema: livefw/1}
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
files:
  description: Names of the files whose content has changed.
  returned: success
  type: list
  elements: str
  sample: [node1.json]
"""

import json
import os
import re
import tempfile

from ansible.module_utils.basic import AnsibleModule


def file_of(name):
    """The file of a host; never one that is hidden or elsewhere."""
    return re.sub(r"[^A-Za-z0-9._-]|^\.", "_", name) + ".json"


def content(path):
    """What a file has; None if there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


def write(module, path, text):
    descriptor, made = tempfile.mkstemp(dir=module.tmpdir)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    module.atomic_move(made, path)


def main():
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "reports": {"type": "dict", "required": True},
            "results": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    directory, results = module.params["directory"], module.params["results"]
    texts = {}
    for name, report in module.params["reports"].items():
        document = dict(report or {})
        if name in results:
            document.pop("schema", None)  # which has no such field
            document["rollout"] = results[name]
        texts[os.path.join(directory, file_of(name))] = json.dumps(document, indent=1, sort_keys=True) + "\n"
    try:
        different = {path: text for path, text in texts.items() if content(path) != text}
        if not module.check_mode:
            os.makedirs(directory, mode=0o755, exist_ok=True)
            for path, text in different.items():
                write(module, path, text)
    except OSError as error:
        module.fail_json(msg=f"{directory} cannot be written: {error}")
    module.exit_json(changed=bool(different), files=sorted(map(os.path.basename, different)))


if __name__ == "__main__":
    main()
