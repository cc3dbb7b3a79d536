# SPDX-License-Identifier: Apache-2.0
"""Settings that would fail open: what matches nothing is told, and what must not be ignored is not."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from livefw.activation.history.journal import Journal, RowKind
from livefw.providers.lfa.fake import RMM, FakeLfa

KEY = f"lfa:{RMM}"
EFI = "a662076c-f212-564b-92cb-ba8f633606d9"
"""`RMM` as UEFI's tools write it."""
SHUT = "[[window]]\ndays = ['{day}']\nfrom = '00:00'\nto = '00:00'\nzone = 'UTC'\n"


def settings(root: Any, text: str) -> None:
    path = root.file("/etc/livefw/livefw.toml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def trigger(root: Any) -> bytes:
    data: bytes = root.file(f"/sys/firmware/lfa/{RMM}/activate").read_bytes()
    return data


WHERE = {
    "deny": "deny = ['{}']",
    "allow": "allow = ['*', '{}']",
    "automatic": "automatic = ['{}']",
    "accept-unconfirmed": "accept-unconfirmed = ['{}']",
    "order[0].first": "[[order]]\nfirst = '{}'\nthen = '*'",
    "order[1].then": "[[order]]\nfirst = 'tf-rmm'\nthen = '*'\n[[order]]\nfirst = '*'\nthen = '{}'",
    "component": "[component.'{}']\nsettings = {{}}",
}
"""Each place for a pattern."""
MATCHING = (RMM, RMM.upper(), KEY, EFI, EFI.upper(), f"lfa:{EFI}", f"LFA:{EFI[:8]}*", "tf-rmm", "TF-*", "*")


@pytest.mark.parametrize("where", WHERE)
def test_what_matches_nothing_is_told_by_every_command_that_looks(ready: Any, where: str) -> None:
    settings(ready, WHERE[where].format("tf-rm"))
    line = f"{where}: 'tf-rm' matches no component here; close to it: TF-RMM"
    told = {"where": where, "pattern": "tf-rm", "near": ["TF-RMM"]}
    plan = ready.run("plan")
    assert (line in plan.out, plan.code) == (True, 0)
    assert ready.run("--json", "plan").json["unmatched"] == [told]
    doctor = ready.run("--json", "doctor").json["findings"]
    assert [each["text"] for each in doctor if each["code"] == "pattern-unmatched"] == [line]
    policy = ready.run("policy")
    assert (line in policy.out, policy.code) == (True, 0)
    check = ready.run("policy", "--check")
    assert (line in check.out, check.code, len(check.out.splitlines())) == (True, 4, 2)
    assert ready.run("--json", "policy", "--check").json["unmatched"] == [told]
    done = ready.run("activate", "tf-rmm")
    assert line in done.err
    assert trigger(ready) != b""


@pytest.mark.parametrize("where", WHERE)
def test_what_matches_by_any_spelling_is_all_right(ready: Any, where: str) -> None:
    for pattern in MATCHING:
        settings(ready, WHERE[where].format(pattern))
        done = ready.run("policy", "--check")
        assert (done.code, "in order" in done.out, done.err) == (0, True, ""), pattern


@pytest.mark.parametrize("pattern", MATCHING)
def test_deny_and_pin_hold_in_every_spelling(ready: Any, pattern: str) -> None:
    settings(ready, f"deny = ['{pattern}']\n[component.'{pattern}']\npin = '0.1'")
    (step,) = ready.run("--json", "plan").json["steps"]
    assert {"policy", "pinned"} <= {problem["check"] for problem in step["problems"]}
    assert ready.run("activate", "tf-rmm").code == 4
    assert trigger(ready) == b""


@pytest.mark.parametrize(
    ("text", "code", "word"),
    [
        ("", 0, "in order"),
        ("allow = ['*']", 0, "in order"),
        ("deny = ['[tf-rmm']", 2, "deny: must be a pattern with closed brackets"),
        ("denny = []", 2, "denny: unknown key"),
        ("ignore = ['loud']", 2, "ignore: there is no check 'loud'"),
        ("never-ignore = ['loud']", 2, "never-ignore: there is no check 'loud'"),
        ("ignore = ['load']\nnever-ignore = ['load']", 2, "never-ignore: load: also in ignore"),
        ("[[window]]\nfrom = '1'", 2, "window[0].from"),
        ("[redfish]\nbmc = 3", 2, "bmc"),
        ("deny = [", 2, "livefw.toml"),
    ],
)
def test_a_script_can_check_settings(ready: Any, text: str, code: int, word: str) -> None:
    settings(ready, text)
    done = ready.run("policy", "--check")
    assert done.code == code
    assert word in done.out + done.err


@pytest.mark.parametrize("text", ["deny = ['[tf-rmm']", "denny = []", "never-ignore = ['loud']", "deny = ["])
def test_the_doctor_tells_wrong_settings(ready: Any, text: str) -> None:
    settings(ready, text)
    done = ready.run("--json", "doctor")
    assert [each["severity"] for each in done.json["findings"] if each["code"] == "settings-wrong"] == ["error"]
    assert done.code == 1


@pytest.mark.parametrize(("text", "code"), [("", 0), ("allow = ['*']\n[limits]\nload = 1", 0), ("deny = ['x']", 3)])
def test_without_a_component_patterns_are_compared_with_nothing(empty: Any, text: str, code: int) -> None:
    settings(empty, text)
    assert empty.run("policy", "--check").code == code
    assert empty.run("policy").code == 0


def test_a_text_of_the_settings_moves_no_cursor(ready: Any) -> None:
    bench = FakeLfa()
    bench.add("0509b633-5734-422f-a681-6096e932d93a", name=b"TF-RM\x1b[2J\n")
    ready.plant(bench)
    settings(ready, "deny = ['tf-rm']")
    assert "\x1b" not in ready.run("plan").out


def test_strict_settings_activate_only_what_is_named(ready: Any) -> None:
    settings(ready, "strict = true\ndeny = ['tf-rm']")
    plan = ready.run("--json", "plan")
    (step,) = plan.json["steps"]
    assert (plan.code, step["stopped"]) == (4, True)
    assert [p["weight"] for p in step["problems"] if p["check"] == "settings-match"] == ["fatal"]
    assert ready.run("plan", "tf-rmm").code == 0
    for words in (("--all",), ("--all", "--reason", "again")):
        refused = ready.run("--json", "activate", *words)
        (result,) = refused.json["results"]
        assert (refused.code, result["outcome"], result["code"]) == (4, "refused", "settings-match")
    assert ready.run("activate", "--all", "--ignore", "settings-match").code == 2
    assert trigger(ready) == b""
    done = ready.run("activate", "tf-rmm")
    assert "deny: 'tf-rm' matches no component here" in done.err
    assert trigger(ready) != b""


def test_strict_settings_that_match_stop_nothing(ready: Any) -> None:
    settings(ready, f"strict = true\ndeny = ['tdx:*', '{EFI[:-1]}?']".replace("'tdx:*', ", ""))
    assert "settings-match" not in ready.run("plan").out
    settings(ready, f"strict = true\nautomatic = ['{EFI}']")
    assert ready.run("plan").code == 0


def test_strict_settings_hold_back_what_is_automatic(vera: Any) -> None:
    directory = vera.path.parent / "settings"
    directory.mkdir()
    (directory / "livefw.toml").write_text("strict = true\nautomatic = ['tf-rmm']\ndeny = ['tf-rm']")
    with vera.start("--json", "watch", "--interval", "0.1", "--settings", str(directory)) as watching:
        assert watching.stdout
        seen = []
        for line in watching.stdout:
            seen.append(json.loads(line))
            if seen[-1]["event"] == "held-back":
                break
        watching.send_signal(signal.SIGTERM)
        seen += [json.loads(line) for line in watching.stdout.read().splitlines()]
        assert watching.wait() == 0
    assert [each["text"].partition(":")[0] for each in seen if each["event"] == "held-back"] == ["settings-match"]
    assert len([each for each in seen if each["event"] == "settings"]) == 1
    assert not [each for each in seen if each["event"] == "activation"]


DOG = {"/sys/class/watchdog/watchdog0/state": "active\n", "/sys/class/watchdog/watchdog0/timeout": "30\n"}


def guarded(root: Any) -> None:
    """A machine whose watchdog is against it."""
    for path, text in DOG.items():
        root.file(path).parent.mkdir(parents=True, exist_ok=True)
        root.file(path).write_text(text)


def test_root_cannot_ignore_what_is_never_to_be_ignored(ready: Any) -> None:
    guarded(ready)
    assert ready.run("plan", "--ignore", "watchdog").code == 0
    settings(ready, "never-ignore = ['watchdog']")
    plan = ready.run("plan")
    assert plan.code == 4
    assert "cannot be ignored here: never-ignore in livefw.toml" in plan.out
    assert "--ignore watchdog" not in plan.out
    for words in (("plan",), ("activate", "tf-rmm"), ("activate", "--all"), ("stage", "tf-rmm", "/dev/null")):
        done = ready.run(*words, "--ignore", "watchdog")
        assert done.code == 2, words
        if words[0] != "stage":
            assert "the check 'watchdog' cannot be ignored here: never-ignore in livefw.toml" in done.err
    refused = ready.run("activate", "tf-rmm")
    assert (refused.code, "cannot be ignored here" in refused.out, "--ignore" in refused.out) == (4, True, False)
    assert trigger(ready) == b""


def test_a_hook_is_never_ignored_either(ready: Any) -> None:
    hook = ready.file("/etc/livefw/checks.d/backup")
    hook.parent.mkdir(parents=True)
    hook.write_text("#!/bin/sh\necho the backup runs\nexit 1\n")
    hook.chmod(0o755)
    assert ready.run("plan", "--ignore", "hook:backup").code == 0
    settings(ready, "never-ignore = ['hook:backup']")
    assert ready.run("plan", "--ignore", "hook:backup").code == 2
    assert ready.run("plan").code == 4
    assert ready.run("plan", "--ignore", "hook:other").code == 4


def test_what_was_decided_at_the_staging_does_not_outweigh_it(ready: Any) -> None:
    bench = FakeLfa()
    bench.add(current_version="3.0", pending_version="2.0")
    ready.plant(bench)
    (before,) = ready.run("--json", "plan").json["steps"]
    pending = before["component"]["pending_version"]
    journal = Journal.open(str(ready.path.parent / "state"))
    staging = journal.begin(KEY, {"ignore": ["downgrade"]}, kind=RowKind.STAGING)
    journal.end(staging, KEY, {"outcome": "staged", "pending_version": pending}, kind=RowKind.STAGED)
    journal.close()
    assert ready.run("plan").code == 0
    settings(ready, "never-ignore = ['downgrade']")
    plan = ready.run("plan")
    assert (plan.code, "downgrade: the version would go back" in plan.out) == (4, True)


def test_documents_have_every_code_of_the_check() -> None:
    text = (Path(__file__).parents[2] / "docs/reference/policy.md").read_text(encoding="utf-8")
    rows = text.partition("| Exit code | `livefw policy --check` |")[2].partition("\n\n")[0]
    assert [row.split("|")[1].strip() for row in rows.splitlines()[2:]] == ["0", "2", "3", "4"]


@pytest.mark.parametrize(("text", "left_out"), [("deny = ['scp*']", True), ("allow = ['tf-rmm']", True), ("", False)])
def test_a_request_for_everything_says_what_the_policy_leaves_out(ready: Any, text: str, left_out: bool) -> None:
    bench = FakeLfa()
    bench.add("0509b633-5734-422f-a681-6096e932d93a", name="SCP")
    ready.plant(bench)
    settings(ready, text)
    line = "SCP (lfa:0509b633-5734-422f-a681-6096e932d93a) is left out: the policy does not allow it"
    done = ready.run("activate", "--all", "--yes")
    assert (line in done.err) is left_out
    assert line not in ready.run("activate", "tf-rmm", "--yes").err


def test_a_pattern_without_a_match_is_noted_by_list_and_watch(ready: Any) -> None:
    settings(ready, "deny = ['tf-rm']")
    line = "deny: 'tf-rm' matches no component here; close to it: TF-RMM"
    for pending in ("1", "0"):
        ready.file(f"/sys/firmware/lfa/{RMM}/activation_pending").write_text(f"{pending}\n")
        listed = ready.run("list")
        assert (listed.code, line in listed.err) == (0, True)
    assert [note["code"] for note in ready.run("--json", "list").json["notes"]] == ["settings-match"]
    with ready.start("watch") as watching:
        assert watching.stdout
        try:
            assert any(line in shown for shown in watching.stdout)
        finally:
            watching.send_signal(signal.SIGINT)


def test_a_seal_that_is_not_used_is_told(ready: Any) -> None:
    """The key is this machine's, and the history of another machine is not sealed with it."""
    settings(ready, "seal = '/etc/livefw/key'")
    for words in (("plan",), ("activate", "tf-rmm", "--yes")):
        assert "/etc/livefw/livefw.toml is not used: with --root nothing is sealed" in ready.run(*words).err
    settings(ready, "")
    assert "sealed" not in ready.run("plan").err
