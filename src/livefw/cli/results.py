# SPDX-License-Identifier: Apache-2.0
"""Results of activations and cancellations, in text, in JSON and as an exit code."""

import errno
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from livefw.activation import verdict
from livefw.activation.outcome import Outcome, Result, error_of
from livefw.cli import document
from livefw.cli.session import Session, foreseen
from livefw.errors import ExitCode, LivefwError, kind_of
from livefw.providers.base import Provider, Said
from livefw.text import printable

_WORST_FIRST = (
    ExitCode.UNKNOWN,
    ExitCode.FAILED,
    ExitCode.NO_PERMISSION,
    ExitCode.REFUSED,
    ExitCode.NOTHING_TO_DO,
    ExitCode.DONE,
)


class Extra(NamedTuple):
    """What else there is to tell of a result: lines of text, fields in JSON."""

    lines: list[str]
    fields: dict[str, Any]


class Report(NamedTuple):
    """Results so far, the error that ended the run early, if one did, and what else there is to tell of each."""

    results: list[Result]
    error: LivefwError | None = None
    extras: Sequence[Extra] = ()

    @property
    def rows(self) -> list[tuple[Result, Extra]]:
        """Each result with what there is beside it."""
        nothing = Extra([], {})
        return [(item, self.extras[i] if self.extras else nothing) for i, item in enumerate(self.results)]


T = TypeVar("T")


def collect(each: Iterable[T], done: Callable[[T], bool]) -> tuple[list[T], LivefwError | None]:
    """All that has come to an end, until one is the last; whatever ends it after the first is kept beside them.

    What was done has to be told, also by a program that goes wrong after it. Before the first the error is raised.
    """
    ended: list[T] = []
    try:
        for item in each:
            ended.append(item)
            if done(item):
                break
    except (Exception, KeyboardInterrupt) as error:
        if not ended:
            raise
        return ended, foreseen(error)
    return ended, None


def answer(
    session: Session,
    report: Report,
    providers: Sequence[Provider],
    *,
    phase: str,
    not_started: Sequence[str] = (),
    beside: dict[str, Any] | None = None,
) -> int:
    """Tell all results, in the form that was asked for; the exit code."""
    by_name = {provider.name: provider for provider in providers}

    def whole() -> dict[str, Any]:
        shown = []
        for item, extra in report.rows:
            replay = _replay(by_name[item.before.provider], item.before.id, phase)
            shown.append(as_document(item, phase=phase, replay=replay) | extra.fields)
        ended = {"error": document.error(report.error)} if report.error else {}
        return {"results": shown, "not_started": list(not_started)} | (beside or {}) | ended

    def text() -> str:
        lines = [line for item, extra in report.rows for line in (as_text(item), *extra.lines)]
        lines += [f"{key}: not started" for key in not_started]
        lines += [f"then: {printable(report.error.message)}"] if report.error else []
        return "\n".join(lines)

    session.report(text, whole)
    code = exit_code(report.results)
    if report.error and code is ExitCode.DONE:
        return kind_of(report.error).exit_code
    return ExitCode.INTERRUPTED if not_started and code is ExitCode.DONE else code


def _replay(provider: Provider, ident: str, phase: str) -> str:
    """How it is done by hand; an outcome is told without it where that cannot be said now."""
    try:
        return provider.replay(ident, phase)
    except Exception:
        return ""


def exit_code(results: Sequence[Result]) -> ExitCode:
    """The code of the worst result."""
    codes = {_code(result) for result in results} or {ExitCode.DONE}
    return next(code for code in _WORST_FIRST if code in codes)


def _code(result: Result) -> ExitCode:
    error = error_of(result, phase="", replay="")
    return kind_of(error).exit_code if error else ExitCode.DONE


