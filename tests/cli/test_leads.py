# SPDX-License-Identifier: Apache-2.0
"""A command that a text leads to is about the machine and the history that were asked about, and can be run."""

import shlex
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_record import BEGUN, KEY, journal

from livefw.cli.arguments import configured
from livefw.cli.verbs import VERBS
from livefw.render.lead import WITH_STATE, MachinePlace, completed

PLACE = MachinePlace("/a tree", "/etc/l'x", "here")
MACHINE = """--root '/a tree' --settings '/etc/l'"'"'x'"""


def test_which_verbs_take_a_state_directory_is_known() -> None:
    assert sorted(name for name in VERBS if configured(name).has("--state")) == sorted(WITH_STATE)


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("  hint: livefw activate model/x", f"  hint: livefw {MACHINE} activate --state here model/x"),
        (
            "see livefw show X; or livefw list",
            f"see livefw {MACHINE} show --state here X; or livefw {MACHINE} list --state here",
        ),
        ("it waits (livefw plan)", f"it waits (livefw {MACHINE} plan --state here)"),
        ("  next        livefw plan x", f"  next        livefw {MACHINE} plan --state here x"),
        ("sudo livefw doctor history", f"sudo livefw {MACHINE} doctor --state here history"),
        ("livefw tdx candidates lists them", f"livefw {MACHINE} tdx candidates lists them"),
        *(
            (text, text)
            for text in (
                # Nothing of a machine, complete already, what somebody else said, and no command of ours.
                "hint: livefw explain x; livefw help list; livefw machine list",
                f"next: livefw {MACHINE} plan x",
                "hint: livefw plan --state elsewhere",
                "  reason     it was livefw activate that broke it",
                "  user       livefw watch",
                "livefw: livefw-watch.service, livefw.toml",
            )
        ),
    ],
)
def test_a_command_gets_what_was_typed(text: str, complete: str) -> None:
    assert completed(text, PLACE) == complete
    assert completed(text, MachinePlace()) == text
    assert completed(complete, PLACE) == complete


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("--root a list", MachinePlace("a")),
        ("list --root=a --settings b", MachinePlace("a", "b")),
        ("--state c activate x", MachinePlace(state="c")),
        ("activate --reason --root x", MachinePlace("x")),
        ("list -- --root a", MachinePlace()),
        ("list --root", MachinePlace()),
    ],
)
def test_a_command_line_says_the_place_even_if_it_is_not_understood(line: str, place: MachinePlace) -> None:
    assert MachinePlace.typed(line.split()) == place


def leads(text: str) -> list[str]:
    """The command of each line that leads on."""
    return [line[line.index("livefw ") :] for line in text.splitlines() if "livefw --root" in line]


@pytest.mark.parametrize("where", ["before", "behind"])
def test_every_lead_of_a_run_goes_to_the_same_machine(ready: Any, tmp_path: Path, where: str) -> None:
    state = str(tmp_path / "a state")
    with journal(ready) as made:
        for _ in range(3):
            made.end(made.begin(KEY, BEGUN), KEY, {"outcome": "failed"})
    (ready.path.parent / "state").rename(state)
    given = ["--state", state]

    def run(*words: str) -> Any:
        return ready.run(*given, *words) if where == "before" else ready.run(*words, *given)

    (older,) = leads(run("history", "tf-rmm", "--limit", "2").out)
    assert older.startswith(
        shlex.join(["livefw", "--root", str(ready.path), "history", *given, "tf-rmm", "--limit", "2"])
    )
    (following,) = leads(run("show", "tf-rmm").out)
    (unknown,) = leads(run("show", "zzz").err)
    for lead, code in ((older, 0), (following.replace("activate", "plan"), None), (unknown.partition(" shows")[0], 0)):
        words = shlex.split(lead)[1:]
        assert words[:2] == ["--root", str(ready.path)]
        assert words[3:5] == given
        done = ready.run(*words[2:])
        assert done.code == code if code is not None else done.code in (0, 1)
        assert "hint" not in done.err


def test_documents_keep_their_hints(ready: Any) -> None:
    assert ready.run("--json", "show", "zzz").json["error"]["hint"] == "livefw list shows what is available"
