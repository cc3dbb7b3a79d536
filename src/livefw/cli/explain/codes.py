# SPDX-License-Identifier: Apache-2.0
"""Every word that livefw answers with, and what it means: collected from the tables that decide, never written twice.

What stands here is only what no table says: what a machine's state is after each outcome, and how a piece of evidence
reads in a sentence.
"""

import inspect
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from livefw.activation import aftermath, expected_version, mishaps, setting_changes, step_status
from livefw.activation.checks.table import CHECKS, HOOK_PREFIX, Check, Weight
from livefw.activation.execution import mechanism, recovery, settling, staging
from livefw.activation.history import writer
from livefw.activation.images import releases
from livefw.activation.inventory import old_versions, side_effects
from livefw.activation.outcome import Outcome, Result, error_of
from livefw.activation.verdict import evidence
from livefw.activation.verdict import staging as staging_verdict
from livefw.activation.verdict import table as verdict
from livefw.activation.verdict.evidence import Boot, Moved, ObservedReply, Pending
from livefw.errors import KINDS, MEANINGS, ExitCode, kind_of
from livefw.providers.base import Component, Cost, Course, Flag, Measured, Reason, Reply, Trust, Witness
from livefw.providers.codes import RENAMED, SHARED, ReasonRow, codes, reasons_in
from livefw.providers.registry import MECHANISMS
from livefw.render.check import EFFECTS


class Kind(StrEnum):
    """What sort of word it is."""

    OUTCOME = "outcome"
    VERDICT = "verdict"
    CHECK = "check"
    EXIT_CODE = "exit code"
    ERROR = "error"
    REASON = "reason"
    FIRMWARE = "firmware's code"


class Meaning(NamedTuple):
    """One meaning of one word.

    ``source`` is where the word comes from: a mechanism, or a part of livefw. ``outcome`` and ``exit_code`` are what
    goes with it, where that is always the same. ``evidence`` is what has to be seen, ``state`` how the machine is then.
    """

    kind: Kind
    word: str
    text: str
    source: str
    outcome: Outcome | None = None
    exit_code: ExitCode | None = None
    evidence: str = ""
    state: str = ""
    advice: str = ""
    hint: str = ""
    also: tuple[str, ...] = ()


class _Outcome(NamedTuple):
    text: str
    state: str
    advice: str


OUTCOMES = {
    Outcome.ACTIVATED: _Outcome(
        "the new firmware was seen to run, or the settings accept what the mechanism reports",
        "the new firmware runs",
        "Nothing. Where the code is accepted-unconfirmed, only the mechanism reports it.",
    ),
    Outcome.STAGED: _Outcome(
        "the image is staged and waits for its activation",
        "the old firmware runs; the new image is pending",
        "Activate it: livefw activate COMPONENT.",
    ),
    Outcome.FAILED: _Outcome(
        "it was tried and failed, and nothing that can be seen contradicts that",
        "the old firmware runs, unless the reason says that the component is dead",
        "Check the reason and the firmware's code before another attempt.",
    ),
    Outcome.REFUSED: _Outcome(
        "nothing was tried: a check, the policy or the mechanism blocked it",
        "as before",
        "The code names the check or the reason; see its meaning.",
    ),
    Outcome.CANCELLED: _Outcome(
        "it was cancelled before the switch, or ended before a request was made",
        "the old firmware runs",
        "Start it again when you want it.",
    ),
    Outcome.UNKNOWN: _Outcome(
        "its end was not seen, nothing can confirm it, or what can be seen contradicts the reply",
        "either firmware may run, and the activation may still be in progress",
        "Do not repeat it blindly. Follow the advice for the code. livefw show COMPONENT shows the present state,"
        " livefw history ID the evidence.",
    ),
}
"""What each outcome says of the machine."""

