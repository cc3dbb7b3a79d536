# SPDX-License-Identifier: Apache-2.0
"""What is known of the executables in notify.d, and how they took a test."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from livefw.activation.hooks.directory import Hook
from livefw.activation.notify.overview import HookOverview, NotifyOverview
from livefw.activation.notify.sender import Attempted
from livefw.activation.policy.notification import SELECTABLE
from livefw.errors import ExitCode
from livefw.render.answer import Answer
from livefw.text import printable, table


def overview(shown: NotifyOverview) -> Answer:
    """``livefw notify``."""
    return Answer(lambda: "\n".join(_lines(shown)), lambda: _document(shown), ExitCode.DONE)


def tested(attempts: Iterable[tuple[Hook, Attempted]]) -> Answer:
    """``livefw notify --test``; the exit code is 1 if one of them has failed."""
    done = [*attempts]

    def text() -> str:
        lines = []
        for hook, each in done:
            lines.append(f"{printable(hook.name)}: {printable(each.error) if each.error else 'sent'}")
            lines += [f"    {printable(line)}" for line in each.output.splitlines()]
        return "\n".join(lines)

    def document() -> dict[str, Any]:
        return {
            "tested": [
                {"name": hook.name, "error": each.error or None, "output": each.output.splitlines()}
                for hook, each in done
            ]
        }

    return Answer(text, document, ExitCode.FAILED if any(each.error for _, each in done) else ExitCode.DONE)


def _lines(shown: NotifyOverview) -> Iterable[str]:
    if not shown.hooks:
        yield f"no executable in {printable(shown.directory or '/etc/livefw/notify.d')}; events are not sent"
    else:
        heading = ("NAME", "EVENTS", "SENT", "WAITING", "GIVEN UP", "STATE")
        yield table([heading, *(_row(hook) for hook in shown.hooks)])
        for hook in shown.hooks:
            if hook.problem:
                yield f"{printable(hook.name)}: {printable(hook.problem)}"
            elif hook.delivery.failures:
                when = _moment(hook.delivery.last_failed)
                yield f"{printable(hook.name)}: {when}: {printable(hook.delivery.last_error)}"
    for name in shown.absent:
        yield f"notify.hook.{printable(name)} in livefw.toml: there is no executable of that name"
    for kind, count in shown.suppressed.items():
        yield f"{printable(kind)}: {count} not sent, because of notify.rate in livefw.toml"


def _row(hook: HookOverview) -> tuple[str, ...]:
    whole = hook.events == SELECTABLE and hook.components == ("*",)
    events = "all" if whole else f"{len(hook.events)} of {len(SELECTABLE)}"
    state = "not run" if hook.problem else "ready"
    if not hook.problem and hook.delivery.failures:
        state = f"failed; again at {datetime.fromtimestamp(hook.delivery.not_before).astimezone():%H:%M}"
    known = hook.delivery
    return printable(hook.name), events, str(known.taken), str(hook.waiting), str(known.given_up), state


def _moment(time_s: float) -> str:
    return f"{datetime.fromtimestamp(time_s).astimezone():%Y-%m-%d %H:%M}"


def _document(shown: NotifyOverview) -> dict[str, Any]:
    return {
        "directory": shown.directory or None,
        "hooks": [_hook(hook) for hook in shown.hooks],
        "absent": list(shown.absent),
        "suppressed": shown.suppressed,
    }


def _hook(hook: HookOverview) -> dict[str, Any]:
    known = hook.delivery
    return {
        "name": hook.name,
        "path": hook.path,
        "problem": hook.problem or None,
        "events": list(hook.events),
        "components": list(hook.components),
        "waiting": hook.waiting,
        "taken": known.taken,
        "given_up": known.given_up,
        "last_taken": _iso(known.last_taken),
        "last_failed": _iso(known.last_failed),
        "last_error": known.last_error or None,
        "next_try": _iso(known.not_before) if known.failures else None,
    }


def _iso(time_s: float) -> str | None:
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="seconds") if time_s else None
