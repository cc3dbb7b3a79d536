# SPDX-License-Identifier: Apache-2.0
"""The command ``livefw``: find the verb, parse, run, and turn whatever happens into an answer and an exit code."""

import argparse
import sys
from typing import Any, NoReturn

from livefw.cli.session import Session
from livefw.cli.verbs import VERBS, Verb
from livefw.errors import ExitCode, Interrupted, LivefwError, TransportError, UsageError, kind_of

USAGE = "livefw [--root DIR] [--json] [--debug] COMMAND ..."


class _Parser(argparse.ArgumentParser):
    """Raises where argparse would exit, so that a wrong option is an error like any other."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"{self.prog} --help")


def main(argv: list[str] | None = None) -> int:
    """Run the command; the exit code, see `livefw.errors.ExitCode`."""
    words = sys.argv[1:] if argv is None else argv
    # For errors that happen before the arguments are understood.
    session = Session(root="/", json="--json" in words, debug="--debug" in words)
    try:
        return _run(words)
    except KeyboardInterrupt:
        return _fail(session, Interrupted("interrupted; nothing was started"))
    except LivefwError as error:
        return _fail(session, error)
    except Exception as error:  # the last resort: our bug, told in the form that was asked for
        return _fail(session, error)


def _run(words: list[str]) -> int:
    position = _verb_position(words)
    if position is None:
        return _without_verb(words)
    name = words[position]
    verb = VERBS.get(name)
    if verb is None:
        raise UsageError(f"there is no command {name!r}; commands are {', '.join(VERBS)}", hint="livefw --help")
    module = verb.load()
    parser = _parser(f"livefw {name}", verb)
    module.configure(parser)
    arguments = parser.parse_args(words[:position] + words[position + 1 :])
    session = Session(root=arguments.root, json=arguments.json, debug=arguments.debug)
    return module.run(session, arguments)


def _verb_position(words: list[str]) -> int | None:
    """Where the verb is: the first word that is no option and not the value of ``--root``."""
    value_follows = False
    for position, word in enumerate(words):
        if not value_follows and not word.startswith("-"):
            return position
        value_follows = word == "--root" and not value_follows
    return None


def _without_verb(words: list[str]) -> int:
    from livefw import __version__  # not needed by any verb

    parser = _parser(USAGE.split()[0], None)
    parser.add_argument("--version", action="version", version=f"livefw {__version__}")
    parser.parse_args(words)
    raise UsageError("a command is missing", hint="livefw --help")


def _parser(prog: str, verb: Verb | None) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=prog,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=verb.summary if verb else _overview(),
        usage=None if verb else USAGE,
    )
    group = parser.add_argument_group("for every command")
    group.add_argument("--root", metavar="DIR", default="/", help="look at the machine whose files are below DIR")
    group.add_argument("--json", action="store_true", help="answer with one JSON document")
    group.add_argument("--debug", action="store_true", help="show each file operation, and tracebacks")
    return parser


def _overview() -> str:
    width = max(map(len, VERBS))
    commands = "\n".join(f"  {name:{width}}  {verb.summary}" for name, verb in VERBS.items())
    return f"Live firmware activation.\n\ncommands:\n{commands}"


def _fail(session: Session, error: BaseException) -> int:
    """Tell an error in the form that was asked for."""
    kind = kind_of(error)
    try:
        session.answer(lambda: "", lambda: _document(error))
        if not session.json:
            session.say(_text(error))
        if session.debug:
            import traceback  # rarely wanted

            session.say("".join(traceback.format_exception(error)).rstrip())
    except TransportError as failure:
        if kind.exit_code is ExitCode.DONE:
            kind = kind_of(failure)
    return int(kind.exit_code)


def _document(error: BaseException) -> dict[str, Any]:
    from livefw.cli import document  # only for errors

    return {"error": document.error(error)}


def _text(error: BaseException) -> str:
    from livefw.text import printable  # only for errors

    if not isinstance(error, LivefwError):
        return printable(f"livefw: unexpected {type(error).__name__}: {error}; this is a defect of livefw, see --debug")
    lines = [f"livefw: {printable(error.message)}"]
    if error.hint:
        lines.append(f"  hint: {printable(error.hint)}")
    if error.replay:
        lines.append(f"  by hand: {printable(error.replay)}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
