# SPDX-License-Identifier: Apache-2.0
"""The control socket: what it answers, and that nothing a client sends or does harms anybody."""

import json
import os
import re
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livefw.abi import guid
from livefw.cli.machine.control import _show_text
from livefw.errors import NothingToDo, UsageError
from livefw.machine.config import MachineConfig
from livefw.machine.control import MAX_CLIENTS, MAX_REQUEST, PAGE, ControlClient, ControlServer, answer
from livefw.machine.faults import FaultRequest
from livefw.machine.machine import Machine
from livefw.testing.machine import ModelMachine

RMM = str(guid.RMM.guid)


@pytest.fixture
def machine(config: MachineConfig) -> Machine:
    made = Machine(config)
    made.boot()
    return made


@pytest.fixture
def path(machine: Machine, tmp_path: Path) -> Iterator[str]:
    """The socket of a server that runs in a thread."""
    path = str(tmp_path / "m.sock")
    server = ControlServer(partial(answer, machine), path)
    stop, told = os.pipe()
    thread = threading.Thread(target=server.serve, args=[stop])
    thread.start()
    yield path
    os.write(told, b"x")
    thread.join()
    server.close()
    os.close(stop)
    os.close(told)


def connect(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(20)
    connection.connect(path)
    return connection


def ask(machine: Machine, **request: object) -> dict[str, object]:
    document: dict[str, object] = json.loads(answer(machine, json.dumps(request).encode()))
    return document


@pytest.mark.parametrize(
    ("request_", "part"),
    [
        ({"command": "stage", "component": "rmm"}, '"version":"1.1"'),
        ({"command": "stage", "component": "rmm", "version": "9.9"}, '"version":"9.9"'),
        ({"command": "notify"}, '"driver_listens":true'),
        ({"command": "driver", "action": "reload"}, '"driver":"v3"'),
        ({"command": "driver", "action": "unload"}, '"driver":"v3"'),
        ({"command": "driver", "action": "load"}, '"kind":"nothing-to-do"'),
        ({"command": "driver", "action": "dance"}, '"kind":"usage"'),
        ({"command": "driver"}, '"done":false'),
        ({"command": "fault", "fault": {"name": "busy", "times": 2}}, '"fault":"busy"'),
        ({"command": "clear"}, '"result":{}'),
        ({"command": "log"}, "detected v1.0"),
        ({"command": "trace"}, "LFA_VERSION()"),
        ({"command": "cpu", "action": "off", "cpu": 3}, '"online":[0,1,2]'),
        ({"command": "show"}, '"realms":{"running":2,"lost":0}'),
        ({"command": "stage", "component": "x"}, '"kind":"usage"'),
        ({"command": "stage"}, '"kind":"usage"'),
        ({"command": "stage", "component": "rmm", "color": 1}, '"kind":"usage"'),
        ({"command": "dance"}, '"kind":"usage"'),
        ({"command": "cpu", "action": "off", "cpu": 1 << 70}, '"kind":"usage"'),
        ({"command": "log", "since": -(1 << 70)}, "detected v1.0"),
        ({"command": "log", "since": 1 << 70}, '"records":[]'),
        ([], '"kind":"usage"'),
    ],
)
def test_answers(machine: Machine, request_: object, part: str) -> None:
    assert part in answer(machine, json.dumps(request_).encode()).decode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
COMMANDS = st.sampled_from(["stage", "notify", "fault", "clear", "log", "trace", "eventlog", "cpu", "show", "dance"])
FIELDS = st.sampled_from(["component", "version", "fault", "since", "action", "cpu", "authentic"])
REQUESTS = st.builds(
    lambda command, fields: json.dumps({"command": command} | fields).encode(),
    COMMANDS,
    st.dictionaries(FIELDS, JSON | st.just({"name": "busy"}), max_size=3),
)


@settings(max_examples=settings().max_examples * 3 // 2, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(line=st.binary(max_size=200) | REQUESTS)
def test_any_line_has_an_answer_and_leaves_the_machine_alive(machine: Machine, line: bytes) -> None:
    document = json.loads(answer(machine, line))
    assert list(document) in (["result"], ["error"])
    if "error" in document:
        assert document["error"]["kind"] == "usage"
    assert machine.os.panic is None


def test_pages_hold_everything_once(machine: Machine) -> None:
    for number in range(2 * PAGE):
        machine.os.log.write(6, str(number))  # type: ignore[arg-type]  # an int does where the level has no name
    seen: list[int] = []
    page = json.loads(answer(machine, b'{"command":"log"}'))["result"]
    while page["records"]:
        assert len(page["records"]) <= PAGE
        seen += [record["sequence"] for record in page["records"]]
        page = json.loads(answer(machine, json.dumps({"command": "log", "since": page["next"]}).encode()))["result"]
    assert seen == list(range(machine.os.log.next_sequence))


def test_only_the_owner_may_connect(path: str) -> None:
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_several_clients_and_several_requests_at_once(path: str) -> None:
    clients = [connect(path) for _ in range(8)]
    for client in clients:
        client.sendall(b'{"command":"show"}\n{"command":"clear"}\nrubbish\n')
    for client in clients:
        with client, client.makefile("rb") as stream:
            kinds = [list(json.loads(stream.readline())) for _ in range(3)]
        assert kinds == [["result"], ["result"], ["error"]]


def test_clients_that_behave_badly_harm_nobody(path: str) -> None:
    silent = connect(path)
    endless = connect(path)
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        endless.sendall(b"x" * MAX_REQUEST * 100)
    vanished = connect(path)
    vanished.sendall(b'{"command":"trace"}\n')
    vanished.close()
    deaf = connect(path)
    deaf.setblocking(False)
    try:
        while True:
            deaf.send(b'{"command":"trace"}\n' * 1000)
    except BlockingIOError:
        pass  # it reads no answer, so nobody takes its questions any more
    client = ControlClient(path)
    assert client.ask("show")["name"] == "bench"
    client.close()
    for other in (silent, endless, deaf):
        other.close()


@pytest.mark.parametrize("piece", [65_536, 1000])
@pytest.mark.parametrize(("length", "taken"), [(65_536, True), (65_537, False)])
def test_a_line_has_65536_bytes_at_most(path: str, length: int, taken: bool, piece: int) -> None:
    line = b'{"command":"clear"}'.ljust(length) + b"\n"
    with connect(path) as client:
        with suppress(BrokenPipeError):
            for at in range(0, len(line), piece):
                client.sendall(line[at : at + piece])
        try:
            said = client.recv(100)
        except ConnectionResetError:
            said = b""
    assert said == (b'{"result":{}}\n' if taken else b"")


def test_more_clients_than_there_is_room_for(path: str) -> None:
    clients = [connect(path) for _ in range(MAX_CLIENTS)]
    for client in clients:
        client.sendall(b'{"command":"clear"}\n')
        assert client.recv(100) == b'{"result":{}}\n'
    extra = connect(path)
    assert extra.recv(1) == b""
    extra.close()
    for client in clients:
        client.close()


def test_the_client_raises_what_the_machine_raised(path: str) -> None:
    client = ControlClient(path)
    with pytest.raises(UsageError, match="no component"):
        client.ask("stage", component="nothing")
    client.close()


def test_a_machine_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NothingToDo):
        ControlClient(str(tmp_path / "none.sock"))


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        (FaultRequest(name="hang", cpu=1), ["and waits for other CPUs", "and does not come back"]),
        (FaultRequest(name="slow", ms=60_000.0), ["and works"]),
        (FaultRequest(name="slow", ms=4_000.0, times=1), []),
    ],
    ids=str,
)
def test_cpus_that_stay_in_firmware_are_named(
    bench: Callable[..., ModelMachine], fault: FaultRequest, named: list[str]
) -> None:
    made = bench(cpus=2)
    made.model.inject(fault)
    write = made.files.start_write(f"/sys/firmware/lfa/{RMM}/activate", b"1\n")
    write.wait(6.5)
    shown = ask(made.model, command="show")["result"]
    assert isinstance(shown, dict)
    text = _show_text(shown)
    assert re.findall(r"CPU \d has been in LFA_\w+ for 6 s (.*)", text) == named
    assert ("all CPUs are stopped" in text) is (len(named) == 2)
