# SPDX-License-Identifier: Apache-2.0
"""list, show and doctor, their JSON, and every kind of wrong input."""

import importlib
import inspect
import os
import re
import subprocess
import sys
import time
from datetime import datetime
from typing import Any

import pytest

from livefw.activation.history.journal import Journal
from livefw.cli import main as cli
from livefw.cli.verbs import VERBS
from livefw.errors import KINDS, ExitCode, LivefwError
from livefw.providers.lfa.fake import RMM, FakeLfa

OTHER = "0509b633-5734-422f-a681-6096e932d93a"


def test_list_shows_names_versions_cost_state_and_key(planted: Any) -> None:
    bench = FakeLfa()
    bench.add()
    bench.add(OTHER, name="", activation_pending="0", cpu_rendezvous="0", force_cpu_rendezvous="0")
    root = planted(bench)
    done = root.run("list")
    assert (done.code, done.err) == (0, "")
    heading, other, rmm = [re.sub(r" \d+ s ", " 0 s ", line).split("  ") for line in done.out.splitlines()]
    assert [cell.strip() for cell in rmm if cell] == ["TF-RMM", "1.0", "1.2", "all", "0 s", "ready", RMM[:8]]
    assert [cell.strip() for cell in other if cell] == ["-", "1.0", "-", "one at a time", "-", "up to date", OTHER[:8]]
    assert heading[0] == "NAME"
    assert len({line.rindex(" ") for line in done.out.splitlines()}) == 1


def test_list_json(ready: Any) -> None:
    (component,) = ready.run("--json", "list").json["components"]
    assert abs(datetime.fromisoformat(component.pop("pending_since")).timestamp() - time.time()) < 600
    assert component == {
        "key": f"lfa:{RMM}",
        "provider": "lfa",
        "id": RMM,
        "short_id": RMM[:8],
        "name": "TF-RMM",
        "host": None,
        "current_version": "1.0",
        "pending": True,
        "pending_version": "1.2",
        "unreliable": [],
        "activatable": True,
        "stated": None,
        "cost": {"rendezvous": "required", "resets_cpu": False},
        "settings": {"force_cpu_rendezvous": True, "auto_activate": False},
        "reasons": [],
        "notes": [],
        "state": {
            "code": "ready",
            "text": "ready",
            "sentence": "it can be activated now",
            "reasons": [],
            "until": None,
            "running": None,
            "activation": None,
        },
    }


@pytest.mark.parametrize("words", [["list", "--json"], ["--json", "list"], ["--debug", "--json", "list"]])
def test_options_may_stand_before_and_after_the_command(ready: Any, words: list[str]) -> None:
    assert len(ready.run(*words).json["components"]) == 1


@pytest.mark.parametrize("verb", ["list", "show x", "cancel x"])
def test_an_empty_root_is_nothing_to_do(empty: Any, verb: str) -> None:
    done = empty.run("--json", *verb.split())
    assert done.code == 3
    assert done.json["error"]["kind"] == "nothing-here"
    assert "/sys/firmware/lfa" in done.json["error"]["message"]
    text = empty.run(*verb.split())
    assert (text.code, text.out) == (3, "")
    assert "doctor" in text.err


def test_an_empty_root_lists_no_components(empty: Any) -> None:
    assert empty.run("--json", "list").json["components"] == []


def test_show_tells_everything_and_json_keeps_the_texts_as_they_were_read(planted: Any) -> None:
    bench = FakeLfa()
    bench.add(name="\x1b[31mred\x07", auto_activate="1", may_reset_cpu="1")
    root = planted(bench)
    done = root.run("show", RMM[:4], "--all")
    assert done.code == 0
    assert "needs reset" in done.out
    assert "automatically" in done.out
    assert "\\x1b[31mred\\x07" in done.out
    assert "\x1b" not in done.out
    (component,) = root.run("--json", "show", RMM).json["components"]
    assert component["details"]["name"] == "\x1b[31mred\x07"
    assert component["name"] == "TF-RMM"


def test_show_tells_in_a_few_lines_what_matters(ready: Any) -> None:
    journal = Journal.open(ready.environment["LIVEFW_STATE"])
    ended = {"outcome": "failed", "firmware_code": "NO_MEMORY", "seconds": 2.0}
    activation = journal.begin(f"lfa:{RMM}", {"name": "TF-RMM", "actor": {"user": "alice", "login": "", "face": "cli"}})
    journal.end(activation, f"lfa:{RMM}", ended)
    journal.close()
    lines = ready.run("show", "tf-*").out.splitlines()
    labels = [line[:11].strip() for line in lines]
    assert labels == ["TF-RMM", "component", "state", "running", "pending", "cost", "last", "next"]
    assert lines[5].split(None, 1)[1] == "stops all CPUs; tried once here, never with success"
    assert re.fullmatch(rf"  last +failed \(NO_MEMORY\), [-0-9]+ [:0-9]+, by alice, {activation[:8]}", lines[6])
    assert lines[7].split(None, 1)[1] == f"livefw --root {ready.path} activate {RMM[:8]}"


