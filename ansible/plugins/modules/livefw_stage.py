#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Stage an image."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: livefw_stage
short_description: Hand an image over to a mechanism that keeps it until it is activated
version_added: 0.1.0
description:
  - Has C(livefw) stage an image for a component. Nothing is activated.
  - With O(version) a second run changes nothing. Without it the image is handed over each time.
options:
  image:
    description:
      - A file on the machine, a URI that the mechanism itself fetches, or the version of an image in the image
        directory of livefw. Without it the newest image there that is newer than what runs.
      - A secret in a URI is shown nowhere by this module; set C(no_log) for the task as well if it is in a variable.
    type: str
  version:
    description:
      - The version of the image. If it is pending, or runs and nothing is pending, there is nothing to do.
    type: str
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
- name: Stage an image
  livefw.fleet.livefw_stage:
    component: "redfish:model/pmfw-a"
    image: /srv/firmware/pmfw-2.0.0.cab
    version: 2.0.0
    reason: quarterly update
"""

RETURN = r"""
outcome:
  description:
    - How it ended.
    - V(nothing-to-do) is no failure. V(failed), V(unknown), V(busy) and V(refused) are, see O(refused_ok).
    - Never repeat what is V(unknown) by itself; a person has to look.
  returned: always
  type: str
  sample: staged
code:
  description: Stable code of the reason, as C(livefw explain) describes it.
  returned: always
  type: str
  sample: staged
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
name:
  description: Its name.
  returned: if the component was found
  type: str
version_before:
  description: Version that runs.
  returned: if the component was found
  type: str
pending_version:
  description: Version that was pending before.
  returned: if the component was found
  type: str
"""

from ansible_collections.livefw.fleet.plugins.module_utils._livefw import (
    ACTING,
    DONE,
    WHERE,
    SecretModule,
    difference,
    error_of,
    finish,
    run,
    staging_of,
    without_result,
)


def work(module, livefw):
    """Stage, unless what shall come is there."""
    params = module.params
    code, document = livefw.ask("show", "--", params["component"])
    if code != DONE:
        finish(module, error_of(code, document), changed=False)
    component = document["components"][0]
    pending = component["pending_version"] if component["pending"] else None
    known = {
        "component": component["key"],
        "name": component["name"],
        "version_before": component["current_version"],
        "pending_version": pending,
    }
    comes = pending if component["pending"] else component["current_version"]
    if params["version"] is not None and params["version"] == comes:
        finish(module, {**known, **without_result("nothing-to-do", "already-there")}, changed=False)
    shown = difference(f"{component['name']} (pending)", pending, params["version"])
    if module.check_mode:
        finish(module, {**known, **without_result("would-stage")}, changed=True, diff=shown)
    words = [f"--reason={params['reason']}"] if params["reason"] else []
    words += [f"--ignore={each}" for each in params["ignore"]]
    image = [params["image"]] if params["image"] is not None else []
    code, document = livefw.ask("stage", *words, "--", params["component"], *image)
    found = {
        **known,
        **(staging_of(code, document["staging"]) if document.get("staging") else error_of(code, document)),
    }
    finish(module, found, changed=found["outcome"] in ("staged", "unknown"), diff=shown)


def main():
    module = SecretModule(
        argument_spec={
            **WHERE,
            **ACTING,
            "image": {"type": "str"},
            "version": {"type": "str"},
            "ignore": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    run(module, work)


if __name__ == "__main__":
    main()
