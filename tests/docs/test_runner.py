# SPDX-License-Identifier: Apache-2.0
"""The runner of documented commands: that it notices what differs, and leaves nothing behind."""

import pytest

from .page import PageError, actions
from .runner import differences, updated
from .session import Session, SessionError
from .shown import matches, merged


def console(*lines: str) -> str:
    return "\n".join(["# Page", "```console", *lines, "```", ""])


def found(text: str) -> list[list[str]]:
    return [each.actual for each in differences(text, "page.md", patience_s=0.5)]


@pytest.mark.parametrize(
    "lines",
    [
        ("$ echo one", "one"),
        ("$ true",),
        ("$ false", "(exit code 1)"),
        ("$ echo one; exit_with() { return 3; }; exit_with", "one", "(exit code 3)"),
        ("$ echo one >&2", "one"),
        ("$ printf one", "one"),
        ("$ cd /usr", "$ pwd", "/usr"),
        ("$ x=one", "$ echo $x", "one"),
        ("$ echo one \\", ">   two", "one two"),
        ("$ cat <<END", "> one", "> END", "one"),
        ("$ pwd", "/home/you/work"),
        ("$ ls /home/you", "work"),
        ("$ cat",),
        ("$ ls -A",),
        ("$ seq 9", "1", "...", "9"),
        ("$ seq 9", "...", "5", "..."),
        ("$ echo it took 0.3 s", "it took 17.2 s"),
        ("$ echo one two three", "one ... three"),
        ("$ echo one &", "one"),
        ("$ echo $COLUMNS $TERM", "80 dumb"),
    ],
)
def test_what_is_shown_is_accepted(lines: tuple[str, ...]) -> None:
    assert found(console(*lines)) == []


@pytest.mark.parametrize(
    ("lines", "actual"),
    [
        (("$ echo one", "two"), ["one"]),
        (("$ echo one",), ["one"]),
        (("$ true", "one"), []),
        (("$ false",), ["(exit code 1)"]),
        (("$ true", "(exit code 1)"), []),
        (("$ seq 3", "1", "...", "4"), ["1", "2", "3"]),
        (("$ seq 2", "2", "1"), ["1", "2"]),
        (("$ echo one &", "two"), ["one"]),
        (("$ echo 3 CPUs", "4 CPUs"), ["3 CPUs"]),
        (
            ("$ no-such-program", "(exit code 127)"),
            ["bash: line 1: no-such-program: command not found", "(exit code 127)"],
        ),
    ],
)
def test_what_differs_is_seen(lines: tuple[str, ...], actual: list[str]) -> None:
    assert found(console(*lines)) == [actual]


@pytest.mark.parametrize(
    ("shown", "actual", "same"),
    [
        ("[    1.648363] Arm LFA", "[   12.000001] Arm LFA", True),
        ("done 2026-11-29 10:00:00", "done 2027-01-01 23:59:59", True),
        ("Sun 2026-11-29 UTC  vera", "Mon 2026-11-30 UTC  vera", True),
        ("opens Wed 02 Dec 12:00 UTC", "opens Thu 03 Jan 12:00 UTC", True),
        ("opens Wed 02 Dec 12:00 UTC", "opens Wed 02 Dec 13:00 UTC", False),
        ("A     1.2 ms  x", "A   101.2 ms  x", True),
        ("A     1.2.0  x", "A   1.2.0  x", False),
        ("staged, 2026-11-29 10:00:00, by root, 845ca951", "staged, 2027-01-01 23:59:59, by root, 0a57cb32", True),
        ("staged, 2026-11-29 10:00:00, by root, 845ca951", "staged, 2026-11-29 10:00:00, by you, 845ca951", False),
        ("cpu37 LFA_PRIME", "cpu2 LFA_PRIME", True),
        ("cpu0 LFA_CANCEL() -> BUSY", "cpu7 LFA_CANCEL() -> BUSY  (0.209 ms)", True),
        ("cpu0 LFA_CANCEL() -> BUSY", "cpu0 LFA_CANCEL() -> SUCCESS  (0.209 ms)", False),
        ("TF-RMM 1.0 -> 1.1", "TF-RMM 1.0 -> 1.2", False),
        ("88 CPUs", "87 CPUs", False),
        ("a ... c", "a   b       c", True),
        ("a ... c", "a   b       d", False),
    ],
)
def test_only_what_is_different_each_time_may_differ(shown: str, actual: str, same: bool) -> None:
    assert matches([shown], [actual]) is same


