# SPDX-License-Identifier: Apache-2.0
"""The engine as the command line wants it, and its plans and attempts in text and JSON."""

import argparse
import os
from collections.abc import Iterable, Iterator
from typing import Any

from livefw.activation.actor import current
from livefw.activation.announce import SystemJournal
from livefw.activation.checks import Problem, Weight, require_sound
from livefw.activation.engine import Attempt, Engine, Host, Plan, Settled
from livefw.activation.facts import Facts
from livefw.activation.journal import Kind
from livefw.activation.measure import Measurement, Meter, NoMeter, meter
from livefw.activation.places import Places
from livefw.activation.plan import Past, Step
from livefw.activation.plot import duration
from livefw.activation.policy import DEFAULT, FILE, MEASURED_BY, Policy, load
from livefw.activation.unmatched import Unmatched
from livefw.activation.wishes import Unmet
from livefw.cli import document
from livefw.cli.list import version
from livefw.cli.places import configure_state as configure_state
from livefw.cli.places import where as where
from livefw.cli.session import Session
from livefw.errors import LivefwError
from livefw.providers.base import Rendezvous
from livefw.providers.files import Files
from livefw.providers.registry import MECHANISMS, SystemClock, providers
from livefw.reading import absolute
from livefw.text import printable


def configure_images(parser: argparse.ArgumentParser) -> None:
    """Where images are that can be staged."""
    parser.add_argument("--images", metavar="DIR", help="directory of archives that can be staged (STATE/images)")


def configure_measuring(parser: argparse.ArgumentParser) -> None:
    """Whether and by what an activation is measured."""
    parser.add_argument("--no-measure", action="store_true", help="do not measure what it costs the CPUs")
    parser.add_argument("--measure", choices=MEASURED_BY, help="by what, instead of what livefw.toml says (auto)")


def policy(found: Places) -> Policy:
    """The policy that holds. `SettingsError`, `TransportError`."""
    made = load(found.settings, mechanisms=MECHANISMS)
    require_sound(made, file=os.path.join(found.settings, FILE))
    return made


def host(
    session: Session,
    arguments: argparse.Namespace,
    *,
    measured: bool,
    without_journal: bool = False,
    without_policy: bool = False,
    files: Files | None = None,
) -> Host:
    """The machine that the session looks at, through ``files`` that are open already or anew.

    Errors as for `policy`, unless it will do without settings where something is wrong with them.
    """
    clock, found = SystemClock(), where(session, arguments)
    own = found.root == "/"
    session.tell_unused_settings()
    try:
        settings = policy(found)
    except LivefwError as error:
        if not without_policy:
            raise
        session.say(f"livefw: the settings are left out: {printable(error.message)}")
        settings, files = DEFAULT, files or session.files(settings="")
    files = files or session.files()
    measuring = settings.measure
    if by := getattr(arguments, "measure", None):
        measuring = measuring._replace(by=by)

    def new_meter() -> Meter:
        return meter(files, Facts(files).cpus("online"), measuring, own_machine=own) if measured else NoMeter()

    made = Host(files, providers(files, clock), clock, found, settings, current("cli"), meter=new_meter)
    made = made._replace(
        privileged=not own or os.geteuid() == 0,
        without_journal=without_journal,
        images=_images(arguments, found, settings),
    )
    return made._replace(announce=SystemJournal(made.actor)) if own else made


def _images(arguments: argparse.Namespace, found: Places, settings: Policy) -> str:
    """The directory of images: one that the settings name is on the machine that is looked at."""
    if chosen := getattr(arguments, "images", None):
        return absolute(str(chosen))
    if settings.images:
        return found.root.rstrip("/") + settings.images
    return os.path.join(found.state, "images")


def engine(session: Session, arguments: argparse.Namespace) -> Engine:
    """An engine that only looks."""
    return Engine(host(session, arguments, measured=False))


# Plans.


