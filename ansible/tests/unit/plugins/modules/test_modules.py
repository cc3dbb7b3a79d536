# SPDX-License-Identifier: Apache-2.0
"""What a module asks the command, and what it makes of each answer."""

from __future__ import annotations

import importlib
import json

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

MODULES = {
    "livefw_activate": {"component": "tf-rmm"},
    "livefw_cancel": {"component": "tf-rmm"},
    "livefw_info": {"gather": ["components", "plan", "history", "record"]},
    "livefw_policy": {"content": "deny = []\n"},  # and a directory of the test, since it writes there
    "livefw_stage": {"component": "tf-rmm", "image": "/srv/rmm.bin"},
}
KEY = "lfa:6c0762a6-12f2-4b56-92cb-ba8f633606d9"


def document(**fields):
    return json.dumps({"schema": "livefw/1", **fields})


def error(kind, exit_code, message, **more):
    return document(error={"kind": kind, "exit_code": exit_code, "message": message, **more})


def component(**fields):
    known = {
        "key": KEY,
        "provider": "lfa",
        "name": "TF-RMM",
        "host": None,
        "current_version": "1.0",
        "pending": True,
        "pending_version": "1.1",
        "pending_since": None,
        "state": {"code": "ready"},
    }
    return {**known, **fields}


def result(outcome, **fields):
    known = {
        "component": KEY,
        "name": "TF-RMM",
        "outcome": outcome,
        "code": outcome,
        "text": "text",
        "hint": "",
        "seconds": 1.0,
        "before": component(),
        "after": component(current_version="1.1"),
        "problems": [],
        "measurement": {"longest_ns": 64_000_000},
        "record": {"activation": "12", "head": "3:aa"},
    }
    return {**known, **fields}


class Livefw:
    """Plays the command: answers by verb, and keeps what it was asked and what the module would write to the log."""

    def __init__(self, monkeypatch, capsys, folder):
        self.asked = []
        self.logged = []
        self._capsys = capsys
        self._folder = folder
        self._answers = {}
        monkeypatch.setattr(AnsibleModule, "get_bin_path", lambda _, name, **__: f"/bin/{name}")
        monkeypatch.setattr(AnsibleModule, "run_command", lambda _, words, **__: self._run(words))
        monkeypatch.setattr(AnsibleModule, "log", lambda _, text, **__: self.logged.append(str(text)))

    def _run(self, words):
        self.asked.append(words[1:])
        verb = next(each for each in words[1:] if not each.startswith("--") or each == "--version")
        return self._answers.get(verb, self._answers.get("*"))

    def play(self, module, answers, **options):
        """Run a module; what it returns, whether it failed or not."""
        self._answers = {verb: (code, out, "") for verb, (code, out) in answers.items()}
        options.setdefault("_ansible_remote_tmp", str(self._folder))  # in which each module makes a folder of its own
        if module == "livefw_policy":
            options.setdefault("settings", str(self._folder))
        found = importlib.import_module(f"ansible_collections.livefw.fleet.plugins.modules.{module}")
        with patch_module_args({**MODULES[module], **options}), pytest.raises(SystemExit) as ended:
            found.main()
        text = self._capsys.readouterr().out
        answer = json.loads(text)
        assert bool(ended.value.code) == answer.get("failed", False)
        return answer


@pytest.fixture
def livefw(monkeypatch, capsys, tmp_path):
    return Livefw(monkeypatch, capsys, tmp_path)


# Answers that are none

