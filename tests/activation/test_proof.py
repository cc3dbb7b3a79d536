# SPDX-License-Identifier: Apache-2.0
"""What proves a history: the system journal's heads, seals, and what is said where there are none."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from bench.records import START_NS, fill, rewrite, tamper

from livefw import systemd
from livefw.activation.history import anchors, seal, verify
from livefw.activation.history.anchors import AnchoredHeads
from livefw.activation.history.archive import Cut
from livefw.activation.history.journal import Flaw, Journal, RowKind
from livefw.activation.history.rows import ROW_LIMIT, TEXT_LIMIT, Head
from livefw.activation.history.seal import Seal, SealError
from livefw.activation.history.verify import verify_chain
from livefw.cli.main import main
from livefw.errors import LivefwError

COUNT = 20


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    fill(folder, COUNT)
    return folder


def heads(folder: Path) -> list[Head]:
    with closing(Journal.open(str(folder))) as journal:
        return [Head(entry.sequence, entry.hash) for entry in journal.rows() if entry.kind is RowKind.OUTCOME]


def entry(head: Head | str, state: Path, **fields: Any) -> dict[str, Any]:
    """As ``journalctl -o json`` prints what `announce` has sent."""
    return {
        "LIVEFW_HEAD": str(head),
        "LIVEFW_STATE": str(state),
        "_UID": "0",
        "_TRANSPORT": "journal",
        "__REALTIME_TIMESTAMP": str(START_NS // 1000),
        "MESSAGE_ID": systemd.OUTCOME_MESSAGE_ID,
    } | fields


class SystemJournal:
    """A program in the place of journalctl, which prints what it is told to."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.path = folder / "journalctl"
        monkeypatch.setattr(anchors, "PROGRAMS", (str(self.path),))

    def holds(self, *entries: dict[str, Any], end: str = "") -> None:
        (self.folder / "entries").write_text("".join(f"{json.dumps(each)}\n" for each in entries))
        self.path.write_text(f'#!/bin/sh\necho "$@" > {self.folder}/words\ncat {self.folder}/entries\n{end}\n')
        self.path.chmod(0o755)


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SystemJournal:
    return SystemJournal(tmp_path, monkeypatch)


def asked(capsys: pytest.CaptureFixture[str], state: Path, *words: str) -> tuple[int, str, dict[str, Any]]:
    """On this machine itself: of another one the system journal knows nothing."""
    settings = ["--settings", str(state.parent / "settings")]
    code = main(["history", "--verify", "--state", str(state), *settings, *words])
    text = capsys.readouterr().out
    assert code == main(["--json", "history", "--verify", "--state", str(state), *settings, *words])
    return code, text, json.loads(capsys.readouterr().out)


def test_a_head_that_was_kept_elsewhere_is_answered(
    state: Path, system: SystemJournal, capsys: pytest.CaptureFixture[str]
) -> None:
    system.holds()
    kept = heads(state)[13]
    code, text, _ = asked(capsys, state, "--head", str(kept))
    assert (code, f"the head {kept} fits: rows 1 to {kept.sequence} are unchanged" in text) == (0, True)
    assert " fits: " not in asked(capsys, state)[1]
    code, text, _ = asked(capsys, state, "--head", f"{kept.sequence}:{'0' * 64}")
    assert (code, " fits: " in text) == (1, False)
    assert main(["history", "--archive", "--keep", "5", "--state", str(state)]) == 0
    capsys.readouterr()
    code, text, _ = asked(capsys, state, "--head", f"{kept.sequence}:{'0' * 64}")
    assert (code, " fits: " in text) == (0, False)
    assert f"not compared: the head {kept.sequence}:" in text


def test_heads_in_the_system_journal_anchor_it(
    state: Path, system: SystemJournal, capsys: pytest.CaptureFixture[str]
) -> None:
    system.holds(*(entry(head, state) for head in heads(state)[:14]))
    code, text, document = asked(capsys, state)
    assert code == 0
    assert "40 rows: consistent; anchored by 14 heads in the system journal" in text
    assert document["whole"] is True
    assert document["anchors"] == {"compared": 14, "not_compared": 0, "trouble": None}
    words = (state.parent / "words").read_text()
    assert "_UID=0" in words
    assert systemd.OUTCOME_MESSAGE_ID in words


def cut(folder: Path) -> None:
    statement = "UPDATE head SET (sequence, hash) = (SELECT sequence, hash FROM entry ORDER BY sequence DESC LIMIT 1)"
    tamper(folder, f"DELETE FROM entry WHERE sequence > 10; {statement}")