@pytest.mark.parametrize(
    ("texts", "settings", "following"),
    [
        ({}, "", f"livefw {{place}} activate {RMM[:8]}"),
        ({}, "deny = ['TF-RMM']", f"livefw {{place}} plan {RMM[:8]}"),
        ({"activation_capable": "0"}, "", "livefw explain not-capable"),
        ({"may_reset_cpu": "1"}, "", "livefw explain resets-cpu"),
        ({"activation_pending": "x"}, "", "livefw {place} doctor"),
        ({"activation_pending": "0"}, "", None),
    ],
)
def test_show_names_the_command_that_leads_on(
    planted: Any, texts: dict[str, str], settings: str, following: str | None
) -> None:
    bench = FakeLfa()
    bench.add(**texts)
    root = planted(bench)
    if settings:
        root.file("/etc/livefw").mkdir(parents=True)
        root.file("/etc/livefw/livefw.toml").write_text(settings)
    found = re.findall(r"(?m)^  next +(.*)$", root.run("show", RMM).out)
    place = f"--root {root.path}" + (f" --settings {root.path}/etc/livefw" if settings else "")
    assert found == ([following.format(place=place)] if following else [])
    if following and "plan" not in following and "activate" not in following:
        assert root.run(*following.format(place=place).split()[1:]).code in (0, 1)


def test_show_tells_what_the_mechanism_is(ready: Any) -> None:
    text = ready.run("show", RMM, "--mechanism").out
    assert "  the mechanism:\n    way: in-band\n" in text
    assert "cancel: until the switch to the new firmware" in text
    (component,) = ready.run("--json", "show", RMM).json["components"]
    assert component["mechanism"]["way"] == "in-band"


def test_show_says_who_plays_the_roles_of_ocp_and_what_is_met(ready: Any) -> None:
    text = ready.run("show", RMM, "--ocp").out
    assert "impactless update function: the LFA agent in EL3" in text
    assert "verify: part of execute" in text
    assert "OCP-9 not stated: an optional signature of the customer is checked, too" in text
    (component,) = ready.run("--json", "show", RMM).json["components"]
    assert component["activatable"]  # although it is outside of OCP's scope
    assert component["ocp"]["scope"].startswith("wider")
    rows = {row["id"]: row for row in component["ocp"]["requirements"]}
    assert (rows["OCP-4"]["met"], rows["OCP-8"]["met"]) == ("no", "yes")
    assert all(row["source"] for row in rows.values())


def test_json_holds_no_raw_control_character(planted: Any) -> None:
    bench = FakeLfa()
    bench.add(name=bytes(range(1, 256)))
    done = planted(bench).run("--json", "show", RMM)
    assert all(" " <= c <= "~" or c == "\n" for c in done.out)
    assert done.json["components"][0]["details"]["name"].startswith("\x01\x02")


WRONG = [
    (["bogus"], "usage"),
    (["--bogus"], "usage"),
    (["list", "--bogus"], "usage"),
    (["doctor", "extra"], "usage"),
    (["show"], "usage"),
    (["activate"], "usage"),
    (["activate", "--all", "x"], "usage"),
    (["cancel"], "usage"),
    (["cancel", "a", "b"], "usage"),
    (["show", ""], "usage"),
    (["list", "nobody"], "no-such-component"),
    (["show", "nobody"], "no-such-component"),
    (["activate", "nobody"], "no-such-component"),
    (["cancel", "nobody"], "no-such-component"),
    (["activate", RMM, "nobody"], "no-such-component"),
]


@pytest.mark.parametrize(("words", "kind"), WRONG)
def test_wrong_input_is_a_usage_error_in_the_form_that_was_asked_for(ready: Any, words: list[str], kind: str) -> None:
    before = ready.file(f"/sys/firmware/lfa/{RMM}/activate").read_bytes()
    done = ready.run("--json", *words)
    assert done.code == 2
    assert (done.json["error"]["kind"], done.json["error"]["exit_code"]) == (kind, 2)
    text = ready.run(*words)
    assert (text.code, text.out) == (2, "")
    assert text.err.startswith("livefw: ")
    assert "Traceback" not in text.err
    assert "hint: " in text.err
    assert ready.file(f"/sys/firmware/lfa/{RMM}/activate").read_bytes() == before


