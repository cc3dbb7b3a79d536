# SPDX-License-Identifier: Apache-2.0
"""One result of an activation, a staging or a cancellation, in text, in JSON and as an exit code."""

import errno
from collections.abc import Iterator
from typing import Any

from livefw.activation.outcome import Outcome, Result, error_of
from livefw.activation.verdict import table as verdict
from livefw.errors import ExitCode, kind_of
from livefw.providers.base import Reply
from livefw.render import document
from livefw.render.component import label
from livefw.render.linked import seen_after, way
from livefw.text import printable


def exit_code(result: Result) -> ExitCode:
    """That of its error, or of success."""
    error = error_of(result, phase="", replay="")
    return kind_of(error).exit_code if error else ExitCode.DONE


def fields(result: Result, *, phase: str, replay: str) -> dict[str, Any]:
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
            "said": claim.reply,
            "reason": document.reason(claim.reason) if claim.reason else None,
            "trust": claim.trust,
            "trust_reason": "; ".join(filter(None, (claim.warning, claim.trust_reason))),
            "witness": claim.witness,
            "measured": claim.measured,
            **({"attested": claim.attested} if claim.attested else {}),
            "lasting": document.reason(claim.lasting) if claim.lasting else None,
            "errno": errno.errorcode.get(claim.error, str(claim.error)) if claim.error else None,
            "firmware_code": claim.firmware_code,
            "log": list(claim.log),
        }
    error = error_of(result, phase=phase, replay=replay)
    if error:
        shown["error"] = document.error(error)
    return shown


def text(result: Result) -> str:
    """One result for a person: the outcome first, then why, and what else is known."""
    name = label(result.before)
    lines = [f"{name} ({result.before.key}): {result.outcome}{_versions(result)}", f"  {printable(result.why.text)}"]
    claim = result.claim
    if claim and claim.reason and claim.reason.text != result.why.text:
        lines.append(f"  it was answered: {printable(claim.reason.text)}")
    if claim and claim.firmware_code:
        lines.append(f"  the firmware's code: {printable(claim.firmware_code)}")
    if claim and claim.error and not claim.firmware_code:
        lines.append(f"  the kernel's answer: {errno.errorcode.get(claim.error, str(claim.error))}")
    if claim and claim.reply is Reply.ACCEPTED:
        notes = (claim.warning, "" if _is_shown(result) else claim.trust_reason)
        lines += [f"  note: {printable(each)}" for each in notes if each]
    if claim:
        lines += _now(result)
    lines += _by_the_bmc(result)
    if claim and claim.lasting:
        lines += [f"  from now on: {printable(claim.lasting.text)}", f"  way out: {printable(claim.lasting.hint)}"]
    if result.why.hint:
        lines.append(f"  hint: {printable(result.why.hint)}")
    if not _done(result) and any(row.advice for row in verdict.TABLE if row.code == result.why.code):
        lines.append(f"  more: livefw explain {result.why.code}")
    if claim and not _done(result):
        lines += [f"  {claim.log_of}: {printable(line)}" for line in claim.log]
    return "\n".join(lines)


def _by_the_bmc(result: Result) -> Iterator[str]:
    """The ways to a linked component, and what its BMC shows of it."""
    if result.claim and (ways := way(result.before)):
        yield f"  way: {ways}"
    if result.claim and result.claim.attested:
        yield f"  the BMC's {printable(result.claim.attested)}"
    if result.after and (seen := seen_after(result.after)):
        yield f"  {seen}"


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
    version = f", {printable(announced.text)}," if announced and announced.reliable else ""
    pending = {True: f"the new image{version} is still pending", False: "no image is pending", None: ""}[after.pending]
    runs = ""
    if after.current_version and after.current_version.reliable:
        shown = printable(after.current_version.text)
        runs = f"{shown} is shown, which may be a version from before" if result.copy else f"{shown} runs"
    if seen := "; ".join(filter(None, (runs, pending))):
        yield f"  now: {seen}"


def _done(result: Result) -> bool:
    return error_of(result, phase="", replay="") is None


def _is_shown(result: Result) -> bool:
    """Whether more than the reply shows the success, whose worth by itself is then of no interest."""
    return result.confirmed and result.outcome in (Outcome.ACTIVATED, Outcome.CANCELLED)


def _versions(result: Result) -> str:
    """What changed, and how long it took, for what was done."""
    if not _done(result):
        return ""
    old, new = result.before.current_version, result.after and result.after.current_version
    changed = old and new and old.reliable and new.reliable and old != new
    change = f", {printable(old.text)} -> {printable(new.text)}" if changed and old and new else ""
    return f"{change}, {result.seconds:.1f} s"