HOSTILE = {
    "nothing": (0, ""),
    "text": (0, "hello\n"),
    "much": (1, "x" * 2_000_000),
    "a traceback": (1, "Traceback (most recent call last):\n"),
    "an end by a signal": (-9, ""),
    "half a document": (0, '{"schema": "livefw/1", "results": [{'),
    "deep": (0, "[" * 100_000),
    "a list": (0, "[]"),
    "another schema": (0, '{"schema": "livefw/9"}'),
    "another form": (0, document(results=[{}], steps=[1], components=["x"], history=[None], staging=3, mistakes=3)),
    "another code": (77, document()),
    "lone surrogates": (77, '{"schema": "livefw/1", "error": {"message": "\\ud800"}}'),
    "an error that is none": (1, document(error="x" * 9000)),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("module", MODULES)
def test_what_is_no_answer_has_failed(livefw, module, name):
    found = livefw.play(module, {"*": HOSTILE[name]}, _ansible_diff=True)
    assert found["failed"]
    assert "Traceback" not in found["msg"]
    assert found["msg"]
    assert len(json.dumps(found)) < 4096


@pytest.mark.parametrize("name", [name for name in HOSTILE if name not in ("another code", "lone surrogates")])
@pytest.mark.parametrize("check", [False, True])
def test_a_lost_answer_to_an_activation_says_that_nobody_knows(livefw, name, check):
    wanted = "failed" if check or name == "an error that is none" else "unknown"
    found = livefw.play("livefw_activate", {"*": HOSTILE[name]}, _ansible_check_mode=check)
    assert (found["outcome"], found["changed"]) == (wanted, wanted == "unknown")
    assert {"code", "text", "hint", "firmware_code"} < set(found)


ERRORS = {
    "no permission": ((5, error("no-permission", 5, "only root")), "refused"),
    "busy": ((4, error("refused", 4, "another activation is running", phase="lock")), "busy"),
    "unknown": ((6, error("outcome-unknown", 6, "lost")), "unknown"),
    "no component": ((2, error("no-such-component", 2, "no component is called so")), "failed"),
    "an outcome of a later version": ((0, document(results=[result("postponed")], settled=[])), "postponed"),
    "unknown result": ((6, document(results=[result("unknown", text="x" * 9000, after=None)], settled=[])), "unknown"),
    "failed": ((1, document(results=[result("failed", claim={"firmware_code": "AUTH_ERROR"})], settled=[])), "failed"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_is_no_success_has_failed(livefw, name):
    answer, outcome = ERRORS[name]
    found = livefw.play("livefw_activate", {"activate": answer}, refused_ok=["window"])
    assert (found["failed"], found["outcome"]) == (True, outcome)
    assert found["msg"].startswith(outcome)
    assert len(json.dumps(found)) < 4096


TOO_OLD = ("activate has no option '--wait-busy'", "there is no command 'activate'")


@pytest.mark.parametrize("message", TOO_OLD)
def test_a_command_that_is_too_old_is_named(livefw, message):
    answers = {"activate": (2, error("usage", 2, message)), "--version": (0, "livefw 0.0.9\n")}
    found = livefw.play("livefw_activate", answers, wait_busy=1)
    assert found["msg"].startswith("livefw 0.0.9 is too old for this module")
    assert (found["outcome"], found["code"], found["changed"]) == ("failed", "too-old", False)
    assert "too old" in found["text"]


@pytest.mark.parametrize("module", MODULES)
def test_a_missing_command_is_named(livefw, monkeypatch, module):
    monkeypatch.setattr(AnsibleModule, "get_bin_path", lambda *_, **__: None)
    found = livefw.play(module, {}, executable="/opt/nowhere/livefw")
    assert "there is no command /opt/nowhere/livefw" in found["msg"]
    assert "say with executable" in found["msg"]


# What is asked


def test_an_activation_is_asked_for_with_every_option(livefw):
    found = livefw.play(
        "livefw_activate",
        {"activate": (0, document(results=[result("activated")], settled=[]))},
        version="1.1",
        reason="CHG-4711",
        ignore=["window"],
        wait_busy=60,
        root="/r",
        settings="/s",
        state_dir="/t",
    )
    assert livefw.asked == [
        [
            *("--json", "--root=/r", "--settings=/s", "activate", "--state=/t", "--yes", "--to=1.1"),
            *("--reason=CHG-4711", "--ignore=window", "--wait-busy=60", "--", "tf-rmm"),
        ]
    ]
    assert (found["changed"], found["version_before"], found["version_after"]) == (True, "1.0", "1.1")
    assert (found["activation"], found["head"], found["stall_ms"]) == ("12", "3:aa", 64.0)


PLANS = {
    "ready": (0, [], ("would-activate", True, "1.1")),
    "idle": (3, [], ("nothing-to-do", False, "1.0")),
    "held": (4, [{"check": "window", "weight": "error"}], ("refused", False, "1.0")),
    "busy": (4, [{"check": "busy", "weight": "error"}], ("busy", False, "1.0")),
}


@pytest.mark.parametrize("name", PLANS)
def test_check_mode_is_the_plan(livefw, name):
    code, problems, wanted = PLANS[name]
    blank = {"text": "", "hint": "", "ignored": False}
    step = {"component": component(), "stopped": bool(code), "problems": [{**blank, **each} for each in problems]}
    found = livefw.play(
        "livefw_activate", {"activate": (code, document(steps=[step]))}, _ansible_check_mode=True, _ansible_diff=True
    )
    assert all("--dry-run" in words and "--yes" not in words for words in livefw.asked)
    assert (found["outcome"], found["changed"], found["version_after"]) == wanted
    assert ("diff" in found) == found["changed"]


def test_check_mode_stages_and_cancels_nothing(livefw):
    shown = {"show": (0, document(components=[component()]))}
    for module in ("livefw_stage", "livefw_cancel"):
        assert livefw.play(module, shown, _ansible_check_mode=True)["changed"]
    assert [words[2] for words in livefw.asked] == ["show", "show"]


def test_nothing_is_asked_of_the_firmware_where_nothing_was_begun(livefw):
    idle = component(pending=False, pending_version=None, state={"code": "up-to-date"})
    found = livefw.play("livefw_cancel", {"show": (0, document(components=[idle]))})
    assert (found["outcome"], found["changed"]) == ("nothing-to-do", False)
    begun = component(pending=False, pending_version=None, state={"code": "unfinished"})
    answers = {"show": (0, document(components=[begun])), "cancel": (0, document(results=[result("cancelled")]))}
    assert livefw.play("livefw_cancel", answers)["changed"]


REFUSALS = (
    (["window"], ["window"], True),
    (["window", "order"], ["window"], False),
    (["window"], ["order"], False),
    (["window"], ["all"], True),
    (["window"], [], False),
    ([], ["other-version"], True),
    ([], ["window"], False),
)


@pytest.mark.parametrize(("blocked", "expected", "skipped"), REFUSALS)
def test_a_refusal_is_skipped_if_all_of_it_is_expected(livefw, blocked, expected, skipped):
    problems = [{"check": name, "weight": "error", "text": "", "ignored": False} for name in blocked]
    refused = result("refused", code=blocked[0] if blocked else "other-version", problems=problems)
    found = livefw.play(
        "livefw_activate", {"activate": (4, document(results=[refused], settled=[]))}, refused_ok=expected
    )
    assert found.get("failed", False) != skipped
    assert found.get("skipped", False) == skipped


def test_the_history_is_bounded(livefw):
    entry = {
        "activation": "12",
        "component": KEY,
        "name": "TF-RMM",
        "time": "2026-11-29T19:37:06+00:00",
        "reason": "x" * 9000,
        "actor": None,
        "machine": None,
        "intent": None,
        "outcome": None,
    }
    found = livefw.play(
        "livefw_info", {"history": (0, document(history=[entry] * 1500))}, gather=["history"], limit=100_000
    )
    assert livefw.asked[0][-1] == "--limit=1000"
    assert len(found["history"]) == 1000
    assert found["history"][0]["outcome"] == "unfinished"
    assert len(found["history"][0]["reason"]) == 500


def test_a_head_that_was_kept_elsewhere_is_held_against_the_history(livefw):
    flawed = document(whole=False, head="3:aa", rows=3, flaws=[{"text": "row 2 was changed"}])
    found = livefw.play("livefw_info", {"history": (1, flawed)}, gather=["record"], head="2:bb")
    assert livefw.asked[0][-2:] == ["--verify", "--head=2:bb"]
    assert found["record"] == {"whole": False, "head": "3:aa", "rows": 3, "flaws": ["row 2 was changed"]}


# Secrets

ADDRESS = "https://admin:correct%20horse@images.example/rmm.bin?signature=battery"
SETTINGS = '[[redfish.bmc]]\nurl = "https://admin:correct@bmc.example"\npassword = "battery"\n'


@pytest.mark.parametrize("check", [False, True])
def test_no_secret_of_an_address_is_shown(livefw, check):
    answers = {
        "show": (0, document(components=[component(pending=False)])),
        "stage": (1, error("failed", 1, "https://admin:correct horse@images.example cannot be read: battery")),
    }
    found = livefw.play("livefw_stage", answers, image=ADDRESS, _ansible_check_mode=check, _ansible_diff=True)
    shown = json.dumps(found) + "".join(livefw.logged)
    assert "images.example" in shown
    for secret in ("correct", "battery"):
        assert secret not in json.dumps(found)
    assert "correct" not in "".join(livefw.logged)
    assert (ADDRESS in livefw.asked[-1]) != check


def test_no_secret_of_the_settings_is_shown(livefw, tmp_path):
    (tmp_path / "livefw.toml").write_text(SETTINGS.replace("battery", "staple"))
    found = livefw.play(
        "livefw_policy",
        {"policy": (0, document())},
        content=SETTINGS,
        settings=str(tmp_path),
        _ansible_check_mode=True,
        _ansible_diff=True,
    )
    assert found["changed"]
    for secret in ("correct", "battery", "staple"):
        assert secret not in json.dumps(found)
    assert "battery" not in "".join(livefw.logged)
    assert "bmc.example" in found["diff"]["after"]
