# SPDX-License-Identifier: Apache-2.0
"""What a job tells, one JSON object a line, and what its last line means."""

from typing import Any, NamedTuple

from livefw.activation.history.rows import short_id
from livefw.errors import KINDS, ExitCode

Event = dict[str, Any]


class JobError(NamedTuple):
    """Why something that was asked for was not done: kind (`livefw.errors.KINDS`), phase and text."""

    kind: str
    phase: str
    text: str


def job_error(ended: Event) -> JobError | None:
    """What went wrong, by the last event of a job; None if everything that was asked for was done."""
    document: dict[str, Any] = ended.get("document", {})
    errors = [document.get("error"), *(result.get("error") for result in document.get("results", []))]
    error = next(filter(None, errors), None)
    if error is None:
        return None
    parts = [error["message"], f"[{error['firmware_code']}]" if error.get("firmware_code") else ""]
    text = " ".join(filter(None, parts))
    return JobError(error["kind"], error.get("phase", ""), f"{text} ({error['hint']})" if error.get("hint") else text)


def end_without_job(kind: str, message: str, *, phase: str = "") -> Event:
    """The end of a job that was never begun."""
    code = next(int(each.exit_code) for each in KINDS.values() if each.name == kind)
    error = {"kind": kind, "exit_code": code, "message": message, "phase": phase}
    return {"event": "end", "document": {"error": error}, "text": f"livefw: {message}", "exit_code": code}


def log_line(event: Event) -> str:
    """What a job tells, for a person who reads a log."""
    component = event.get("component", "")
    match event["event"]:
        case "begins":
            versions = [component["current_version"] or "?", component["pending_version"] or "?"]
            return f"{event['verb']} {component['key']} begins, {' -> '.join(versions)}"
        case "attempt" | "settled" as kind:
            later = ", as was found out afterwards" if kind == "settled" else ""
            outcome = event["outcome"] or "still unfinished"
            beside = [f"not recorded: {event['trouble']}"] if event["trouble"] else []
            ident = [f"id {short_id(event['activation'])}"] if event.get("activation") else []
            text = "; ".join([event["text"], *beside, *(each["text"] for each in event["mishaps"]), *ident])
            return f"{component}: {outcome}{later}: {text}"
        case "end":
            return f"done, exit code {event['exit_code']}"
        case _:
            return f"{event}"


def end_of_lost_job(code: int) -> Event:
    """The job died; what the machine shows is found out by the next one."""
    error = {
        "kind": "outcome-unknown",
        "exit_code": int(ExitCode.UNKNOWN),
        "message": f"the process that did it ended with {code} before it told the outcome",
        "hint": "livefw history shows what was found out about it",
    }
    return {"event": "end", "document": {"error": error}, "text": error["message"], "exit_code": int(ExitCode.UNKNOWN)}
