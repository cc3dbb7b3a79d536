# SPDX-License-Identifier: Apache-2.0
"""`livefw policy`: what holds here, where each value comes from, what it matches, and every mistake at once."""

import json
import re
import tomllib
from datetime import UTC, datetime
from typing import Any

import pytest

from livefw import toml_lines
from livefw.activation.policy.document import KEYS
from livefw.activation.policy.reader import rows
from livefw.providers.lfa.fake import RMM

KEY = f"lfa:{RMM}"
FULL = """\
# A comment, and a list of several lines.
deny = [
    "scp*",

    "tf-bl*",  # another
]
allow = ["*"]

[limits]
seconds = 20

[[window]]
days = ["fri"]
from = "22:00"
to = "04:00"
zone = "Europe/Berlin"

[[window]]
from = "03:00"
to = "03:30"

[component."tf-rmm"]
pin = '''
1.2'''
settings = { auto_activate = false }

[tdx]
step = "newest"
"""
LINES = {
    "deny": 2,
    "allow": 7,
    "limits.seconds": 10,
    "window[0].days": 13,
    "window[0].from": 14,
    "window[0].to": 15,
    "window[0].zone": 16,
    "window[1].from": 19,
    "window[1].to": 20,
    "component.tf-rmm.pin": 23,
    "component.tf-rmm.settings": 25,
}


def settings(root: Any, text: str) -> str:
    path = root.file("/etc/livefw/livefw.toml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def test_each_key_is_shown_with_its_value_its_line_and_what_it_matches(ready: Any) -> None:
    path = settings(ready, FULL)
    document = ready.run("--json", "policy").json
    shown = {value["path"]: value for value in document["values"]}
    assert {name: value["line"] for name, value in shown.items() if value["set"]} == LINES
    assert (document["file"], document["exists"], document["mistakes"]) == (path, True, [])
    assert shown["deny"]["value"] == '["scp*", "tf-bl*"]'
    assert shown["component.tf-rmm.pin"]["patterns"] == [{"pattern": "tf-rmm", "components": [KEY]}]
    assert shown["deny"]["patterns"][0] == {"pattern": "scp*", "components": []}
    assert (shown["measure.cpus"]["value"], shown["measure.cpus"]["set"]) == ("64", False)
    text = ready.run("policy").out
    for name, line in LINES.items():
        assert f"{name} = {shown[name]['value']}  # line {line}\n" in text
    assert "measure.cpus" not in text
    assert "    tf-rmm: matches TF-RMM\n" in text
    assert "[tdx]: read by the mechanism  # line 27" in text
    assert "measure.cpus = 64  # default" in ready.run("policy", "--all").out


def test_each_value_leads_to_what_it_means(ready: Any) -> None:
    settings(ready, FULL + '[notify.hook."mail.sh"]\nevents = ["failed"]\n')
    document = ready.run("--json", "policy").json
    keys = {value["path"]: value["key"] for value in document["values"]}
    assert set(keys.values()) <= {each["path"] for each in document["keys"]}
    assert keys["limits.seconds"] == "limits.seconds"
    assert keys["window[1].from"] == "window[].from"
    assert keys["component.tf-rmm.pin"] == "component.PATTERN.pin"
    assert keys["notify.hook.mail.sh.events"] == "notify.hook.NAME.events"


def test_who_activates_what_is_automatic_is_told(ready: Any) -> None:
    folder = ready.file("/etc/livefw")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "livefw.toml").write_text('automatic = ["tf-rmm"]\n')
    told = r"    only livefw .* watch \(livefw-watch\.service\) activates them by itself\n"
    assert re.search(told, ready.run("policy").out)
    (folder / "livefw.toml").write_text('deny = ["tf-rmm"]\n')
    assert "livefw-watch.service" not in ready.run("policy").out


def test_windows_are_told_with_their_next_change(ready: Any) -> None:
    settings(ready, FULL)
    document = ready.run("--json", "policy").json
    one, two = document["windows"]
    now = datetime.now(UTC)
    assert [one["path"], two["path"]] == ["window[0]", "window[1]"]
    for window in (one, two, document["window"]):
        assert window["open"] == (window["opens"] is None)
        assert datetime.fromisoformat(window["closes"]) > now
        assert window["open"] or now < datetime.fromisoformat(window["opens"]) < datetime.fromisoformat(
            window["closes"]
        )
    text = ready.run("policy").out
    assert text.count(", closes ") == 3
    assert ", closes " in text[text.index("maintenance window: ") :]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", "none is set; always open"),
        ("[[window]]\nfrom = '00:00'\nto = '00:00'\n", "always open"),
    ],
)
def test_what_never_closes_is_told(ready: Any, text: str, shown: str) -> None:
    settings(ready, text)
    assert f"maintenance window: {shown}\n" in ready.run("policy").out
    assert ready.run("--json", "policy").json["window"] == {"open": True, "opens": None, "closes": None}