def emptied(folder: Path) -> None:
    tamper(folder, "DELETE FROM entry; UPDATE head SET sequence = 0, hash = ''; DELETE FROM unfinished")


def anew(folder: Path) -> None:
    rewrite(folder, lambda row: row.__setitem__(5, row[5].replace("activated", "failed")))


def gone(folder: Path) -> None:
    (folder / "history.db").unlink()
    fill(folder, 3)


def a_forged_outcome(folder: Path) -> None:
    """Of which no intent tells; but whoever writes the file can forge that as well."""
    with closing(Journal.open(str(folder))) as journal:
        journal.note(RowKind.OUTCOME, "lfa:x", {"outcome": "activated"})


def a_pretended_damage(folder: Path) -> None:
    """Whoever empties it can also say that it goes on from a damaged one."""
    tamper(folder, "DELETE FROM head")
    with closing(Journal.open(str(folder))) as journal:
        aside = journal.set_aside
    assert aside
    (folder / aside.file).unlink()


ATTACKS = {each.__name__: each for each in (cut, emptied, anew, gone, a_forged_outcome, a_pretended_damage)}


@pytest.mark.parametrize("name", ATTACKS)
def test_what_nobody_can_tell_from_the_file_is_told_by_the_system_journal(
    state: Path, system: SystemJournal, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    system.holds(*(entry(head, state) for head in heads(state)))
    ATTACKS[name](state)
    code, text, document = asked(capsys, state)
    assert code == 1
    assert "NOT consistent" in text
    assert document["whole"] is False
    system.holds()
    code, text, _ = asked(capsys, state)
    assert code == (1 if name.startswith("a_") else 0)
    assert "as they were written" not in text
    if code == 0:
        assert "consistent; with no anchor" in text
        assert "not proven: an account that can write the file can also write another consistent one" in text


FOREIGN: dict[str, dict[str, Any]] = {
    "another user's": {"_UID": "1000"},
    "by another way": {"_TRANSPORT": "stdout"},
    "root said twice": {"_UID": ["1000", "0"]},
    "of another history": {"LIVEFW_STATE": "/somewhere/else"},
    "of none": {"LIVEFW_STATE": None},
    "not a head": {"LIVEFW_HEAD": "5"},
    "two heads": {"LIVEFW_HEAD": ["5:" + "0" * 64, "6:" + "0" * 64]},
    "a head without end": {"LIVEFW_HEAD": "9" * 5000 + ":" + "0" * 64},
    "no time": {"__REALTIME_TIMESTAMP": "soon"},
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_anybody_may_log_is_no_head_of_ours(
    state: Path, system: SystemJournal, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    forged = entry(f"90:{'0' * 64}", state)
    system.holds(forged)
    assert asked(capsys, state)[0] == 1
    system.holds(forged | FOREIGN[name])
    code, text, _ = asked(capsys, state)
    assert code == 0
    assert "with no anchor" in text


TROUBLES = {
    "no JSON": ("echo '{'", "JSON"),
    "a list": ("echo '[]'", ""),
    "ends with 7": ("exit 7", "ended with 7"),
    "never ends": ("sleep 600", "not read to its end in 0.5 s"),
    "a line without end": ("head -c 100000 /dev/zero", "too long"),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_a_system_journal_that_answers_oddly_proves_less_and_breaks_nothing(
    state: Path, system: SystemJournal, name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    end, words = TROUBLES[name]
    system.holds(entry(heads(state)[3], state), end=f"exec {end}" if end.startswith("sleep") else end)
    monkeypatch.setattr(anchors, "SECONDS", 0.5 if name == "never ends" else 60)
    code, text, document = asked(capsys, state)
    assert code == 0
    assert "anchored by 1 head " in text or name == "never ends"
    assert words in (document["anchors"]["trouble"] or "")
    assert words in text


def test_without_journalctl_that_is_said(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(anchors, "PROGRAMS", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "not proven: there is no journalctl here" in asked(capsys, state)[1]


REMOTE = "/lib/systemd/systemd-journal-remote"


@pytest.mark.skipif(
    not (os.path.exists(REMOTE) and shutil.which("journalctl")), reason="no systemd-journal-remote to make a journal"
)
def test_a_real_journal_file_is_read(state: Path, tmp_path: Path) -> None:
    """Made by systemd's own tool, read by systemd's own journalctl, with the options that are ours."""
    known = heads(state)
    sent = [
        entry(known[0], state),
        entry(known[1], state, _UID="1000"),
        entry(known[2], state, MESSAGE_ID="0" * 32),
        entry(known[3], state, MESSAGE_ID=systemd.STAGING_MESSAGE_ID),
        entry(known[4], Path("/elsewhere")),
    ]
    common = {"_BOOT_ID": "1" * 32, "__MONOTONIC_TIMESTAMP": "1", "MESSAGE": "x"}
    text = "".join("".join(f"{key}={value}\n" for key, value in (each | common).items()) + "\n" for each in sent)
    file = tmp_path / "test.journal"
    subprocess.run([REMOTE, f"--output={file}", "-"], input=text.encode(), check=True, capture_output=True)
    found = AnchoredHeads(str(state), command=("journalctl", f"--file={file}"))
    assert [each.head for each in found] == [known[0], known[3]]
    assert found.error == ""


# Seals.

KEY, OTHER = b"k" * 64, b"o" * 64


def sealed(folder: Path, *keys: bytes) -> Seal:
    found = Seal.parse(b"\n".join(keys), file="keys")
    with closing(Journal.open(str(folder), seal=found)) as journal:
        for number in range(3):
            journal.end(journal.begin("lfa:x", {"n": number}), "lfa:x", {"outcome": "activated"})
    return found


def flaws(folder: Path, key: Seal) -> list[Flaw]:
    journal = Journal.open_to_read(str(folder))
    assert journal is not None
    with closing(journal):
        return verify.verify_chain(journal, seal=key).flaws


def test_with_the_key_a_history_that_was_written_anew_is_found(state: Path) -> None:
    key = sealed(state, KEY)
    assert flaws(state, key) == []
    anew(state)
    assert flaws(state, seal.UNSEALED) == []
    assert {flaw.sequence for flaw in flaws(state, key)} >= set(range(41, 47))


STRIPPED = {
    "all seals": "UPDATE entry SET seal = ''",
    "one seal": "UPDATE entry SET seal = '' WHERE sequence = 43",
    "of another key": "UPDATE entry SET seal = 'feedfeedfeedfeed:' || substr(seal, 18) WHERE sequence = 43",
    "of another row": "UPDATE entry SET seal = (SELECT seal FROM entry WHERE sequence = 44) WHERE sequence = 43",
    "nonsense": "UPDATE entry SET seal = 'x' WHERE sequence = 43",
    "a blob": "UPDATE entry SET seal = x'00' WHERE sequence = 43",
}


@pytest.mark.parametrize("name", STRIPPED)
def test_seals_that_are_taken_away_or_moved_are_found(state: Path, name: str) -> None:
    key = sealed(state, KEY)
    tamper(state, STRIPPED[name])
    assert flaws(state, key)


def test_an_earlier_key_proves_what_it_has_sealed(state: Path) -> None:
    sealed(state, KEY)
    both = sealed(state, OTHER, KEY)
    assert flaws(state, both) == []
    assert flaws(state, Seal.parse(OTHER, file="keys"))
    with closing(Journal.open(str(state), seal=both)) as journal:
        assert verify.verify_chain(journal, seal=both).sealed == verify.Sealed(12, 41, 0)


def test_the_command_uses_the_key_and_never_shows_it(
    state: Path, tmp_path: Path, system: SystemJournal, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    system.holds()
    sealed(state, KEY)
    assert "6 rows sealed, and no key is here to check" in asked(capsys, state)[1]
    (tmp_path / "settings").mkdir()
    (tmp_path / "keys").write_bytes(KEY)
    (tmp_path / "keys").chmod(0o600)
    (tmp_path / "settings/livefw.toml").write_text(f'seal = "{tmp_path}/keys"\n')
    code, text, document = asked(capsys, state)
    assert code == 0
    assert "sealed from row 41 on (6 rows)" in text
    assert document["seal"] == {"has_key": True, "rows": 6, "first": 41, "other_keys": 0}
    assert KEY.decode() not in text + json.dumps(document)
    (tmp_path / "settings/livefw.toml").unlink()
    (tmp_path / "credentials").mkdir()
    (tmp_path / "keys").rename(tmp_path / "credentials/livefw.seal")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    assert "sealed from row 41 on" in asked(capsys, state)[1]


@pytest.mark.parametrize("keep", [7, 3, 1])
def test_seals_reach_over_archives(
    state: Path, tmp_path: Path, system: SystemJournal, keep: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """An archive of rows that are older than the key is no forgery, and one after it has to be sealed."""
    system.holds()
    (tmp_path / "settings").mkdir()
    (tmp_path / "keys").write_bytes(KEY)
    (tmp_path / "keys").chmod(0o600)
    (tmp_path / "settings/livefw.toml").write_text(f'seal = "{tmp_path}/keys"\n')
    code, text, _ = asked(capsys, state)
    assert code == 1
    assert "no row is sealed with the key" in text
    key = sealed(state, KEY)
    with closing(Journal.open(str(state), seal=key)) as journal:
        journal.archive(Cut(keep))
    code, text, _ = asked(capsys, state)
    assert code == 0, text
    assert "sealed from row 41 on (7 rows)" in text
    with closing(Journal.open(str(state))) as journal:
        journal.note(RowKind.REFUSAL, "lfa:x", {})
    assert "it has no seal" in asked(capsys, state)[1]


BAD_KEYS = {
    "none": (b"", 0o600),
    "short": (b"k" * 31, 0o600),
    "long": (b"k" * 1025, 0o600),
    "one short of two": (KEY + b"\n" + b"secret", 0o600),
    "too many": (b"\n".join([KEY] * 65), 0o600),
    "others may read it": (KEY, 0o640),
    "others may write it": (KEY, 0o602),
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_a_key_that_cannot_be_used_is_refused_and_not_shown(tmp_path: Path, name: str) -> None:
    text, mode = BAD_KEYS[name]
    path = tmp_path / "keys"
    path.write_bytes(text)
    path.chmod(mode)
    with pytest.raises(SealError) as caught:
        seal.load(str(path), environment={})
    assert "kkkk" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_key_that_is_named_and_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LivefwError, match="cannot be read"):
        seal.load(str(tmp_path / "none"), environment={})
    assert seal.load(None, environment={}) == seal.UNSEALED
    assert repr(Seal.parse(KEY, file="x")).count("k" * 8) == 0


# Bounds.


def test_a_row_is_bounded_and_says_what_was_cut(tmp_path: Path) -> None:
    with closing(Journal.open(str(tmp_path))) as journal:
        journal.note(RowKind.REFUSAL, "lfa:x", {"reason": "r" * 30_000, "outcome": "refused", "boot_id": "b"})
        journal.note(
            RowKind.STAGED, "lfa:x", {"outcome": "failed", "log": ["x" * 900] * 500, "problems": [{"text": "y"}]}
        )
        journal.note(RowKind.STAGED, "lfa:x", {"outcome": "failed", "actor": {"user": "u" * 5000}, "cost": {"a": 1}})
        reason, log, actor = (entry.body for entry in journal.rows())
        assert len(reason["reason"]) == TEXT_LIMIT
        assert reason["reason"].endswith("... (30,000 characters)")
        assert reason["cut"] == {"reason": 30_000}
        assert log["log"] == []
        assert log["cut"]["log"] > ROW_LIMIT
        assert log["problems"] == [{"text": "y"}]
        assert actor["cut"] == {"actor": 5000}
        assert verify_chain(journal).flaws == []
    assert (tmp_path / "history.db").stat().st_size < 200_000


def test_all_is_streamed_as_one_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, 300)
    with monkeypatch.context() as patched:
        patched.delattr(Journal, "page")  # which holds what it gives
        assert main(["--root", str(tmp_path), "--json", "history", "--state", str(tmp_path)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [each["outcome"]["sequence"] for each in document["history"]] == [*range(600, 0, -2)]
    assert document["before"] is None
    seen: list[int] = []
    before: int | None = None
    while True:
        more = ["--before", str(before)] if before else []
        main(["--root", str(tmp_path), "--json", "history", "--state", str(tmp_path), "--limit", "70", *more])
        page = json.loads(capsys.readouterr().out)
        seen += [each["outcome"]["sequence"] for each in page["history"]]
        before = page["before"]
        if before is None:
            break
    assert seen == [*range(600, 0, -2)]


MEASURE = """
import sys
from livefw.cli.main import main
main(sys.argv[1:])
(peak,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(peak, file=sys.stderr)
"""


def test_a_long_history_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    peaks = {}
    for count in (50, 5_000):
        folder = tmp_path / str(count)
        fill(folder, count)
        for words in (["--json", "history"], ["history", "--verify"]):
            command = [sys.executable, "-c", MEASURE, "--root", str(tmp_path), *words, "--state", str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            peaks[count, words[-1]] = int(done.stderr)
    for last in ("history", "--verify"):
        assert peaks[5_000, last] < peaks[50, last] + 8 * 1024
