# SPDX-License-Identifier: Apache-2.0
"""The control socket of a running machine: one JSON document a line, each way.

A request is ``{"command": NAME, ...}`` with the fields of its type below; the answer is ``{"result": ...}`` or
``{"error": {"kind", "message", "hint"}}``. One thread serves all clients, because no command waits.
"""

import logging
import os
import selectors
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from livefw.errors import KINDS, LivefwError, NothingToDo, UsageError, kind_of
from livefw.firmware.store_platform import StorePlatform
from livefw.kernel.clock import SECOND
from livefw.machine.catalog import AnyFault
from livefw.machine.faults import Fault, FaultRequest
from livefw.machine.machine import Machine, title
from livefw.machine.trace import TracedCall

_log = logging.getLogger(__name__)

MAX_REQUEST = 65_536
"""Longest line a client may send. The longest that makes sense has a few hundred bytes."""

MAX_CLIENTS = 64
"""A client that connects and says nothing costs a descriptor; one more is turned away."""

PAGE = 1000
"""Records or calls in one answer; a client that wants more asks again from ``next``."""

EVENT_LOG_PAGE = 32_768
"""Bytes of the measurement log in one answer, which has two digits for each."""
_WITH_STORE = "livefw machine run --store DIR; livefw image store --help says how DIR is made"


class StageCommand(msgspec.Struct, tag_field="command", tag="stage", forbid_unknown_fields=True, frozen=True):
    """Put a new image where it becomes pending."""

    component: str
    version: str | None = None
    authentic: bool = True
    takes_over: bool = True

    def run(self, machine: Machine) -> Any:
        """The component and the version that is staged."""
        staged = machine.stage(self.component, self.version, authentic=self.authentic, takes_over=self.takes_over)
        guid = machine.find(self.component)
        return {"component": str(guid), "name": title(guid), "version": str(staged)}


class NotifyCommand(msgspec.Struct, tag_field="command", tag="notify", forbid_unknown_fields=True, frozen=True):
    """Send the platform's notification."""

    def run(self, machine: Machine) -> Any:
        """The kind of notification, and whether this driver listens to it."""
        machine.notify()
        kind = machine.config.notification
        return {"notification": kind, "driver_listens": machine.driver.version.notified and kind != "none"}


class DriverCommand(msgspec.Struct, tag_field="command", tag="driver", forbid_unknown_fields=True, frozen=True):
    """Unload the driver, load it, or both; without an action, tell how far the last such wish has come."""

    action: Literal["unload", "load", "reload"] | None = None

    def run(self, machine: Machine) -> Any:
        """Whether it is done, and if so, whether the driver is loaded and found anything."""
        begin = {"unload": machine.unload_driver, "load": machine.load_driver, "reload": machine.reload}
        job = begin[self.action]() if self.action else machine.changing
        done = job is not None and job.wait(0)
        found = job.result() if job is not None and done and not machine.runner.dead else None
        return {"driver": machine.config.driver, "done": done, "loaded": machine.loaded, "found": found}


class FaultCommand(msgspec.Struct, tag_field="command", tag="fault", forbid_unknown_fields=True, frozen=True):
    """Make something go wrong from now on."""

    fault: FaultRequest

    def run(self, machine: Machine) -> Any:
        """What was injected."""
        fault = machine.inject(self.fault)
        return {"fault": fault.name, "where": fault.where, "text": _describe(fault, self.fault)}


def _describe(fault: AnyFault, request: FaultRequest) -> str:
    return fault.describe(request) if isinstance(fault, Fault) else fault.text


class ClearCommand(msgspec.Struct, tag_field="command", tag="clear", forbid_unknown_fields=True, frozen=True):
    """Let everything behave."""

    def run(self, machine: Machine) -> Any:
        """Nothing to tell."""
        machine.clear_faults()
        return {}


class LogCommand(msgspec.Struct, tag_field="command", tag="log", forbid_unknown_fields=True, frozen=True):
    """A page of the kernel log."""

    since: int = 0

    def run(self, machine: Machine) -> Any:
        """Records from ``since`` on, and where the next page starts."""
        with machine.runner.lock:
            records = _page(machine.os.log.since(self.since))
            following = records[-1].sequence + 1 if records else machine.os.log.next_sequence
        return {
            "records": [
                {
                    "sequence": record.sequence,
                    "time_ns": record.time_ns,
                    "level": int(record.level),
                    "text": record.text,
                    "line": record.dmesg(),
                }
                for record in records
            ],
            "next": following,
        }


class TraceCommand(msgspec.Struct, tag_field="command", tag="trace", forbid_unknown_fields=True, frozen=True):
    """A page of the calls."""

    since: int = 0

    def run(self, machine: Machine) -> Any:
        """Calls that ended, from ``since`` on, where the next page starts, and calls that have not ended."""
        with machine.runner.lock:
            calls = _page(machine.trace.since(self.since))
            following = calls[-1].sequence + 1 if calls else machine.trace.next_sequence
            inside = machine.trace.inside
        return {
            "calls": [call.document() | {"line": call.line} for call in calls],
            "inside": [call.document() | {"line": call.line} for call in inside],
            "next": following,
        }


