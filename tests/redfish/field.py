# SPDX-License-Identifier: Apache-2.0
"""A modelled BMC with rules in front of it: it answers as somebody's did."""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from livefw.machine.bmc.firmware import Pattern
from livefw.machine.bmc.model import Dropped
from livefw.machine.bmc.reply import WebReply
from livefw.providers.base import Claim

from .conftest import Bench

MONITOR = r"GET .*/TaskMonitors/\d+"
TASK = r"GET .*/Task(Monitor)?s/\d+"
ACTIVATE = r"POST .*/SoftwareInventory\.Activate"
CANCEL = r"POST .*/SoftwareInventory\.Cancel"
PUSH = r"POST .*/update-multipart"
COLLECTION = r"GET .*/FirmwareInventory"
MEMBER = r"GET .*/FirmwareInventory/mcu"


def answer(status: int, body: Any = None, **headers: str) -> WebReply:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return WebReply(status, fields, b"" if body is None else json.dumps(body).encode())


def page(status: int, text: str = "Service Unavailable", **headers: str) -> WebReply:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return WebReply(status, {"Content-Type": "text/html", **fields}, f"<html><h1>{status} {text}</h1></html>".encode())


def task(state: str, *messages: Any, **more: Any) -> dict[str, Any]:
    place = "/redfish/v1/TaskService/Tasks/2"
    return {"@odata.id": place, "TaskState": state, "Messages": list(messages)} | more


def message(key: str, text: str = "", severity: str = "OK") -> dict[str, str]:
    return {"MessageId": key, "Message": text, "Severity": severity}


Effect = Callable[[Bench], object]


class Rule(NamedTuple):
    """How requests are answered, the ``first`` to the ``last`` of those that fit; None: as the model does.

    ``effect`` comes before the answer, and a ``dropped`` connection instead of it.
    """

    when: str
    response: WebReply | None = None
    first: int = 1
    last: int = 10**9
    effect: Effect = lambda bench: None
    dropped: bool = False


class Field(Bench):
    """A modelled BMC of the plain kind, with rules in front of it."""

    def __init__(
        self, *rules: Rule, seconds: float = 4.0, settings: str = "", pattern: Pattern = Pattern.STAGE
    ) -> None:
        super().__init__("no-measurements", "one-bank", pattern=pattern, seconds=seconds, settings=settings)
        self.model.firmware[0].ident, self.model.firmware[0].running = "mcu", "1.0.0"
        self._handle = self.web.handle
        self.web.handle = self._filter  # type: ignore[method-assign]
        self.rules = rules
        self._seen = [0] * len(rules)

    def _filter(self, method: str, path: str, headers: Any, body: bytes) -> WebReply:
        for index, rule in enumerate(self.rules):
            if not re.fullmatch(rule.when, f"{method} {path.rstrip('/')}"):
                continue
            self._seen[index] += 1
            if rule.first <= self._seen[index] <= rule.last:
                self.model.advance()
                rule.effect(self)
                if rule.response is not None:
                    self.web.log.append((method, path, body))
                    return rule.response
                if rule.dropped:
                    self.web.log.append((method, path, body))
                    raise Dropped
        return self._handle(method, path, headers, body)

    def do(self, act: str) -> Claim:
        if act == "stage":
            return self.stage("mcu", b"version=2.0.0")
        self.model.firmware[0].staged = "2.0.0"
        ask = self.provider.activate if act == "activate" else self.provider.cancel
        running = ask("rack/mcu", self.watch.progress)
        assert running.wait(None)
        return running.claim

    def asked(self, act: str) -> int:
        """How often the BMC was asked for the act."""
        when = {"stage": PUSH, "activate": ACTIVATE, "cancel": CANCEL}[act]
        return sum(re.fullmatch(when, f"{method} {path}") is not None for method, path, _ in self.web.log)


def forget(bench: Bench) -> None:
    bench.web._sessions.clear()


def run(bench: Bench) -> None:
    bench.model.firmware[0].activate()


def hold(bench: Bench) -> None:
    bench.model.firmware[0].staged = "2.0.0"


def drop_image(bench: Bench) -> None:
    bench.model.firmware[0].staged = None
