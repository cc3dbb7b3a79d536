# SPDX-License-Identifier: Apache-2.0
"""Manual pages, as they are made from the command's tables and as their readers take them."""

import os
import pty
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from livefw.activation.policy.document import DEFAULT, KEYS, parse
from livefw.activation.policy.example import EXAMPLES
from livefw.activation.policy.reader import rows
from livefw.daemon import service
from livefw.errors import MEANINGS
from livefw.providers.redfish.settings import KEYS as BMC_KEYS
from livefw.providers.redfish.settings import TABLE_KEYS as REDFISH_KEYS
from livefw.providers.tdx.settings import KEYS as TDX_KEYS

from ..cli import commands
from .conftest import PACKAGING, need, once, run

COMMANDS = [parser.prog for parser in commands.every()]
PAGES = ("livefw.1", *(f"{command.replace(' ', '-')}.1" for command in COMMANDS), "livefw.toml.5", "livefwd.8")
FOREIGN = {"fwupdmgr(1)"}
SECTIONS = ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "FILES", "EXAMPLES", "SEE ALSO")


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Manuals, made once in a run of the tests."""
    return once(
        tmp_path_factory, "generated", lambda folder: run(sys.executable, "-B", PACKAGING / "generate.py", folder)
    )


@pytest.fixture(scope="module")
def shown(generated: Path) -> dict[str, str]:
    """Each page as a reader sees it, in lines that are never broken."""
    need("mandoc", "mandoc")
    return {page: run("mandoc", "-Tutf8", "-Owidth=500", generated / page) for page in PAGES}


def _plain(text: str) -> str:
    """Text without overstrikes, and with one space between words."""
    return " ".join(re.sub(r".\x08", "", text).replace("\N{HYPHEN}", "-").replace("\N{MINUS SIGN}", "-").split())


def test_there_is_a_page_for_each_verb_and_no_other(generated: Path) -> None:
    assert {path.name for path in generated.glob("*.[1-8]")} == set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_page_is_well_formed(generated: Path, page: str) -> None:
    need("mandoc", "mandoc")
    run("mandoc", "-Tlint", "-Wwarning", generated / page)


@pytest.mark.parametrize("page", ["livefw.1", "livefw-machine.1", "livefw.toml.5", "livefwd.8"])
def test_groff_takes_the_page_too(generated: Path, page: str) -> None:
    program = need("groff", "groff-base")
    done = subprocess.run(
        [program, "-man", "-ww", "-Tutf8", generated / page], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", COMMANDS)
def test_page_of_a_command_has_each_section(shown: dict[str, str], command: str) -> None:
    text = shown[f"{command.replace(' ', '-')}.1"]
    headings = [line for line in map(_plain, re.findall(r"^\S.*$", text, re.MULTILINE)) if line]
    assert [section for section in SECTIONS if section not in headings] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_page_of_a_command_has_every_option_that_help_has(shown: dict[str, str], command: str) -> None:
    """The command itself is asked; what its options are is in the part above its examples."""
    text = _plain(shown[f"{command.replace(' ', '-')}.1"])
    helped = run(sys.executable, "-m", "livefw", *command.split()[1:], "--help").partition("\nexamples:")[0]
    options = set(re.findall(r"(?<![\w-])--[a-z0-9-]+", helped))
    assert options
    assert [option for option in sorted(options - {"--help"}) if option not in text] == []


@pytest.mark.parametrize("page", PAGES)
def test_pages_refer_to_pages_that_there_are(shown: dict[str, str], page: str) -> None:
    known = {f"{name}({section})" for name, _, section in (each.rpartition(".") for each in PAGES)}
    text = _plain(shown[page])
    named = set(re.findall(r"[a-z][a-z.-]*\([158]\)", text)) - {page.rpartition(".")[0] + f"({page[-1]})"}
    assert named
    assert named - known - FOREIGN == set()


def test_pages_have_the_exit_codes(shown: dict[str, str]) -> None:
    text = _plain(shown["livefw.1"]).lower()
    listed = {code: f" {int(code)} {_plain(meaning).rstrip('.').lower()}." for code, meaning in MEANINGS.items()}
    assert [code for code, line in listed.items() if line not in text] == []


def test_page_of_the_daemon_knows_every_option(shown: dict[str, str]) -> None:
    options = {option for action in service.parser()._actions for option in action.option_strings if len(option) > 2}
    assert [option for option in options - {"--help"} if option not in _plain(shown["livefwd.8"])] == []


def test_page_of_the_settings_has_every_key(shown: dict[str, str]) -> None:
    text = _plain(shown["livefw.toml.5"])
    assert [row.path for row in rows(KEYS) if f" {row.path.rpartition('.')[2]} = {_plain(row.kind)} " not in text] == []
    assert [key for key in TDX_KEYS if f" {key} " not in text] == []
    assert [key for key in (*BMC_KEYS, *REDFISH_KEYS) if f" {key}: " not in text] == []


@pytest.mark.parametrize("example", [text for _, text in EXAMPLES])
def test_examples_of_settings_are_settings(example: str, shown: dict[str, str]) -> None:
    assert parse(example.encode()) != DEFAULT
    assert _plain(example) in _plain(shown["livefw.toml.5"])


def test_pages_do_not_depend_on_what_is_installed(generated: Path, tmp_path: Path) -> None:
    """An interpreter without any package makes the same, as Debian's does."""
    run(
        sys.executable,
        "-B",
        "-S",
        PACKAGING / "generate.py",
        tmp_path,
        env={"PYTHONPATH": str(PACKAGING.parent / "src")},
    )
    names = {path.name for path in generated.iterdir() if not path.name.startswith(".")}
    assert names == {path.name for path in tmp_path.iterdir()}
    assert [name for name in names if (generated / name).read_bytes() != (tmp_path / name).read_bytes()] == []


def _at_terminal(*arguments: str, environment: dict[str, str]) -> str:
    """What the command shows on a terminal."""
    end, other = pty.openpty()
    command = [sys.executable, "-m", "livefw", *arguments]
    with subprocess.Popen(command, env=os.environ | environment, stdin=other, stdout=other, stderr=other) as process:
        os.close(other)
        seen = b""
        with suppress(OSError):  # EIO: nobody is at the other end any more
            while piece := os.read(end, 65536):
                seen += piece
        os.close(end)
    assert process.returncode == 0, seen
    return _plain(seen.decode())


@pytest.mark.parametrize(("arguments", "title"), [(("help", "list"), "LIVEFW-LIST(1)"), (("help",), "LIVEFW(1)")])
def test_help_opens_the_page_where_there_is_one(
    generated: Path, tmp_path: Path, arguments: tuple[str, ...], title: str
) -> None:
    need("man", "man-db")
    pages = tmp_path / "man/man1"
    pages.mkdir(parents=True)
    for page in generated.glob("*.1"):
        shutil.copy(page, pages)
    installed = {"MANPATH": str(tmp_path / "man"), "MANPAGER": "cat", "PAGER": "cat", "TERM": "dumb"}
    assert title in _at_terminal(*arguments, environment=installed)
    none = {"MANPATH": str(tmp_path / "none")}
    assert _at_terminal(*arguments, environment=none).startswith("usage: livefw")
    assert run(sys.executable, "-m", "livefw", *arguments, env=os.environ | installed).startswith("usage: livefw")