class EventLogCommand(msgspec.Struct, tag_field="command", tag="eventlog", forbid_unknown_fields=True, frozen=True):
    """A page of the measurement log."""

    since: int = 0

    def run(self, machine: Machine) -> Any:
        """Its bytes from ``since`` on, in hexadecimal; none at its end. `UsageError` for firmware that measures
        nothing."""
        if not isinstance(machine.platform, StorePlatform):
            raise UsageError(f"{machine.config.name} has no store, and measures nothing", hint=_WITH_STORE)
        with machine.runner.lock:
            return {"log": machine.platform.log.encode()[max(self.since, 0) :][:EVENT_LOG_PAGE].hex()}


class CpuCommand(msgspec.Struct, tag_field="command", tag="cpu", forbid_unknown_fields=True, frozen=True):
    """Turn a CPU on or off."""

    action: Literal["on", "off"]
    cpu: int

    def run(self, machine: Machine) -> Any:
        """CPUs that are online afterwards."""
        if self.action == "on":
            machine.cpu_on(self.cpu)
        else:
            machine.cpu_off(self.cpu)
        return {"online": list(machine.online)}


class ShowCommand(msgspec.Struct, tag_field="command", tag="show", forbid_unknown_fields=True, frozen=True):
    """What the machine is, told from inside: what no program on it could know."""

    def run(self, machine: Machine) -> Any:
        """The description, the agent's variables, and what happened."""
        config, rmm = machine.config, machine.rmm
        with machine.runner.lock:
            state = machine.agent.state
            return {
                "name": config.name,
                "description": config.description,
                "cpus": config.cpus,
                "online": len(machine.online),
                "agent": config.agent,
                "driver": config.driver,
                "loaded": machine.loaded,
                "notification": config.notification,
                "notes": list(config.notes),
                "invented": list(config.invented),
                "components": [_component(machine, each.guid) for each in machine.platform.components()],
                "primed": {"component": state.component and str(state.component), "prime": state.prime},
                "realms": None if rmm is None else {"running": len(rmm.realms), "lost": len(rmm.lost)},
                "running_realms": [] if rmm is None else [msgspec.to_builtins(realm) for realm in rmm.realms],
                "lost_realms": [] if rmm is None else [msgspec.to_builtins(realm) for realm in rmm.lost],
                "commits": [
                    {"sequence": commit.sequence, "component": str(commit.guid), "version": str(commit.version)}
                    for commit in machine.platform.commits()
                ],
                "tdx": None if machine.tdx is None else machine.tdx.state(),
                "waiting": [_waiting(machine, call) for call in machine.trace.inside if _waits(call)],
                "stopped": machine.os.stopped,
                "stalls": [msgspec.to_builtins(stall) for stall in machine.os.stalls],
                "uevents": [msgspec.to_builtins(event) for event in machine.os.uevents],
                "panic": machine.os.panic,
            }


PATIENCE_NS = 5 * SECOND
"""A CPU that is in firmware for longer is named by `ShowCommand`. Public figures of activations are milliseconds."""


def _waits(call: TracedCall) -> bool:
    return call.end_ns - call.start_ns > PATIENCE_NS


def _waiting(machine: Machine, call: TracedCall) -> dict[str, Any]:
    """A call in progress, and whether its CPU waits for others or works; None where the agent knows nothing of it."""
    held = dict(machine.agent.state.held).get(call.cpu)
    return {
        "cpu": call.cpu,
        "function": call.name,
        "seconds": (call.end_ns - call.start_ns) / SECOND,
        "works": None if held is None else held.work_ns is not None,
    }


def _component(machine: Machine, guid: Any) -> dict[str, Any]:
    component = machine.platform.find(guid)
    current, pending = machine.platform.image_info(component)
    from_word = machine.platform.version(guid).decode
    errors = machine.platform.errors if isinstance(machine.platform, StorePlatform) else {}
    return {
        "guid": str(guid),
        "name": title(guid),
        "kind": component.kind,
        "current_version": str(from_word(current)),
        "staged_version": str(from_word(pending)) if machine.platform.is_activation_pending(component) else None,
        "dead": component.dead,
        "refused_because": str(errors[guid]) if guid in errors else None,
    }


Request = (
    StageCommand
    | NotifyCommand
    | DriverCommand
    | FaultCommand
    | ClearCommand
    | LogCommand
    | TraceCommand
    | EventLogCommand
    | CpuCommand
    | ShowCommand
)


def _page(items: Any) -> list[Any]:
    return [item for _, item in zip(range(PAGE), items, strict=False)]


def answer(machine: Machine, line: bytes) -> bytes:
    """Carry out one request; the answer, with its newline. Never raises because of what a client sent."""
    return respond(line, Request, machine)