MISTAKES = {
    "a key": ("deyn = ['a']", "deyn", 1, "unknown key; did you mean deny?"),
    "a key in a table": ("[limits]\n\nsecond = 1", "limits.second", 3, "did you mean seconds?"),
    "a key like no other": ("xyzzy = 1", "xyzzy", 1, "the keys are allow, deny"),
    "a table of a mechanism": ("[limit]\nload = 1", "limit", 1, "did you mean limits?"),
    "a day": ("[[window]]\ndays = ['fry']\nfrom = '01:00'\nto = '02:00'", "window[0].days", 2, "did you mean fri?"),
    "a zone": (
        "[[window]]\nfrom = '01:00'\nto = '02:00'\nzone = 'Europe/Brelin'",
        "window[0].zone",
        4,
        "did you mean Europe/Berlin?",
    ),
    "a word": ("[measure]\nby = 'trace'", "measure.by", 2, "did you mean tracer?"),
    "a check": ("never-ignore = ['widow']", "never-ignore", 1, "there is no check 'widow'"),
    "something missing": ("deny = []\n[[window]]\nfrom = '01:00'", "window[0].to", 2, "is missing"),
    "in the second table": (
        "[[order]]\nfirst = '*'\nthen = '*'\n[[order]]\nfirst = '*'\nthan = '*'",
        "order[1].than",
        6,
        "did you mean then?",
    ),
    "no TOML": ("deny = []\ndeny = [\n]]\n", None, 3, "at line 3"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_its_line_and_what_was_meant(ready: Any, name: str) -> None:
    text, key, line, words = MISTAKES[name]
    path = settings(ready, text)
    done = ready.run("--json", "policy")
    found = [each for each in done.json["mistakes"] if each["path"] == key]
    assert (done.code, found[0]["line"], found[0]["file"]) == (0, line, path)
    assert words in found[0]["text"]
    assert found[0]["hint"]
    assert done.json["window"] is None
    check = ready.run("policy", "--check")
    assert (check.code, words in check.out, f"{path}: " in check.out) == (2, True, True)
    plan = ready.run("plan")
    assert (plan.code, path in plan.err, f"at line {line}" in plan.err) == (2, True, True)


def test_the_hint_for_a_check_says_what_was_meant(ready: Any) -> None:
    settings(ready, "never-ignore = ['widow']")
    assert "did you mean window?" in ready.run("policy").out


def test_all_mistakes_are_told_at_once_and_the_rest_is_shown(ready: Any) -> None:
    settings(
        ready,
        "deny = ['tf-rm']\nallow = 3\n[limits]\nload = -1\nseconds = 7\n[[window]]\nfrom = 1\nto = 2\n"
        "[[window]]\nfrom = '01:00'\nto = '02:00'\n[component.'[x']\npin = '1'\n",
    )
    done = ready.run("--json", "policy", "--check")
    assert [each["path"] for each in done.json["mistakes"]] == [
        "allow",
        "limits.load",
        "window[0].from",
        "window[0].to",
        "component",
    ]
    assert [each["pattern"] for each in done.json["unmatched"]] == ["tf-rm"]
    assert done.code == 2
    text = ready.run("policy").out
    assert "5 mistakes" in text
    assert "limits.seconds = 7  # line 5" in text
    assert [each["path"] for each in done.json["windows"]] == ["window[1]"]


def test_a_mistake_in_the_table_of_a_mechanism_is_one(ready: Any) -> None:
    path = settings(ready, "deny = []\n[lfa]\nagnet = 'tfa-2.15'\n")
    done = ready.run("policy")
    assert (done.code, "a mistake" in done.out, "agent" in done.out) == (0, True, True)
    assert ready.run("policy", "--check").code == 2
    assert path in done.out


def test_executables_are_shown_and_not_run(ready: Any) -> None:
    settings(ready, "")
    hooks = ready.file("/etc/livefw/checks.d")
    hooks.mkdir()
    ran = ready.path.parent / "ran"
    for name, mode in (("backup", 0o755), ("notes", 0o644), ("old~", 0o755)):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {ran}\n")
        (hooks / name).chmod(mode)
    shown = {each["name"]: each["against"] for each in ready.run("--json", "policy").json["hooks"]}
    assert set(shown) == {"hook:backup", "hook:notes", "hook:old~"}
    assert shown["hook:backup"] is None
    assert "not executable" in shown["hook:notes"]
    assert f"hook:backup: {hooks}/backup" in ready.run("policy").out
    assert not ran.exists()


@pytest.mark.parametrize("text", ["deny = [", "x = 1", ""])
def test_the_reference_needs_nothing(empty: Any, text: str) -> None:
    settings(empty, text)
    done = empty.run("policy", "--keys")
    assert (done.code, done.err) == (0, "")
    assert all(f"{row.path}: {row.kind}" in done.out for row in rows(KEYS))
    assert set(json.loads(empty.run("--json", "policy", "--keys").out)) == {"schema", "keys", "checks"}


STATEMENTS = {
    "dotted keys": (b"a.b.c = 1\na.b.d = 2", {"a.b.c": 1, "a.b.d": 2}),
    "a text that looks like a table": (b'x = """\n[y]\nz = 1\n"""\n[w]\nv = 1', {"x": 1, "w": 5, "w.v": 6}),
    "tables in a list": (b"[[r.b]]\n[r.b.s]\nk = 1\n[[r.b]]\nk = 2", {"r.b[0].s.k": 3, "r.b[1].k": 5}),
    "an inline table": (b"w = [\n{a = 1},\n{a = 2},\n]", {"w": 1, "w[0].a": 1, "w[1].a": 1}),
    "ends of lines of Windows": (b"a = 1\r\nb = [\r\n1]\r\nc = 2\r\n", {"a": 1, "b": 2, "c": 4}),
    "a quoted name": (b'[c."x.y"]\n"p q" = 1', {"c.x.y.p q": 2}),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_the_line_of_a_key_is_that_of_its_statement(name: str) -> None:
    text, wanted = STATEMENTS[name]
    found = toml_lines.lines(text)
    assert {path: found[path] for path in wanted} == wanted


@pytest.mark.parametrize("text", [b"a = [", b"\xff", b"a = 1\n" * 20_000, b'a = """' + b"\n" * 1000 + b'"""'])
def test_a_document_that_is_none_or_too_long_has_no_lines(text: bytes) -> None:
    assert toml_lines.lines(text) == {}


TABLES = {
    "a key of a BMC": ("[[redfish.bmc]]\nname = 'a'\nurll = 'x'\n", 3, "redfish.bmc[0].urll", "did you mean url?"),
    "an address": (
        "[[redfish.bmc]]\nname = 'a'\nurl = 'https://a'\n[[redfish.bmc]]\nname = 'b'\nurl = 'b'\n",
        6,
        "redfish.bmc[1].url",
        "must be an address",
    ),
    "no address": ("deny = []\n[[redfish.bmc]]\nname = 'a'\n", 2, "redfish.bmc[0].url", "is missing"),
    "a key of LFA": ("[lfa]\nagnet = 'tfa-2.15'\n", 1, "lfa", "agent is the only key"),
    "an agent": ("[lfa]\nagent = 'tfa2.15'\n", 2, "lfa.agent", "did you mean tfa-2.15?"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_mistake_in_the_table_of_a_mechanism_is_told_with_the_real_path(ready: Any, name: str) -> None:
    text, line, key, words = TABLES[name]
    path = settings(ready, text)
    for command in (("list",), ("plan",), ("policy",), ("policy", "--check")):
        done = ready.run(*command)
        told = done.out + done.err
        assert (f"{path}: {key}: " in told, f"(at line {line})" in told, words in told) == (True, True, True), told
        assert done.code == (0 if command == ("policy",) else 2)


def test_each_default_is_shown_as_it_would_be_written(empty: Any) -> None:
    values = [each for each in empty.run("--json", "policy").json["values"] if each["value"] is not None]
    assert len(values) > 10
    for each in values:
        assert tomllib.loads(f"x = {each['value']}"), each
    assert all(len(line) < 240 for line in empty.run("policy", "--all").out.splitlines())