PIECES: dict[str, dict[object, str]] = {
    "boot": {
        Boot.SAME: "the machine still runs",
        Boot.OTHER: "the machine was rebooted since",
        Boot.NOT_REPORTED: "whether the machine was restarted is not reported",
    },
    "moved": {
        Moved.ARRIVED: "the announced version runs, and did not before",
        Moved.CHANGED: "another version runs, and none was announced",
        Moved.ASTRAY: "a version runs that was neither announced nor there before",
        Moved.APPEARED: "the announced version runs, and none was reported before",
        Moved.STALE: "the old version is shown, although another was announced",
        Moved.UNMOVED: "the old version is shown, and none was announced",
        Moved.SAME: "the old version is shown, and it is the announced one",
        Moved.NOT_REPORTED: "no version is reported, before or after",
    },
    "measured": {
        Measured.NOT: "no measurement",
        Measured.CHANGED: "a fresh measurement has changed",
        Measured.UNCHANGED: "a fresh measurement has not changed",
    },
    "pending": {
        Pending.CLEARED: "nothing is pending any more",
        Pending.STILL: "the image is still pending",
        Pending.UNREADABLE: "the pending flag cannot be read",
        Pending.VANISHED: "the component is gone",
        Pending.NO_FLAG: "there is no pending flag",
    },
    "flag": {
        Flag.PROVES: "the flag clears after a success only",
        Flag.PROVES_NOTHING: "the flag proves nothing",
        Flag.ABSENT: "there is no flag",
    },
    "witness": {
        Witness.NONE: "no log reports it",
        Witness.SUCCEEDED: "a log reports a success",
        Witness.FAILED: "a log reports a failure",
        Witness.MAY_GO_ON: "a log reports that it was given up",
    },
    "complete": {True: "the log is complete", False: "the log may lack lines"},
    "answer": {
        ObservedReply.ACCEPTED: "answer: success",
        ObservedReply.REFUSED: "answer: refused",
        ObservedReply.DECLINED: "answer: nothing was done",
        ObservedReply.FAILED: "answer: failure",
        ObservedReply.LOST: "no answer was seen",
        ObservedReply.UNHEARD: "the process that asked has died",
    },
    "trust": {Trust.FULL: "a reported success is reliable", Trust.DOUBTFUL: "success is reported after failures too"},
    "contradicted": {False: "no linked BMC contradicts it", True: "the linked BMC shows that something else runs"},
    "course": {
        Course.CLEAN: "the device came through it well",
        Course.SILENT: "the device did not answer meanwhile",
        Course.LATE: "the device took longer than it says",
        Course.RESET: "the kernel reset the device",
        Course.DAMAGED: "the device reports a fault since",
        Course.GONE: "the device is gone",
    },
}
"""How every value of every piece of evidence reads; `livefw.activation.verdict.evidence` has the pieces."""

_ANSWERED: dict[object, Outcome] = {
    Reply.REFUSED: Outcome.REFUSED,
    Reply.DECLINED: Outcome.REFUSED,
    Reply.FAILED: Outcome.FAILED,
    Reply.LOST: Outcome.UNKNOWN,
}
_HOOK = Check(f"{HOOK_PREFIX}NAME", Weight.ERROR, "the executable NAME in checks.d exits with 0", lambda _: iter(()))
_NOBODY = Component("", "", "", None, None, None, Cost(None, None))
_ACCEPTED = Reason(
    verdict.ACCEPTED_UNCONFIRMED,
    "success was reported, nothing here can confirm it, and accept-unconfirmed in livefw.toml accepts the report",
)


def every() -> tuple[Meaning, ...]:
    """All there are, by kind."""
    found = (_outcomes(), _verdicts(), _checks(), _exit_codes(), _errors(), _reasons(), _firmware())
    return tuple(dict.fromkeys(meaning for kind in found for meaning in kind))


def meanings(word: str) -> tuple[Meaning, ...]:
    """All meanings of a word; its case does not matter.

    Nor does what stands before its last part: a registry and its version (``Update.1.2.``), or the name of a call.
    """
    if word.startswith(HOOK_PREFIX):
        word = _HOOK.name
    whole = word.casefold()
    wanted = {whole, whole.replace(" ", ".").rpartition(".")[2]}
    return tuple(each for each in every() if wanted & {name.casefold() for name in (each.word, *each.also)})


def words() -> list[str]:
    """Every word there is, each once."""
    return list(dict.fromkeys(name for each in every() for name in (each.word, *each.also)))


def exit_code(outcome: Outcome, code: str) -> ExitCode:
    """Which the command ends with for a result like that."""
    error = error_of(Result(_NOBODY, outcome, Reason(code, "")), phase="", replay="")
    return kind_of(error).exit_code if error else ExitCode.DONE


def _outcomes() -> Iterator[Meaning]:
    for outcome, shown in OUTCOMES.items():
        code = exit_code(outcome, "")
        yield Meaning(
            Kind.OUTCOME, outcome, shown.text, "every attempt", outcome, code, state=shown.state, advice=shown.advice
        )