def plan_text(plan: Plan) -> str:
    """A plan for a person: what, what it costs, and what is in the way."""
    lines: list[str] = []
    for number, step in enumerate(plan.steps, 1):
        lines += _step_lines(number, step)
    for wish in plan.wishes:
        name, value = printable(wish.candidate.component.name) or wish.candidate.component.key, str(wish.wanted).lower()
        be = "will be set to" if wish.possible else "is wanted by the policy, and does not exist; wanted:"
        before = f" (the last time in vain: {printable(wish.trouble)})" if wish.trouble else ""
        lines.append(f"setting {wish.setting} of {name} {be} {value}{before}")
    for entry in plan.unfinished:
        name = printable(str(entry.body.get("name") or entry.component))
        act = "staging" if entry.kind is Kind.STAGING else "activation"
        lines.append(f"{name}: an earlier {act} has no outcome yet; the next run finds out what became of it")
    lines += unmatched_lines(plan.unmatched)
    return "\n".join(lines)


def unmatched_lines(unmatched: Iterable[Unmatched]) -> list[str]:
    """Patterns of the settings that match nothing here."""
    return [f"settings: {printable(str(each))}" for each in unmatched]


def unmet_lines(unmet: Iterable[Unmet]) -> list[str]:
    """Settings that the policy wants, and that are not so."""
    return [f"settings: {printable(each.text)}" for each in unmet]


def unmet_document(unmet: Iterable[Unmet]) -> list[dict[str, Any]]:
    """The same in JSON."""
    return [
        {
            "component": each.component.key,
            "setting": each.setting,
            "value": each.wanted,
            "against": each.against,
            **document.reason(each.why),
        }
        for each in unmet
    ]


def _step_lines(number: int, step: Step) -> Iterator[str]:
    item = step.component
    name = printable(item.name) or item.id
    verdict = "cannot be activated" if step.stopped else "ready"
    yield f"{number}. {name}  {version(item.current_version)} -> {version(item.pending_version)}  {verdict}"
    yield f"   component  {item.key}"
    yield f"   cost       {_cost(step)}"
    for problem in step.problems:
        yield f"   {_WORDS[problem.weight] if not problem.ignored else 'ignored':9}  {_problem(problem)}"
        if problem.hint and problem.stops:
            yield f"              {printable(problem.hint)}"
        if problem.stops and problem.weight is Weight.ERROR:
            yield f"              to go on regardless: --ignore {problem.check}"


_WORDS = {Weight.WARNING: "note", Weight.ERROR: "against", Weight.FATAL: "against"}
_RENDEZVOUS = {
    Rendezvous.REQUIRED: "stops all CPUs together",
    Rendezvous.FORCED: "stops all CPUs together (forced by setting)",
    Rendezvous.OPTIONAL: "stops one CPU at a time",
    None: "not known which CPUs it stops",
}


def _cost(step: Step) -> str:
    parts = [_RENDEZVOUS[step.component.cost.rendezvous]]
    if step.component.cost.resets_cpu:
        parts.append("may reset CPUs")
    return "; ".join([*parts, _before(step.past)])


def _before(past: Past | None) -> str:
    """What became of it here before."""
    if past is None:
        return "the history of it cannot be read"
    if usual := past.usual:
        return f"took {usual.median_s:.1f} s here before ({_times(usual.times)}, at worst {usual.worst_s:.1f} s)"
    if past.succeeded:
        return f"done {_times(past.succeeded)} here before, and nobody saw how long it took"
    if past.tried:
        return f"tried {_times(past.tried)} here, never with {'certain ' if past.unknown else ''}success"
    return "never done here before"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _problem(problem: Problem) -> str:
    return f"{problem.check}: {printable(problem.text)}"


def plan_document(plan: Plan) -> dict[str, Any]:
    """A plan in JSON."""
    return {
        "steps": [
            {
                "component": document.component(step.component),
                "stopped": step.stopped,
                "usual": step.usual._asdict() if step.usual else None,
                "tried": step.past.tried if step.past else None,
                "succeeded": step.past.succeeded if step.past else None,
                "problems": [problem._asdict() for problem in step.problems],
            }
            for step in plan.steps
        ],
        "settings": [
            {
                "component": wish.candidate.component.key,
                "setting": wish.setting,
                "value": wish.wanted,
                "possible": wish.possible,
                "trouble": wish.trouble or None,
            }
            for wish in plan.wishes
        ],
        "unfinished": [{"component": e.component, "activation": e.activation} for e in plan.unfinished],
        "unmatched": [each._asdict() for each in plan.unmatched],
    }