def test_an_ambiguous_name_lists_the_candidates(planted: Any) -> None:
    bench = FakeLfa()
    bench.add(name="twin")
    bench.add(OTHER, name="twin")
    done = planted(bench).run("--json", "activate", "twin")
    assert done.code == 2
    assert set(done.json["error"]["candidates"]) == {f"lfa:{RMM}", f"lfa:{OTHER}"}


@pytest.mark.parametrize("root", ["/nonexistent", "/etc/passwd", "", "--json"])
def test_a_root_that_is_no_directory(ready: Any, root: str) -> None:
    assert ready.run(f"--root={root}", "list").code == 2


def test_the_root_needs_a_value(ready: Any) -> None:
    assert ready.run("list", "--root").code == 2


def test_help_and_version(ready: Any) -> None:
    done = ready.run("--help")
    assert done.code == 0
    assert all(verb in done.out for verb in VERBS)
    assert ready.run("--version").out.startswith("livefw ")
    assert all(ready.run(verb, "--help").code == 0 for verb in ("list", "activate"))


def test_a_reader_that_goes_away_is_no_error(ready: Any) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        ready.command("list"), stdout=writing, stderr=subprocess.PIPE, check=False, env=ready.environment
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(("redirection", "code"), [(">&-", 0), (">/dev/full", 1), ("2>&-", 0)])
def test_output_that_cannot_be_written(ready: Any, redirection: str, code: int) -> None:
    script = ["sh", "-c", f'"$@" {redirection}', "sh", *ready.command("list")]
    done = subprocess.run(script, capture_output=True, check=False, env=ready.environment)
    assert done.returncode == code
    assert b"Traceback" not in done.stderr


def test_debug_tells_each_file_operation(ready: Any) -> None:
    done = ready.run("--debug", "list")
    assert f"+ cat /sys/firmware/lfa/{RMM}/activation_pending  # 1\\n" in done.err.splitlines()
    assert "Traceback" in ready.run("--debug", "show", "nobody").err


AS_ANOTHER = """
import os, sys
from livefw.cli.main import main
main(["--json", "list"])
main(["--root", sys.argv[1], "--json", "list"])  # everything is imported now, wherever it lies
os.chdir(sys.argv[1])
os.seteuid(os.geteuid() or 65534)
sys.exit(main(["--root", ".", "--json", "list"]))
"""


def test_an_unreadable_tree_is_no_permission(ready: Any) -> None:
    """As another user where the tests run as root, for whom modes do not hold."""
    ready.path.chmod(0o755)
    ready.file("/sys/firmware/lfa").chmod(0)
    command = [sys.executable, "-c", AS_ANOTHER, str(ready.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=ready.environment)
    ready.file("/sys/firmware/lfa").chmod(0o755)
    assert done.returncode == 5, done.stderr
    assert '"no-permission"' in done.stdout


def test_a_ctrl_c_before_anything_was_started(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def interrupt(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib.import_module("livefw.cli.list"), "run", interrupt)
    assert cli.main(["list"]) == 130
    assert "nothing was started" in capsys.readouterr().err


def test_our_own_bug_is_told_as_such(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def fail(*_: object) -> int:
        raise ZeroDivisionError("oops\x1b")

    monkeypatch.setattr(importlib.import_module("livefw.cli.list"), "run", fail)
    assert cli.main(["list"]) == 1
    told = capsys.readouterr().err
    assert "defect of livefw" in told
    assert "\x1b" not in told
    assert "Traceback" not in told
    assert cli.main(["--json", "list"]) == 1
    assert '"internal"' in capsys.readouterr().out


@pytest.mark.parametrize("verb", VERBS)
def test_every_verbs_module_has_the_shape_of_one(verb: str) -> None:
    module = VERBS[verb].load()
    assert list(inspect.signature(module.configure).parameters) == ["parser"]
    assert list(inspect.signature(module.run).parameters) == ["session", "arguments"]


def test_every_error_has_a_name_and_a_code_of_its_own() -> None:
    def family(kind: type[LivefwError]) -> list[type[LivefwError]]:
        return [kind, *(each for child in kind.__subclasses__() for each in family(child))]

    own = [kind for kind in family(LivefwError) if kind.__module__ == "livefw.errors" and kind is not LivefwError]
    assert set(own) == set(KINDS)
    names = [row.name for row in KINDS.values()]
    assert len(set(names)) == len(names)
    assert {row.exit_code for row in KINDS.values()} == set(ExitCode) - {ExitCode.DONE}
