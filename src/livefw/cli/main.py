# SPDX-License-Identifier: Apache-2.0
"""The command ``livefw``: find the verb, run it, and turn whatever happens into an answer and an exit code."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import closing

from livefw import streams
from livefw.cli.invocation import listing
from livefw.cli.invocation.session import CommandSession
from livefw.cli.verbs import VERBS
from livefw.errors import Interrupted, TransportError, kind_of
from livefw.render import document  # here, and not for errors only: another open file may be refused then
from livefw.render.error import foreseen, given, text
from livefw.render.listing import PLAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import NoReturn


def command() -> NoReturn:
    """The whole process of ``livefw``.

    It ends without taking the interpreter down, which for `list` would be a seventh of its time, spent on memory that
    the system takes back anyway. Nothing of ours is left to an interpreter's end.
    """
    gc.disable()  # what `list` makes it can keep
    streams.fill()
    code = main()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            try:
                stream.flush()
            except OSError:
                code = code or int(kind_of(TransportError("")).exit_code)
    os._exit(code)


def main(argv: list[str] | None = None) -> int:
    """Run the command; the exit code, see `livefw.errors.ExitCode`."""
    words = sys.argv[1:] if argv is None else argv
    try:
        return _run(words)
    except KeyboardInterrupt:
        return _fail(words, Interrupted("interrupted; nothing was started"))
    except ImportError as error:
        from livefw.libraries import cause  # only for errors

        return _fail(words, cause(error) or error)
    except OSError as error:
        values = {value for word in words for value in (word, word.partition("=")[2])}
        path = str(error.filename)
        return _fail(words, given(path, error) if path in values else foreseen(error))
    except Exception as error:  # the last resort too: our bug, told in the form that was asked for
        return _fail(words, error)


def _run(words: list[str]) -> int:
    if plain := _plain(words):
        name, session = plain
        with closing(session):
            return VERBS[name].load().run(session, None)
    if words[:1] == ["_complete"]:
        from livefw.cli import complete  # for shells

        return complete.run(words[1:])
    gc.enable()
    from livefw import children  # `list` starts none
    from livefw.cli.arguments import parse  # argparse takes longer to import than `list` takes to run

    children.are_waited_for()
    name, arguments = parse(words)
    view = listing.view(arguments)
    session = CommandSession(
        root=arguments.root,
        settings=arguments.settings,
        json=arguments.json or view.output in listing.MACHINE_READABLE,
        debug=arguments.debug,
        view=view,
        color=arguments.color,
        typed=words,
    )
    with closing(session):
        return _ask_or_run(session, name, arguments)


def _ask_or_run(session: CommandSession, name: str, arguments: argparse.Namespace) -> int:
    """Have the daemon answer, where it is to, or do it here."""
    if "LIVEFW_SOCKET" in os.environ or (os.geteuid() and os.path.exists("/run/livefw/fwupd.sock")):
        from livefw.cli.daemon import client  # only where there may be one, and for those who need it

        code = client.ask(session, name, arguments)
        if code is not None:
            return code
    return VERBS[name].load().run(session, arguments)


def _plain(words: list[str]) -> tuple[str, CommandSession] | None:
    """A command line that needs no parser: a verb without arguments of its own, and the plainest of our options."""
    rest = iter(words)
    paths, names, flags = {"--root": "/"}, [], set()
    for word in rest:
        if word in ("--root", "--settings"):
            paths[word] = next(rest, "-")
        elif word in ("--json", "--debug"):
            flags.add(word)
        else:
            names.append(word)
    if len(names) != 1 or names[0] not in VERBS or not VERBS[names[0]].bare:
        return None
    if any(path.startswith("-") for path in paths.values()):
        return None
    settings = paths.get("--settings")
    return names[0], CommandSession(
        root=paths["--root"], settings=settings, json="--json" in flags, debug="--debug" in flags, typed=words
    )


def _fail(words: list[str], error: Exception) -> int:
    """Tell an error in the form that was asked for; the arguments may not have been understood."""
    output = listing.output_of(words)
    session = CommandSession(
        root="/", json=output != "table", debug="--debug" in words, view=PLAIN._replace(output=output), typed=words
    )
    try:
        session.answer(lambda: "", lambda: {"error": document.error(error)})
        if not session.json:
            session.say(text(error))
        if session.debug:
            import traceback  # rarely wanted

            session.mark("".join(traceback.format_exception(error)).rstrip(), end="\n")
    except TransportError:
        pass  # nowhere to tell it; the exit code does
    return int(kind_of(error).exit_code)