def respond(line: bytes, kinds: Any, subject: object) -> bytes:
    """`answer` for any subject and the requests that it knows, each with a method ``run``."""
    try:
        document = {"result": msgspec.json.decode(line, type=kinds).run(subject)}
    except LivefwError as error:
        document = {"error": {"kind": kind_of(error).name, "message": error.message, "hint": error.hint}}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        document = {"error": {"kind": "usage", "message": f"not a request: {error}", "hint": ""}}
    except Exception as error:
        _log.exception("the request %r failed", line[:200])  # our defect; the machine lives on
        document = {"error": {"kind": "internal", "message": f"{type(error).__name__}: {error}", "hint": ""}}
    return msgspec.json.encode(document) + b"\n"


@dataclass(slots=True, eq=False)
class _Client:
    socket: socket.socket
    received: bytearray = field(default_factory=bytearray)
    to_send: bytearray = field(default_factory=bytearray)


class ControlServer:
    """Serves one machine's socket. The owner of the runtime directory removes the path."""

    def __init__(self, respond_to: Callable[[bytes], bytes], path: str) -> None:
        """``respond_to`` makes the answer to one line, as `answer` does; both end with a newline."""
        self._respond_to = respond_to
        self._selector = selectors.DefaultSelector()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._clients: set[_Client] = set()
        before = os.umask(0o177)
        try:
            self._listener.bind(path)
        except OSError as error:
            self._listener.close()
            self._selector.close()
            raise UsageError(
                f"cannot create a socket at {path}: {error.strerror or error}",
                hint="set LIVEFW_RUNTIME_DIR to another directory; a path has at most 107 bytes",
                errno=error.errno,
            ) from error
        finally:
            os.umask(before)
        self._listener.listen()
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def serve(self, stop: int) -> None:
        """Serve until the descriptor ``stop`` can be read."""
        self._selector.register(stop, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                if key.fd == stop:
                    self._selector.unregister(stop)
                    return
                key.data()

    def close(self) -> None:
        """Hang up on everybody."""
        for client in list(self._clients):
            self._drop(client)
        self._listener.close()
        self._selector.close()

    def _accept(self) -> None:
        with suppress(OSError):  # it may have gone again
            connection, _ = self._listener.accept()
            if len(self._clients) >= MAX_CLIENTS:
                connection.close()
                return
            connection.setblocking(False)  # noqa: FBT003 - the name of the method says it
            client = _Client(connection)
            self._clients.add(client)
            self._selector.register(connection, selectors.EVENT_READ, lambda: self._serve_client(client))

    def _serve_client(self, client: _Client) -> None:
        try:
            if client.to_send:
                self._flush(client)
            else:
                self._receive(client)
        except OSError:
            self._drop(client)

    def _receive(self, client: _Client) -> None:
        data = client.socket.recv(MAX_REQUEST)
        client.received += data
        end = client.received.find(b"\n")  # of what came before, every whole line was taken
        if not data or (end if end >= 0 else len(client.received)) > MAX_REQUEST:
            self._drop(client)
        else:
            self._flush(client)

    def _flush(self, client: _Client) -> None:
        """Send, and only then take the next request: a client that does not read its replies gets no further."""
        while True:
            if client.to_send:
                try:
                    sent = client.socket.send(client.to_send)
                except BlockingIOError:
                    break
                del client.to_send[:sent]
                continue
            line, newline, rest = bytes(client.received).partition(b"\n")
            if not newline:
                break
            client.received = bytearray(rest)
            client.to_send += self._respond_to(line)
        event = selectors.EVENT_WRITE if client.to_send else selectors.EVENT_READ
        self._selector.modify(client.socket, event, lambda: self._serve_client(client))

    def _drop(self, client: _Client) -> None:
        self._clients.discard(client)
        with suppress(KeyError, ValueError):
            self._selector.unregister(client.socket)
        client.socket.close()


class ControlClient:
    """A connection to a running machine."""

    def __init__(self, path: str) -> None:
        """Connect; `NothingToDo` if nobody listens."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise NothingToDo(f"the machine does not respond: {error.strerror}", errno=error.errno) from error
        self._stream = self._socket.makefile("rb")

    def ask(self, command: str, **fields: Any) -> Any:
        """The result of one command; raises what the machine raised."""
        try:
            self._socket.sendall(msgspec.json.encode({"command": command} | fields) + b"\n")
            line = self._stream.readline()
        except OSError as error:
            raise NothingToDo(f"the machine has stopped: {error.strerror}", errno=error.errno) from error
        if not line:
            raise NothingToDo("the machine has stopped")
        document = msgspec.json.decode(line)
        if "error" in document:
            raise _raised(document["error"])
        return document["result"]

    def close(self) -> None:
        """Hang up."""
        self._stream.close()
        self._socket.close()


def _raised(error: dict[str, str]) -> LivefwError:
    """The error that a kind's name stands for."""
    for kind, row in KINDS.items():
        if row.name == error["kind"] and issubclass(kind, LivefwError):
            return kind(error["message"], hint=error["hint"])
    return UsageError(error["message"], hint=error["hint"])
