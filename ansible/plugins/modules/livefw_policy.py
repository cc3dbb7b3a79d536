#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""The settings of livefw."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: livefw_policy
short_description: Manage livefw.toml, the settings of livefw
version_added: 0.1.0
description:
  - Writes F(livefw.toml) if its content differs, after C(livefw policy --check) has accepted it. A file with a mistake
    is never put in place.
options:
  content:
    description:
      - The whole content. Required if O(state=present).
    type: str
  state:
    description:
      - Whether there is such a file.
    type: str
    choices: [present, absent]
    default: present
  unmatched_ok:
    description:
      - Whether a pattern may match no component of this machine. A misspelt one matches none.
    type: bool
    default: true
extends_documentation_fragment:
  - livefw.fleet.livefw
author:
  - The livefw authors (@livefw)
attributes:
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: full
"""

EXAMPLES = r"""
- name: Activate on weekend nights only, and never the secure monitor
  livefw.fleet.livefw_policy:
    content: |
      deny = ["bl31"]
      [[window]]
      days = ["sat", "sun"]
      from = "22:00"
      to = "04:00"
"""

RETURN = r"""
path:
  description: The file.
  returned: always
  type: str
  sample: /etc/livefw/livefw.toml
unmatched:
  description: Patterns that match no component of this machine, at most 32.
  returned: if O(state=present)
  type: list
  elements: str
mistakes:
  description: What is wrong with the content, at most 32.
  returned: if something is
  type: list
  elements: str
"""

import os
import shutil
import tempfile

from ansible_collections.livefw.fleet.plugins.module_utils._livefw import (
    CHECKS,
    DONE,
    REFUSED,
    USAGE,
    WHERE,
    SecretModule,
    cut,
    error_of,
    hide_secrets,
    run,
)

FILE = "livefw.toml"
DIRECTORY = "/etc/livefw"


def checked(module, livefw, content):
    """The patterns that match nothing, if livefw accepts the content; else the module has failed."""
    folder = tempfile.mkdtemp(dir=module.tmpdir)
    try:
        with open(os.path.join(folder, FILE), "w", encoding="utf-8") as file:
            file.write(content)
        code, document = livefw.ask("policy", "--check", settings=folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    mistakes = [
        " ".join(part for part in (f"line {each['line']}:" if each["line"] else "", cut(each["text"])) if part)
        for each in (document.get("mistakes") or [])[:CHECKS]
    ]
    if mistakes or code == USAGE:
        text = mistakes or [error_of(code, document)["text"]]
        module.fail_json(msg=f"livefw does not accept the settings: {'; '.join(text)}", mistakes=text)
    if code not in (DONE, REFUSED):
        module.fail_json(msg=f"livefw cannot check the settings: {error_of(code, document)['text']}")
    unmatched = [cut(each.get("text") or each.get("pattern")) for each in (document.get("unmatched") or [])[:CHECKS]]
    if unmatched and not module.params["unmatched_ok"]:
        module.fail_json(msg=f"no component matches: {', '.join(unmatched)}", unmatched=unmatched)
    return unmatched


def read(module, path):
    """The content of a file; None if there is none."""
    try:
        with open(path, encoding="utf-8", errors="backslashreplace") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        module.fail_json(msg=f"{path} cannot be read: {error.strerror}", path=path)


def write(module, path, content):
    """Put the content in place, in one step."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    descriptor, made = tempfile.mkstemp(dir=module.tmpdir)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
    os.chmod(made, 0o644)
    module.atomic_move(made, path)


def work(module, livefw):
    """Put the settings in place, once they are accepted."""
    params = module.params
    if params["settings"] is None and params["root"] != "/":
        module.fail_json(msg="with another root, say with settings where its livefw.toml is")
    path = os.path.join(params["settings"] or DIRECTORY, FILE)
    wanted = params["content"] if params["state"] == "present" else None
    found = {"path": path}
    if wanted is not None:
        found["unmatched"] = checked(module, livefw, wanted)
    before = read(module, path)
    hide_secrets(module, before)
    changed = before != wanted
    if changed and module._diff:
        found["diff"] = {"before_header": path, "after_header": path, "before": before or "", "after": wanted or ""}
    if changed and not module.check_mode:
        try:
            if wanted is None:
                os.unlink(path)
            else:
                write(module, path, wanted)
        except OSError as error:
            module.fail_json(msg=f"{path} cannot be changed: {error.strerror}", **found)
    module.exit_json(changed=changed, **found)


def main():
    module = SecretModule(
        argument_spec={
            **WHERE,
            "content": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "unmatched_ok": {"type": "bool", "default": True},
        },
        required_if=[("state", "present", ["content"])],
        supports_check_mode=True,
    )
    run(module, work)


if __name__ == "__main__":
    main()
