# SPDX-License-Identifier: Apache-2.0
"""What the modules have in common: they call the command livefw on the machine, and pass on what it answers.

No rule about firmware stands here. The command decides, and its exit codes and JSON (schema ``livefw/1``) are all that
is read. Runs with Python 3.9 and newer and needs nothing but the command.
"""

from __future__ import annotations

import json

SCHEMA = "livefw/1"
MINIMUM = "0.1.0"
PLACES = ["/usr/local/bin", "/opt/livefw/bin", "/usr/bin"]

DONE, FAILED, USAGE, NOTHING_TO_DO, REFUSED, NO_PERMISSION, UNKNOWN = range(7)
OUTCOMES = {
    DONE: "done",
    NOTHING_TO_DO: "nothing-to-do",
    REFUSED: "refused",
    NO_PERMISSION: "refused",
    UNKNOWN: "unknown",
}
"""What an answer without a result of its own means, by exit code; any other is ``failed``."""

TEXT = 500
CHECKS = 32
"""Bounds of what is returned: the controller keeps the results of all hosts in memory."""

WHERE = {
    "executable": {"type": "path"},
    "root": {"type": "path", "default": "/"},
    "settings": {"type": "path"},
    "state_dir": {"type": "path"},
}
ACTING = {
    "component": {"type": "str", "required": True},
    "reason": {"type": "str", "default": ""},
    "refused_ok": {"type": "list", "elements": "str", "default": []},
}


def cut(text):
    """A text that is not longer than the bound."""
    text = "" if text is None else str(text)
    return text if len(text) <= TEXT else text[: TEXT - 3] + "..."


class Livefw:
    """The command on this machine."""

    def __init__(self, module):
        self.module = module
        self._path = self._find()

    def _find(self):
        given = self.module.params["executable"]
        found = self.module.get_bin_path(given or "livefw", opt_dirs=PLACES)
        if found is None:
            self.module.fail_json(
                msg=f"there is no command {given or 'livefw'} on this machine; install livefw {MINIMUM} or newer,"
                " or say with executable where it is"
            )
        return found

    def ask(self, verb, *words, settings=None):
        """The exit code and the document of an answer. Fails where there is none."""
        params = self.module.params
        command = [self._path, "--json", f"--root={params['root']}"]
        settings = settings or params["settings"]
        command += [f"--settings={settings}"] if settings else []
        command += [verb]
        command += [f"--state={params['state_dir']}"] if params["state_dir"] else []
        code, out, err = self.module.run_command([*command, *words])
        try:
            document = json.loads(out)
        except ValueError:
            document = None
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            self._no_answer(code, out, err)
        error = document.get("error") or {}
        if code == USAGE and "has no option" in error.get("message", ""):
            self._too_old(error["message"])
        return code, document

    def _no_answer(self, code, out, err):
        self.module.fail_json(
            msg=f"{self._path} did not answer as livefw {MINIMUM} and newer do",
            rc=code,
            stdout=cut(out),
            stderr=cut(err),
        )

    def _too_old(self, why):
        _, version, _ = self.module.run_command([self._path, "--version"])
        self.module.fail_json(
            msg=f"{version.strip() or self._path} is too old for this module ({why}); install livefw {MINIMUM} or newer"
        )


def error_of(code, document):
    """What became of a request without a result of its own: outcome, code, text and hint."""
    error = document.get("error") or {}
    outcome = OUTCOMES.get(code, "failed")
    busy = outcome == "refused" and error.get("phase") == "lock"
    return {
        "outcome": "busy" if busy else outcome,
        "code": error.get("kind", ""),
        "text": cut(error.get("message")),
        "hint": cut(error.get("hint")),
        "firmware_code": error.get("firmware_code"),
    }


def result_of(result):
    """What became of one component: outcome, code, text and hint, versions, and where it is in the history."""
    error = result.get("error") or {}
    idle = error.get("kind") == "nothing-to-do"
    measured = result.get("measurement")
    record = result.get("record") or {}
    return {
        "outcome": "nothing-to-do" if idle else result["outcome"],
        "code": result.get("code", ""),
        "text": cut(result.get("text")),
        "hint": cut(result.get("hint")),
        "firmware_code": (result.get("claim") or {}).get("firmware_code"),
        "component": result["component"],
        "name": result.get("name", ""),
        "version_before": version(result.get("before")),
        "version_after": version(result.get("after") or result.get("before")),
        "seconds": result.get("seconds", 0.0),
        "stall_ms": measured["longest_ns"] / 1e6 if measured else None,
        "checks": checks(result.get("problems")),
        "activation": record.get("activation"),
        "head": record.get("head"),
    }


def version(component):
    """The version that runs; None if that is not known."""
    return component.get("current_version") if component else None


def checks(problems):
    """The checks that blocked or warned, without what is empty."""
    return [
        {"check": each["check"], "weight": each["weight"], "text": cut(each["text"]), "ignored": each["ignored"]}
        for each in (problems or [])[:CHECKS]
    ]


def blocking(found):
    """The names of the checks that block."""
    return [each["check"] for each in found if each["weight"] != "warning" and not each["ignored"]]


def difference(name, before, after):
    """A diff of versions."""
    return {
        "before_header": name,
        "after_header": name,
        "before": f"{before or 'unknown'}\n",
        "after": f"{after or 'unknown'}\n",
    }


def finish(module, found, *, changed, diff=None):
    """End the module: failed for what failed, is unknown or was refused, unless that refusal is expected."""
    found = dict(found)
    message = ": ".join(part for part in (found.get("name") or found.get("component"), found.get("text")) if part)
    outcome = found["outcome"]
    found["msg"] = f"{outcome}: {message}" if message else outcome
    if diff and module._diff:
        found["diff"] = diff
    if outcome in ("failed", "unknown", "busy") or (outcome == "refused" and not _expected(module, found)):
        module.fail_json(changed=changed, **found)
    if outcome == "refused":
        found["skipped"] = True
    module.exit_json(changed=changed, **found)


def _expected(module, found):
    """Whether every reason of a refusal is one that the playbook expects."""
    expected = set(module.params["refused_ok"])
    reasons = blocking(found.get("checks", [])) or [found["code"]]
    return bool(expected) and ("all" in expected or set(reasons) <= expected)


def staging_of(code, staging):
    """What became of an image that was handed over."""
    why = staging.get("reason") or {}
    return {
        "outcome": "nothing-to-do" if code == NOTHING_TO_DO else staging["outcome"],
        "code": why.get("code", ""),
        "text": cut(why.get("text")),
        "hint": cut(why.get("hint")),
        "firmware_code": staging.get("firmware_code"),
    }