@pytest.mark.parametrize(
    "text",
    [
        "```console\n$ true\n",
        "```console\nno command\n```\n",
        "```text\n$ true\n```\n",
        "```\n$ true\n```\n",
        '```console no-run="too slow"\n$ true\n```\n',
        '```console norun="needs hardware"\n$ true\n```\n',
        "```console no-run\n$ true\n```\n",
        "```console\n$ true &\n```\n",
        "```console\n$ true &\n...\n```\n",
        "```python\nraise KeyError\n```\n",
        "```python\ndef\n```\n",
    ],
)
def test_a_page_that_cannot_be_run_is_refused(text: str) -> None:
    with pytest.raises(PageError):
        found(text)


def test_a_block_that_says_why_is_not_run() -> None:
    assert list(actions('```console no-run="needs hardware"\n$ true\n```\n')) == []


def test_files_and_python_are_part_of_the_session() -> None:
    text = (
        '```toml title="a/b.toml"\nx = 1\n```\n'
        "```console\n$ cat a/b.toml\nx = 1\n```\n"
        "```python\nimport tomllib\nx = tomllib.load(open('a/b.toml', 'rb'))\nprint('not shown')\n```\n"
        ">>> not a block\n"
        "```python\n>>> x\n{'x': 1}\n>>> x['y']\nTraceback (most recent call last):\n    ...\nKeyError: 'y'\n```\n"
    )
    assert found(text) == []
    assert found(text.replace("{'x': 1}", "{'x': 2}")) == [["{'x': 1}"]]


def test_an_update_writes_what_the_commands_write() -> None:
    page = "A\n\n  ```console\n  $ seq 2\n  $ echo two\n  two\n  $ false\n  ```\n\n```python\n>>> 1 + 1\n```\n"
    new = updated(page, "page.md")
    assert new == (
        "A\n\n  ```console\n  $ seq 2\n  1\n  2\n  $ echo two\n  two\n  $ false\n  (exit code 1)\n  ```\n\n"
        "```python\n>>> 1 + 1\n2\n```\n"
    )
    assert updated(new, "page.md") == new


@pytest.mark.parametrize(
    ("shown", "actual", "new"),
    [
        (["a", "...", "z"], ["b", "1", "2", "z"], ["b", "...", "z"]),
        (["a", "...", "z", "(exit code 1)"], ["a", "1", "y", "(exit code 4)"], ["a", "...", "y", "(exit code 4)"]),
        (["a 1 s", "b", "..."], ["a 2 s", "c", "1", "2"], ["a 1 s", "c", "..."]),
        (["a"], ["b", "c"], ["b", "c"]),
        ([], ["a"], ["a"]),
    ],
)
def test_an_update_leaves_out_what_was_left_out(shown: list[str], actual: list[str], new: list[str]) -> None:
    assert not matches(shown, actual)
    assert merged(shown, actual) == new
    assert matches(new, actual)


def test_nothing_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.docs.session._END_S", 0.2)
    with Session() as session:
        away = session.run("setsid sleep 1000 >/dev/null 2>&1 & echo $!").output[0]
        assert (
            session.start(
                "(trap '' TERM; echo ready; exec sleep 1000) &", lambda lines: lines == ["ready"], 10
            ).exit_code
            == 0
        )
        assert int(away) in session._pids()
    assert list(session._pids()) == []
    assert not session.place.exists()


def test_a_page_whose_shell_ends_is_refused() -> None:
    with pytest.raises(SessionError, match="the shell has ended"):
        found(console("$ exit"))