def as_document(result: Result, *, phase: str, replay: str) -> dict[str, Any]:
    """One result in JSON; ``error`` is there if what was asked for was not done."""
    claim = result.claim
    shown: dict[str, Any] = {
        "component": result.before.key,
        "name": result.before.name,
        "outcome": result.outcome,
        **document.reason(result.why),
        "seconds": round(result.seconds, 3),
        "before": document.component(result.before),
        "after": document.component(result.after) if result.after else None,
    }
    if result.outcome is Outcome.ACTIVATED:
        shown["confirmed"] = result.confirmed
    if result.copy:
        shown["version_may_be_old"] = True
    if claim:
        shown["claim"] = {
            "said": claim.said,
            "reason": document.reason(claim.reason) if claim.reason else None,
            "trust": claim.trust,
            "trust_reason": claim.trust_reason,
            "witness": claim.witness,
            "measured": claim.measured,
            "lasting": document.reason(claim.lasting) if claim.lasting else None,
            "errno": errno.errorcode.get(claim.error, str(claim.error)) if claim.error else None,
            "firmware_code": claim.firmware_code,
            "log": list(claim.log),
        }
    error = error_of(result, phase=phase, replay=replay)
    if error:
        shown["error"] = document.error(error)
    return shown


def as_text(result: Result) -> str:
    """One result for a person: the outcome first, then why, and what else is known."""
    name = printable(result.before.name) or result.before.id
    lines = [f"{name} ({result.before.key}): {result.outcome}{_versions(result)}", f"  {printable(result.why.text)}"]
    claim = result.claim
    if claim and claim.reason and claim.reason.text != result.why.text:
        lines.append(f"  it was answered: {printable(claim.reason.text)}")
    if claim and claim.firmware_code:
        lines.append(f"  the firmware's code: {printable(claim.firmware_code)}")
    if claim and claim.error and not claim.firmware_code:
        lines.append(f"  the kernel's answer: {errno.errorcode.get(claim.error, str(claim.error))}")
    if claim and claim.trust_reason and claim.said is Said.ACCEPTED:
        lines.append(f"  note: {printable(claim.trust_reason)}")
    if claim:
        lines += _now(result)
    if claim and claim.lasting:
        lines += [f"  from now on: {printable(claim.lasting.text)}", f"  way out: {printable(claim.lasting.hint)}"]
    if result.why.hint:
        lines.append(f"  hint: {printable(result.why.hint)}")
    if not _done(result) and any(row.advice for row in verdict.TABLE if row.code == result.why.code):
        lines.append(f"  more: livefw explain {result.why.code}")
    if claim and not _done(result):
        lines += [f"  {claim.log_of}: {printable(line)}" for line in claim.log]
    return "\n".join(lines)


def _now(result: Result) -> Iterator[str]:
    """What was seen afterwards: all of it if something went wrong, else what is not as one would expect."""
    after = result.after
    if after is None:
        return
    if _done(result):
        if after.pending and result.outcome is Outcome.ACTIVATED:
            yield "  an image is pending: another one was staged, or this firmware never clears the flag"
        return
    announced = after.pending_version
    version = f", {printable(announced.text)}," if announced and announced.sure else ""
    pending = {True: f"the new image{version} is still pending", False: "no image is pending", None: ""}[after.pending]
    runs = ""
    if after.current_version and after.current_version.sure:
        shown = printable(after.current_version.text)
        runs = f"{shown} is shown, which may be a version from before" if result.copy else f"{shown} runs"
    if seen := "; ".join(filter(None, (runs, pending))):
        yield f"  now: {seen}"


def _done(result: Result) -> bool:
    return error_of(result, phase="", replay="") is None


def _versions(result: Result) -> str:
    """What changed, and how long it took, for what was done."""
    if not _done(result):
        return ""
    old, new = result.before.current_version, result.after and result.after.current_version
    changed = old and new and old.sure and new.sure and old != new
    change = f", {printable(old.text)} -> {printable(new.text)}" if changed and old and new else ""
    return f"{change}, {result.seconds:.1f} s"
