# SPDX-License-Identifier: Apache-2.0
"""What the modules have in common: they call the command livefw on the machine, and pass on what it answers.

No rule about firmware stands here. The command decides, and its exit codes and JSON (schema ``livefw/1``) are all that
is read. Runs with Python 3.9 and newer and needs nothing but the command.
"""

from __future__ import annotations

import json
import re
from urllib.parse import unquote

from ansible.module_utils.basic import AnsibleModule

SCHEMA = "livefw/1"
MINIMUM = "0.1.0"
"""The oldest command that has every option and every field that the modules use."""
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

GOOD = (
    "activated",
    "cancelled",
    "staged",
    "nothing-to-do",
    "would-activate",
    "would-cancel",
    "would-stage",
)
"""No other outcome is success, also none that a later command may have."""

TEXT = 500
CHECKS = 32
MOST = 1000
"""Bounds of what is returned, of texts, notes and rows: the controller keeps the results of all hosts in memory."""

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

CHANGING = ("activate", "stage", "cancel")
_TOO_OLD = re.compile(r"has no option|there is no command")

_SECRETS = (
    re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\s\"']*?:([^/?#\s\"']+)@", re.IGNORECASE),
    re.compile(r"[a-z][a-z0-9+.-]*://[^?#\s\"']*\?([^#\s\"']+)", re.IGNORECASE),
    re.compile(r"[?&][^=&#\s]*(?:sig|token|key|passw|secret|credential)[^=&#\s]*=([^&#\s\"']+)", re.IGNORECASE),
    re.compile(r"(?:passw(?:or)?d|secret|token)[\w-]*[\"']?\s*[=:]\s*[\"']([^\"'\n]+)[\"']", re.IGNORECASE),
)


def hide_secrets(module, *texts):
    """Let no result of this module show a password or what follows ``?`` in an address, nor a password in settings."""
    for text in texts:
        for pattern in _SECRETS:
            for each in pattern.findall(text or ""):
                module.no_log_values.update((each, unquote(each)))


class SecretModule(AnsibleModule):
    """A module that gets texts in which a secret may stand, and shows the rest of them."""

    def _log_invocation(self):
        """Before anything is written to the machine's log."""
        hide_secrets(self, *(self.params.get(name) for name in ("content", "image")))
        super()._log_invocation()


def cut(text):
    """A text that is not longer than the bound, and that every controller can write down."""
    text = "" if text is None else str(text)[: TEXT + 1].encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= TEXT else text[: TEXT - 3] + "..."


def bounded(value):
    """The same with every text cut and no more than so many members of anything."""
    if isinstance(value, str):
        return cut(value)
    if isinstance(value, (list, tuple)):
        return [bounded(each) for each in value[:MOST]]
    if isinstance(value, dict):
        return {cut(name): bounded(each) for name, each in list(value.items())[:MOST]}
    return value


class Livefw:
    """The command on this machine."""

    def __init__(self, module):
        self.module = module
        self.asked = ""
        """What it was asked last."""
        self._path = None

    def _find(self):
        given = self.module.params["executable"]
        found = self.module.get_bin_path(given or "livefw", opt_dirs=PLACES)
        if found is None:
            self.fail(
                "no-command",
                f"there is no command {given or 'livefw'} on this machine; install livefw {MINIMUM} or newer,"
                " or say with executable where it is",
            )
        return found

    def ask(self, verb, *words, settings=None):
        """The exit code and the document of an answer. Fails where there is none."""
        self._path, self.asked = self._path or self._find(), verb
        params = self.module.params
        command = [self._path, "--json", f"--root={params['root']}"]
        settings = settings or params["settings"]
        command += [f"--settings={settings}"] if settings else []
        command += [verb]
        command += [f"--state={params['state_dir']}"] if params["state_dir"] else []
        code, out, err = self.module.run_command([*command, *words])
        try:
            document = json.loads(out)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            self._no_answer(code, out, err)
        error = document.get("error")
        error = document["error"] = error if isinstance(error, dict) else {}
        if code == USAGE and _TOO_OLD.search(str(error.get("message"))):
            self._too_old(error["message"])
        return code, document

    def _no_answer(self, code, out, err):
        """Nobody knows what became of a request whose answer is lost: its history does, and the same task asks it."""
        ended = f"was ended by signal {-code}" if code < 0 else f"did not answer as livefw {MINIMUM} and newer do"
        self.fail(
            "no-answer", f"{self._path} {ended}", unknown=self._changing, rc=code, stdout=cut(out), stderr=cut(err)
        )

    def _too_old(self, why):
        version = self.module.run_command([self._path, "--version"])[1].strip()
        message = f"{cut(version) or self._path} is too old for this module ({cut(why)})"
        self.fail("too-old", f"{message}; install livefw {MINIMUM} or newer")

    @property
    def _changing(self):
        """Whether it was asked to change something last."""
        return self.asked in CHANGING and not self.module.check_mode

    def lost(self, message):
        """End the module after an answer that cannot be understood."""
        self.fail("no-answer", message, unknown=self._changing, rc=None)

    def fail(self, code, message, *, unknown=False, **fields):
        """End the module without an answer of the command, with all that it returns always."""
        found = without_result("unknown" if unknown else "failed", code)
        self.module.fail_json(msg=message, changed=unknown, **{**found, "text": cut(message), **fields})


def run(module, work):
    """Do a module's work with the command; an answer that is not of the form that the schema says ends it, too."""
    livefw = Livefw(module)
    try:
        work(module, livefw)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        why = f"{type(error).__name__}: {cut(error)}"
        livefw.lost(f"livefw {livefw.asked} did not answer in the form of {SCHEMA} ({why})")


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
    found = bounded(found)
    message = ": ".join(part for part in (found.get("name") or found.get("component"), found.get("text")) if part)
    outcome = found["outcome"]
    found["msg"] = f"{outcome}: {message}" if message else outcome
    if diff and module._diff:
        found["diff"] = bounded(diff)
    if outcome in GOOD:
        module.exit_json(changed=changed, **found)
    if outcome == "refused" and _expected(module, found):
        module.exit_json(changed=changed, skipped=True, **found)
    module.fail_json(changed=changed, **found)


def _expected(module, found):
    """Whether every reason of a refusal is one that the playbook expects."""
    expected = set(module.params["refused_ok"])
    reasons = blocking(found.get("checks", [])) or [found["code"]]
    return bool(expected) and ("all" in expected or set(reasons) <= expected)


def without_result(outcome, code=""):
    """What is known without having asked for a change."""
    return {"outcome": outcome, "code": code, "text": "", "hint": "", "firmware_code": None}


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
