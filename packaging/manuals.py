# SPDX-License-Identifier: Apache-2.0
"""Manual pages from the tables that the command is made of: its verbs, options, exit statuses and settings."""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from options import Option, options

import livefw
from livefw.activation.policy.document import KEYS
from livefw.activation.policy.example import EXAMPLES
from livefw.activation.policy.reader import rows
from livefw.cli import complete
from livefw.cli.arguments import configured, top
from livefw.cli.parser import CommandParser
from livefw.cli.verbs import VERBS
from livefw.daemon import service
from livefw.errors import MEANINGS
from livefw.providers.redfish import settings as redfish
from livefw.providers.tdx import settings as tdx

Section = tuple[str, list[str]]
"""A heading and the lines of man(7) below it."""

METAINFO = Path(__file__).with_name("org.livefw.livefw.metainfo.xml")
SETTINGS = ("/etc/livefw/livefw.toml", "Settings; see livefw.toml(5).")
FILES = {
    "--state": ("/var/lib/livefw/history.db", "The history."),
    "--images": ("/var/lib/livefw/images/", "Images that can be staged."),
    "--socket": (service.SOCKET, "The socket of livefwd(8)."),
}
"""What a command uses that has an option for another place."""
ENVIRONMENT = {
    "LIVEFW_STATE": "Directory of the history, if there is no option --state.",
    "LIVEFW_RUNTIME_DIR": "Directory of locks and of modelled machines.",
    "LIVEFW_SOCKET": "Socket of the daemon to which commands are sent.",
    complete.PATIENCE_VARIABLE: "Seconds after which the completion of a shell offers nothing; 2 if it is not set.",
}
VOLUMES = {1: "User Commands", 5: "File Formats", 8: "System Administration"}


def pages() -> dict[str, str]:
    """Every page by its file name."""
    parsers = [each for name in VERBS for each in _each(configured(name))]
    verbs = {f"{_name(each)}.1": _verb(each) for each in parsers}
    return {"livefw.1": _command(), **verbs, "livefw.toml.5": _settings(), "livefwd.8": _daemon()}


def _command() -> str:
    return _page(
        ("livefw", 1),
        "activate firmware while the machine runs",
        _synopsis("livefw [OPTION]... COMMAND [ARGUMENT]..."),
        (
            "DESCRIPTION",
            _paragraphs(
                "livefw lists firmware that can be activated live, shows what an activation costs and what blocks it,"
                " activates it, verifies the outcome, and keeps a history. It supports Arm Live Firmware Activation,"
                " Intel's TDX module, management controllers (Redfish), PFRUT, SFS, microcode and NVMe drives.",
                "A COMPONENT is named by its key (PROVIDER:ID), by its identifier or a unique beginning of it, or by"
                " its name without regard to case.",
            ),
        ),
        ("COMMANDS", _terms((f"livefw-{name}(1)", _sentence(verb.summary)) for name, verb in VERBS.items())),
        ("OPTIONS", _listed(options(top(), common=None))),
        _exit_status(),
        ("ENVIRONMENT", _terms(ENVIRONMENT.items())),
        ("FILES", _terms([SETTINGS, *FILES.values()])),
        _see(*(f"livefw-{name}(1)" for name in VERBS), "livefw.toml(5)", "livefwd(8)", "fwupdmgr(1)"),
    )


def _each(parser: CommandParser) -> Iterator[CommandParser]:
    """A command, and those below it to any depth."""
    yield parser
    for _, _, child in parser.children():
        yield from _each(child)


def _name(parser: CommandParser) -> str:
    return parser.prog.replace(" ", "-")


def _verb(parser: CommandParser) -> str:
    """A command; one that has commands of its own refers to their pages."""
    manual, children = parser.manual, list(parser.children())
    assert manual is not None, parser.prog  # noqa: S101
    own = [] if children else list(options(parser))
    used = {each.name for nested in _each(parser) for each in options(nested)}
    sections: list[Section] = [
        _synopsis(f"{parser.prog} COMMAND [OPTION]... [ARGUMENT]..." if children else _usage(parser.prog, own)),
        ("DESCRIPTION", _paragraphs(*manual.description)),
    ]
    if children:
        rows = ((f"{_name(child)}(1)", _sentence(summary)) for _, summary, child in children)
        sections.append(("COMMANDS", _terms(rows)))
    sections += [
        ("OPTIONS", [*_listed(own), *_listed(options(parser, common=True))]),
        _exit_status(),
        ("FILES", _terms([SETTINGS, *(FILES[option] for option in FILES if option in used)])),
        ("EXAMPLES", _examples((about, f"$ {command}") for command, about in manual.examples)),
    ]
    see = (each if "(" in each else f"livefw-{each}(1)" for each in manual.see_also)
    below = (f"{_name(child)}(1)" for _, _, child in children)
    return _page((_name(parser), 1), parser.description or "", *sections, _see("livefw(1)", *see, *below))


