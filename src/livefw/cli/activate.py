# SPDX-License-Identifier: Apache-2.0
"""``livefw activate``: a client of the engine."""

import argparse
import os
import sys
from collections.abc import Callable
from functools import partial

from livefw.activation.engine import Host, OnFailure, Plan
from livefw.activation.expected_version import pending_now
from livefw.activation.inventory.select import is_pattern
from livefw.activation.policy.window import own_zone
from livefw.activation.schedule import scheduling, timers, when
from livefw.api import ConnectedHost
from livefw.cli import plan
from livefw.cli.invocation import paths
from livefw.cli.invocation.numbers import real
from livefw.cli.invocation.progress import ProgressDisplay, refused_without_descriptors
from livefw.cli.invocation.session import CommandSession
from livefw.cli.verbs import Manual
from livefw.errors import Interrupted, NothingToDo, UsageError
from livefw.render import plan as shown_plan
from livefw.render import schedule as shown_schedule
from livefw.render.request import RequestResult

MANUAL = Manual(
    description=(
        (
            "Activate pending firmware while the machine runs. The plan is shown first, and on a terminal the "
            "command asks before it starts. Each component is checked, activated, read again and compared; the "
            'outcome is "activated", "failed", "refused", "cancelled" or "unknown", and is written to the history. '
            "With several components the worst outcome decides the exit status."
        ),
        (
            "A BMC that does not answer is named before anything is begun and again at the end if a pattern or --all "
            "may mean more that it has; the rest is activated, and the exit status is that of the rest. With --strict "
            "nothing is begun then, and the exit status is 1."
        ),
        (
            "An activation runs in a process of its own. It continues if this command is interrupted or loses its "
            "terminal, and the next command reports how it ended."
        ),
        (
            "With --at the plan is shown and confirmed now, and a timer of systemd runs the command then. It activates "
            "only the versions that are pending now (--to), if the checks allow it at that time. The timer does not "
            "survive a reboot."
        ),
        (
            "With --image the component is activated with an image in one step, for mechanisms that can install an "
            "image immediately, as most BMCs. Nothing is staged before, and nothing is left to cancel."
        ),
        (
            "If another activation or staging is running, the exit status is 4. With --wait-busy it is waited for; "
            "what it left pending is then checked anew."
        ),
        (
            "A check that blocks can be ignored with --ignore if the policy allows that. The history keeps which "
            "checks were ignored."
        ),
    ),
    examples=(
        ("livefw activate --dry-run tf-rmm", "Show the plan and change nothing."),
        ("livefw activate tf-rmm", "Activate one component; on a terminal, ask first."),
        (
            "livefw activate --all --yes --reason 'maintenance 2026-11'",
            "Activate everything that is pending, without a question, with a reason for the history.",
        ),
        ("livefw activate rack1/BMC --image bmc-2.1.cab", "Install an image on a BMC that cannot stage it."),
        ("livefw activate tf-rmm --ignore window", "Activate outside the maintenance window."),
        (
            "livefw activate tf-rmm --at window",
            "Activate what is pending now when the maintenance window opens, and nothing else.",
        ),
        ("livefw activate --scheduled", "List what is scheduled, and how to cancel it."),
    ),
    see_also=("plan", "history", "cancel", "explain"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Which components, and how."""
    add = parser.add_argument
    add("components", nargs="*", metavar="COMPONENT", help="key, id or a unique beginning of one, or name")
    add("--all", action="store_true", help="everything that can be activated, one after the other")
    add("-n", "--dry-run", action="store_true", help="show the plan and do nothing")
    add(
        "--to",
        action="append",
        metavar="VERSION",
        help="activate only if this version is pending; once for each component",
    )
    add(
        "--image",
        metavar="IMAGE",
        help="activate the component with this image in one step, where nothing can be staged: file, .cab archive, URI "
        "or version, as for stage",
    )
    add(
        "--wait-busy",
        type=real(0, 86400, "seconds"),
        default=0.0,
        metavar="SECONDS",
        help="wait so long for another activation on this machine to end",
    )
    add("--at", metavar="TIME", help="later: window (when one opens), 22:00, 2026-12-04T22:00 or +2h; needs systemd")
    add("--scheduled", action="store_true", help="list activations that are scheduled with --at")
    add("-y", "--yes", action="store_true", help="do not ask, even on a terminal")
    add("--reason", default="", metavar="TEXT", help="why, for the history")
    add("--ignore", action="append", default=[], metavar="CHECK", help="continue although this check blocks it")
    add(
        "--strict",
        action="store_true",
        help="exit 1 and begin nothing unless every BMC that is asked shows all it has",
    )
    add("--rows", action="store_true", help="with --json: the measurement of each CPU as well")
    add("--no-journal", action="store_true", help="continue although no history can be written")
    add("--on-failure", choices=[*OnFailure], default=OnFailure.STOP, help="what to do with the rest after a failure")
    paths.configure_measuring(parser)
    paths.configure_state(parser)


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Activate, and tell how each ended; the worst decides the exit code."""
    if arguments.scheduled:
        return session.show(shown_schedule.listed(timers.scheduled()))
    if arguments.image and (arguments.at or arguments.all):
        raise UsageError("--image is for one component, and for now", hint="name it, without --at and --all")
    if bool(arguments.components) == arguments.all:
        both = "; not both" if arguments.all else ""
        raise UsageError(
            f"name the components to activate, or say --all{both}", hint="livefw list shows what is available"
        )
    progress = ProgressDisplay(session, verb="activate", several=_takes_several(arguments))
    with refused_without_descriptors(progress):
        return _run(session, arguments, progress)


def _run(session: CommandSession, arguments: argparse.Namespace, progress: ProgressDisplay) -> int:
    words, ignore, on_failure = arguments.components, arguments.ignore, OnFailure(arguments.on_failure)
    assembled = paths.host(session, arguments)
    host = ConnectedHost(assembled)
    expected = arguments.to or ()
    request = {"ignore": ignore, "expected": expected, "strict": arguments.strict, "image": arguments.image}
    planned = partial(host.plan, *words, **request)
    if arguments.dry_run:
        return plan.show(session, planned())
    if arguments.at:
        return _schedule(session, arguments, assembled, planned())
    if not arguments.yes and (confirmed := _confirm(session, planned)) and not arguments.image:
        # Somebody may stage another image while the question stands.
        words = [step.component.key for step in confirmed.steps]
        request["expected"] = [pending_now(step.component) for step in confirmed.steps]
    stream = host.activate(
        *words, reason=arguments.reason, on_failure=on_failure, wait_busy_s=arguments.wait_busy, **request
    )
    report = RequestResult.of(progress.follow(host, stream), phase="activate")
    if not report.attempts and report.error is None:
        left = planned()
        if not left.steps:
            raise shown_plan.nothing(left)
        raise NothingToDo("nothing is pending that can be activated", hint="livefw plan says why")
    session.report(report.text, lambda: report.fields(assembled.providers, rows=arguments.rows))
    return report.exit_code


def _takes_several(arguments: argparse.Namespace) -> bool:
    words = arguments.components
    return arguments.all or len(words) > 1 or any(map(is_pattern, words))


def _schedule(session: CommandSession, arguments: argparse.Namespace, host: Host, planned: Plan) -> int:
    """Have it done later, by the command line that does only what is confirmed now."""
    at = when.moment(arguments.at, host.policy.window, host.now(), zone=own_zone())
    if not planned.steps:
        raise shown_plan.nothing(planned)
    options = [f"--root={os.path.realpath(session.root)}"] if session.root != "/" else []
    options += [f"--settings={os.path.abspath(session.settings)}"] if session.settings else []
    scheduling.require_possible(host, planned.steps, at, options, ignore=arguments.ignore)
    if not arguments.yes:
        _confirm(session, lambda: planned, at=f"at {at:%a %d %b %H:%M %Z}")
    later = [f"--on-failure={arguments.on_failure}"]
    later += [f"--state={os.path.abspath(arguments.state)}"] if arguments.state else []
    later += [f"--measure={arguments.measure}"] if arguments.measure else []
    made = scheduling.schedule(
        host, planned.steps, at, options, later, reason=arguments.reason, ignore=arguments.ignore
    )
    return session.show(shown_schedule.made(made, host.now()))


def _confirm(session: CommandSession, planned: Callable[[], Plan], *, at: str = "") -> Plan | None:
    """Show the plan to somebody at a terminal and ask; what was confirmed. Elsewhere nobody is asked: None."""
    if session.json or sys.stdin is None or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    shown = planned()
    ready = [step for step in shown.steps if not step.stopped]
    session.mark(session.table(shown_plan.LISTING, shown_plan.fields(shown), sys.stderr), end="\n")
    if not ready and not at:
        return None  # the engine says why, and writes it down
    chosen = shown.steps if at else ready
    question = f"Activate {'this' if len(chosen) == 1 else f'these {len(chosen)}'} {at or 'now'}? [y/N] "
    session.mark(question, end="")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Interrupted("not confirmed; nothing was started")
    return shown