def _verdicts() -> Iterator[Meaning]:
    source = "the table of verdicts"
    for row in verdict.TABLE:
        yield Meaning(
            Kind.VERDICT,
            row.code,
            row.text,
            source,
            row.outcome,
            exit_code(row.outcome, row.code),
            needs(row),
            OUTCOMES[row.outcome].state + _COPY * row.copy,
            row.advice,
            row.hint,
        )
    yield from _of_reasons([ReasonRow(_ACCEPTED)], source, Kind.VERDICT, Outcome.ACTIVATED)


_ENGINES = (
    aftermath,
    side_effects,
    recovery,
    writer,
    mishaps,
    staging_verdict,
    releases,
    expected_version,
    mechanism,
    settling,
    staging,
    setting_changes,
    step_status,
)
_COPY = "; the version that is shown may be one from before"


def needs(row: verdict.VerdictRow) -> str:
    """The evidence for which a row stands, in words."""
    pieces = ((PIECES[name], getattr(row, name)) for name in evidence.Evidence._fields)
    return "; ".join(_any_of(phrases, wanted) for phrases, wanted in pieces if wanted) or "anything else"


def _any_of(phrases: dict[object, str], wanted: frozenset[object]) -> str:
    """One of several values; the few that are left out instead, where most are wanted."""
    left_out = [phrase for value, phrase in phrases.items() if value not in wanted]
    if len(left_out) < len(wanted) and len(wanted) > 2:
        return f"not: {', nor: '.join(left_out)}"
    return ", or ".join(phrase for value, phrase in phrases.items() if value in wanted)


def _checks() -> Iterator[Meaning]:
    for check in (*CHECKS, _HOOK):
        stops = check.weight is not Weight.WARNING
        yield Meaning(
            Kind.CHECK,
            check.name,
            f"what it looks for: {check.about}",
            "the checks before an attempt",
            Outcome.REFUSED if stops else None,
            exit_code(Outcome.REFUSED, check.name) if stops else None,
            state=OUTCOMES[Outcome.REFUSED].state if stops else "",
            advice=EFFECTS[check.weight].advice.format(name=check.name),
        )


def _exit_codes() -> Iterator[Meaning]:
    for code, text in MEANINGS.items():
        yield Meaning(Kind.EXIT_CODE, str(int(code)), text, "the command", exit_code=code)


def _errors() -> Iterator[Meaning]:
    for error, kind in KINDS.items():
        text = (inspect.getdoc(error) or kind.name).partition("\n")[0].rstrip(".")
        yield Meaning(Kind.ERROR, kind.name, text, "kinds of errors", exit_code=kind.exit_code)


def _reasons() -> Iterator[Meaning]:
    engines = reasons_in(*_ENGINES, answers=Outcome)
    yield from _of_reasons((*engines, ReasonRow(Reason(*old_versions.MAY_BE_OLD))), "livefw")
    for name in MECHANISMS:
        yield from _of_reasons(codes(name).reasons, name)
    yield from _of_reasons(codes("linked").reasons, "links")
    yield from _of_reasons(SHARED, "several mechanisms")
    from livefw.activation.diagnosis import blocks
    from livefw.activation.watch import remote

    yield from _of_reasons(reasons_in(blocks, *blocks.MODULES), "livefw doctor")
    yield from _of_reasons(reasons_in(remote), "livefwd")


def _of_reasons(
    found: Iterable[ReasonRow], source: str, kind: Kind = Kind.REASON, outcome: Outcome | None = None
) -> Iterator[Meaning]:
    for reason, answer in found:
        ends = outcome or (answer if isinstance(answer, Outcome) else _ANSWERED.get(answer))
        if ends is None and exit_code(Outcome.REFUSED, reason.code) is not ExitCode.REFUSED:
            ends = Outcome.REFUSED  # what has an exit code of its own is only ever why nothing was tried
        code = exit_code(ends, reason.code) if ends else None
        state = OUTCOMES[ends].state if ends else ""
        also = RENAMED.get((source, reason.code), ())
        yield Meaning(kind, reason.code, reason.text, source, ends, code, state=state, hint=reason.hint, also=also)


def _firmware() -> Iterator[Meaning]:
    for name in MECHANISMS:
        for code in codes(name).firmware:
            shown = f"; it is reported as {code.reason.code}" if code.reason.code else ""
            yield Meaning(
                Kind.FIRMWARE, code.name, code.reason.text + shown, name, hint=code.reason.hint, also=code.also
            )