def _settings() -> str:
    found = sorted(rows(KEYS), key=lambda row: "." in row.path)  # those of no table come first in TOML
    tables = [
        line for table, keys in groupby(found, lambda row: row.path.rpartition(".")[0]) for line in _table(table, keys)
    ]
    return _page(
        ("livefw.toml", 5),
        "settings of livefw",
        _synopsis("/etc/livefw/livefw.toml"),
        (
            "DESCRIPTION",
            _paragraphs(
                "The file is in TOML. Without it, or without a key, the defaults are used. A key that is not known is"
                " an error, and livefw then activates nothing: a misspelt setting must not allow what was forbidden.",
                'The file is used only if nobody but root can change or replace it. "livefw policy" shows what it'
                ' sets here, "livefw policy --keys" lists every key, and "livefw policy --check" checks the file.',
                "Patterns are those of a shell, without regard to case. They match the key, an identifier or the name"
                ' of a component. Checks are named as "livefw policy --keys" lists them.',
            ),
        ),
        ("SETTINGS", tables),
        (
            "SETTINGS OF MECHANISMS",
            [
                ".SS [tdx]",
                *_terms((key, _sentence(each.text)) for key, each in tdx.KEYS.items()),
                ".SS [redfish]",
                *_terms((f"{key}: {each.kind}", _sentence(each.text)) for key, each in redfish.TABLE_KEYS.items()),
                ".SS [[redfish.bmc]]",
                *_terms((f"{key}: {each.kind}", _sentence(each.text)) for key, each in redfish.KEYS.items()),
                ".SS [redfish.group.NAME]",
                *_terms((f"{key}: {each.kind}", _sentence(each.text)) for key, each in redfish.GROUP_KEYS.items()),
            ],
        ),
        (
            "FILES",
            _terms(
                [
                    (SETTINGS[0], "This file."),
                    ("/etc/livefw/checks.d/", "Programs that are run as checks."),
                    ("/etc/livefw/notify.d/", "Programs that are sent events; see livefw-notify(1)."),
                ]
            ),
        ),
        ("EXAMPLES", _examples(EXAMPLES)),
        _see("livefw-policy(1)", "livefw-plan(1)", "livefw(1)", "livefwd(8)"),
    )


def _table(name: str, keys: Iterable[object]) -> Iterator[str]:
    """The keys of one table of the file; ``name[]`` stands for a list of tables."""
    if name:
        yield f".SS {_escape(f'[[{name[:-2]}]]' if name.endswith('[]') else f'[{name}]')}"
    for row in keys:
        path, kind, default, text = row  # type: ignore[misc]  # a Row
        shown = {"required": "required", "": "no default"}.get(default, f"default {default}")
        yield from _terms([(f"{path.rpartition('.')[2]} = {kind}", f"{_sentence(text)} ({shown})")])


def _daemon() -> str:
    parser = service.parser()
    return _page(
        ("livefwd", 8),
        "serve live firmware activation to fwupd's clients",
        _synopsis("livefwd [OPTION]..."),
        (
            "DESCRIPTION",
            _paragraphs(
                "livefwd serves the D-Bus interface of fwupd and its own, org.livefw.Livefw1, on a Unix socket."
                ' Unchanged clients of fwupd use it with FWUPD_DBUS_SOCKET; "livefw fwupdmgr" sets that.'
            ),
        ),
        ("OPTIONS", _listed(options(parser, common=None))),
        ("FILES", _terms([SETTINGS, *FILES.values()])),
        _see("livefw(1)", "livefw-fwupdmgr(1)", "livefw.toml(5)", "fwupdmgr(1)"),
    )


def _page(title: tuple[str, int], summary: str, *sections: Section) -> str:
    name, number = title
    found = re.search(r'<release version="[^"]*" date="([^"]*)"', METAINFO.read_text(encoding="utf-8"))
    assert found is not None, METAINFO  # noqa: S101
    lines = [
        f'.TH {name.upper()} {number} {found[1]} "livefw {livefw.__version__}" "{VOLUMES[number]}"',
        ".nh",  # options and keys are not broken at the end of a line
        f".SH NAME\n{_escape(name)} \\- {_escape(summary)}",
    ]
    for heading, text in sections:
        lines += [f".SH {heading}", *text]
    return "\n".join(lines) + "\n"


def _usage(command: str, found: list[Option]) -> str:
    words = [command, "[OPTION]...", *(f"{each.name} {each.value}" for each in found if each.required)]
    return " ".join([*words, *(each.value for each in found if not each.name)])


def _synopsis(*lines: str) -> Section:
    return "SYNOPSIS", [f".B {_escape(line)}" for line in lines]


def _exit_status() -> Section:
    return "EXIT STATUS", _terms((str(int(code)), _sentence(text)) for code, text in MEANINGS.items())


def _see(*pages: str) -> Section:
    return "SEE ALSO", [
        ", ".join(f"\\fB{_escape(name)}\\fR({rest}" for name, _, rest in (each.partition("(") for each in pages))
    ]


def _examples(examples: Iterable[tuple[str, str]]) -> list[str]:
    """Sentences and, below each and as it is, a command or a file."""
    lines = []
    for about, text in examples:
        lines += [".PP", _escape(about), ".PP", ".in +4n", ".nf", *map(_escape, text.strip().split("\n")), ".fi", ".in"]
    return lines[1:]


def _terms(terms: Iterable[tuple[str, str]]) -> list[str]:
    return [line for term, text in terms for line in (".TP", f"\\fB{_escape(term)}\\fR", _escape(text))]


def _listed(found: Iterable[Option]) -> list[str]:
    return _terms((" ".join(filter(None, (each.name, each.value))), _sentence(each.help)) for each in found)


def _paragraphs(*texts: str) -> list[str]:
    return [line for text in texts for line in (".PP", _escape(text))][1:]


def _sentence(text: str) -> str:
    text = text.strip() or "See the help of the command."
    return text[:1].upper() + text[1:].removesuffix(".") + "."


def _escape(text: str) -> str:
    """Text as man(7) shows it unchanged; an empty line would be an error."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if not text or escaped.startswith((".", "'")) else escaped
