# SPDX-License-Identifier: Apache-2.0
"""``livefw explain``: every word that livefw answers with, told where it is met."""

import subprocess
import sys
from typing import Any

import pytest

from livefw.cli.explain import codes
from livefw.cli.explain.codes import Kind
from livefw.errors import ExitCode
from livefw.providers.lfa.fake import RMM


def explained(ready: Any, word: str) -> list[dict[str, Any]]:
    done = ready.run("--json", "explain", word)
    assert (done.code, done.err) == (ExitCode.DONE, "")
    found = done.json["meanings"]
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize(
    ("word", "kind", "source", "part"),
    [
        ("unknown", "outcome", "every attempt", "contradicts"),
        ("unconfirmed", "verdict", "the table of verdicts", "nothing here can confirm it"),
        ("accepted-unconfirmed", "verdict", "the table of verdicts", "accept-unconfirmed"),
        ("failed-this-boot", "check", "the checks before an attempt", "has left it dead"),
        ("list-in-doubt", "check", "the checks before an attempt", "certain which component"),
        ("list-in-doubt", "reason", "livefw", "may be a different component"),
        ("version-may-be-old", "reason", "livefw", "result of an attempt since the last reboot is unknown"),
        ("history-damaged", "reason", "livefw", "WHERE IT IS KEPT"),
        ("hook:backup", "check", "the checks before an attempt", "checks.d"),
        ("6", "exit code", "the command", "outcome unknown"),
        ("outcome-unknown", "error", "kinds of errors", "nobody here saw"),
        ("auth-failed", "reason", "lfa", "failed authentication"),
        ("auth-error", "reason", "lfa", "failed authentication"),  # as it was called before
        ("rmm-dead", "reason", "lfa", "until a cold boot"),
        ("no-slots", "reason", "tdx", "no update slot"),
        ("no-monitor", "reason", "redfish", "no task to follow"),
        ("locked-out", "reason", "redfish", "accepts no login"),
        ("service-broke", "reason", "redfish", "may have started it"),
        ("capsule-refused", "reason", "pfrut", "rejected the capsule"),
        ("overflow", "reason", "sfs", "no space for it"),
        ("load-failed", "reason", "microcode", "did not load it"),
        ("AUTH_ERROR", "firmware's code", "lfa", "it is reported as auth-failed"),
        ("LFA_AUTH_ERROR", "firmware's code", "lfa", "it is reported as auth-failed"),
        ("lfa_activation_failed", "firmware's code", "lfa", "tried the activation"),
        ("EBADSIG", "firmware's code", "tdx", "P-SEAMLDR"),
        ("SEAMLDR_INSTALL EUNSUPCPU", "firmware's code", "tdx", "P-SEAMLDR"),
        ("VerificationFailed", "firmware's code", "redfish", "it is reported as auth-failed"),
        ("Update.1.2.0.VerificationFailed", "firmware's code", "redfish", "authentic"),
    ],
)
def test_a_word_is_explained_with_where_it_comes_from(ready: Any, word: str, kind: str, source: str, part: str) -> None:
    found = [each["text"] for each in explained(ready, word) if (each["kind"], each["source"]) == (kind, source)]
    assert any(part in text for text in found)


@pytest.mark.parametrize(
    ("word", "exits"),
    [
        ("activated", {0}),
        ("staged", {0}),
        ("cancelled", {0}),
        ("failed", {1}),
        ("refused", {4}),
        ("unknown", {6}),
        ("restarted", {6}),
        ("permission", {5}),
        ("busy", {1, 4}),  # 1 where a BMC's task ends with it: Supermicro's OemFirmwareAlreadyInUpdateMode
        ("auth-error", {1}),
        ("nothing-to-do", {3}),
    ],
)
def test_the_exit_code_is_the_one_that_the_command_ends_with(ready: Any, word: str, exits: set[int]) -> None:
    """A meaning without one of its own leaves it to the outcome beside it."""
    assert {each["exit_code"] for each in explained(ready, word)} - {None} == exits


def test_all_meanings_of_one_word_are_told(ready: Any) -> None:
    done = ready.run("explain", "busy")
    headings = [line for line in done.out.splitlines() if line and not line.startswith(" ")]
    assert {
        "busy: check, from the checks before an attempt",
        "busy: reason, from lfa",
        "busy: reason, from sfs",
    } <= set(headings)
    assert any(line.startswith("BUSY: firmware's code") for line in headings)


@pytest.mark.parametrize("word", ["", *dict.fromkeys(each.kind for each in codes.every())])
def test_text_fits_and_every_kind_is_listed(ready: Any, word: str) -> None:
    """Without a word: the list; else the first word of a kind."""
    named = [next(each.word for each in codes.every() if each.kind == word)] if word else []
    done = ready.run("explain", *named)
    # A command is complete for the machine that was asked about, and is not broken.
    too_wide = [line for line in done.out.splitlines() if len(line) > 80 and f"livefw --root {ready.path} " not in line]
    assert (done.code, too_wide) == (ExitCode.DONE, [])
    if not word:
        assert [kind for kind in Kind if kind.upper() not in done.out.splitlines()] == []
        assert [each for each in codes.every() if f"  {each.word} " not in done.out] == []


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("auth-eror", "auth-error"),
        ("unconfirmd", "unconfirmed"),
        ("VERIFICATIONFAILD", "VerificationFailed"),
        ("\x1b[31mqqqq", "livefw explain lists every word"),
        ("", "livefw explain lists every word"),
        ("x.", "livefw explain lists every word"),
        ("q" * 2000, "livefw explain lists every word"),
    ],
)
def test_a_misspelt_word_is_a_mistake_with_what_is_near(ready: Any, word: str, hint: str) -> None:
    done = ready.run("--json", "explain", word)
    assert done.code == ExitCode.USAGE
    assert hint in done.json["error"]["hint"]
    assert "\x1b" not in ready.run("explain", word).err


def test_it_needs_neither_a_machine_nor_what_only_some_mechanisms_need() -> None:
    """Nothing is looked at; Python packages that an extra brings may all be missing."""
    probe = (
        "import sys\n"
        "for name in ('redfish', 'requests', 'cryptography', 'matplotlib'): sys.modules[name] = None\n"
        "from livefw.cli.main import main\n"
        "sys.exit(main(['--root', '/nonexistent', 'explain', 'no-monitor']))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (ExitCode.DONE, "")


def test_a_result_that_is_not_done_says_where_there_is_more(ready: Any) -> None:
    """The tree of plain files takes the write and changes nothing: nothing proves the success."""
    done = ready.run("--json", "activate", RMM)
    code = done.json["results"][0]["code"]
    assert done.code == ExitCode.UNKNOWN
    text = ready.run("activate", RMM).out
    assert f"\n  more: livefw explain {code}\n" in text
    assert any(each["advice"] for each in explained(ready, code))
    assert "more:" not in ready.run("activate", "bl33").out