# Attempts.


def settled_text(settled: Settled) -> str:
    """What became of an activation that an earlier engine did not see to its end."""
    name = printable(settled.intent.body.get("name") or "") or settled.intent.component
    code = f" ({printable(settled.firmware_code)})" if settled.firmware_code else ""
    act = "staging, " if settled.intent.kind is Kind.STAGING else ""
    outcome = settled.outcome or "still unfinished"
    beside = [f"not in the history: {settled.trouble}"] if settled.trouble else []
    text = "; ".join([settled.why.text, *beside, *(each.text for each in settled.mishaps)])
    return f"found unfinished: {name}: {act}{outcome}{code}; {printable(text)}"


def attempt_lines(attempt: Attempt) -> Iterator[str]:
    """What an attempt adds to its result, which tells the first problem itself."""
    stopping = [problem for problem in attempt.problems if problem.stops]
    for problem in stopping[1:]:
        yield f"  also against it: {_problem(problem)}"
    if stopping and all(problem.weight is Weight.ERROR for problem in stopping):
        options = " ".join(dict.fromkeys(f"--ignore {problem.check}" for problem in stopping))
        yield f"  to go on regardless: {options}"
    for problem in attempt.problems:
        if problem.ignored:
            yield f"  ignored: {_problem(problem)}"
    if attempt.measurement:
        yield f"  cost: {cost_text(attempt.measurement)}"
    for other in attempt.others:
        yield f"  also changed: {printable(other.text)}"
    for mishap in attempt.mishaps:
        yield f"  besides: {printable(mishap.text)}"
    if attempt.receipt.open:
        yield "  unfinished in the history: the next run finds out what became of it"
    if attempt.receipt.set_aside:
        yield f"  {printable(attempt.receipt.set_aside)}"
    if attempt.receipt.trouble:
        yield f"  not in the history: {printable(attempt.receipt.trouble)}"


def cost_text(measured: Measurement) -> str:
    """What it cost the CPUs, in a line."""
    if not measured.rows:
        return "no CPU was away"
    worst = max(measured.rows, key=lambda row: row.longest_ns)
    every = max(measured.rows, key=lambda row: len(row.cpus.split(",")) * 1000 + ("-" in row.cpus))
    stops = [f"{duration(worst.longest_ns)} (CPU {worst.cpus})"]
    if measured.source == "model" and not every.cpus.isdecimal():
        together = f"{duration(every.longest_ns)} on CPUs {every.cpus} together"
        stops = [together] if every is worst else [*stops, together]
    text = f"longest stop {', '.join(stops)}"
    if measured.baseline_ns is not None:
        text += f", {duration(measured.baseline_ns)} just before"
    by = "by the model's own clock" if measured.source == "model" else f"measured on {measured.cpus} CPUs"
    by += "" if measured.source in ("model", "sampled") else f" by the kernel's {measured.source} tracer"
    return f"{text}; {by}" + (f"; {measured.note}" if measured.note else "")


def attempt_document(attempt: Attempt) -> dict[str, Any]:
    """What an attempt adds to its result, in JSON."""
    return {
        "problems": [problem._asdict() for problem in attempt.problems],
        "measurement": attempt.measurement.document() if attempt.measurement else None,
        "others": [document.reason(each) for each in attempt.others],
        "mishaps": [document.reason(each) for each in attempt.mishaps],
        "record": {
            "activation": attempt.receipt.activation or None,
            "head": str(attempt.receipt.head) if attempt.receipt.head else None,
            "trouble": attempt.receipt.trouble or None,
            "open": attempt.receipt.open,
            "set_aside": attempt.receipt.set_aside or None,
        },
    }


def settled_document(settled: Settled) -> dict[str, Any]:
    """See `settled_text`, in JSON."""
    return {
        "component": settled.intent.component,
        "activation": settled.intent.activation,
        "outcome": settled.outcome,
        "firmware_code": settled.firmware_code,
        **document.reason(settled.why),
        "trouble": settled.trouble or None,
        "mishaps": [document.reason(each) for each in settled.mishaps],
    }
