# SPDX-License-Identifier: Apache-2.0
"""Every function of the product that makes something of bytes is played by a target, or it is said here why not."""

import logging
from collections.abc import Iterator
from types import CodeType

import pytest

from . import corpus
from .reached import Functions
from .readers import SOURCES, Reader, in_source, readers
from .target import play
from .targets import TARGETS

_OWN = "another process of ours wrote it, with the same rights"
_KERNEL = "the kernel made it, of a fixed size, for this question"
_FILE = "opens the file; what is in it is read by another one, which is played"
_ON = "hands it on to others, which are played"
NOT_PLAYED = {
    "activation/images/mirror.py: read": _ON,
    "cli/demo/login.py: _receive": "cockpit-ws made it; whoever logs in chooses one string of it",
    "cli/machine/eventlog.py: _whole": "the machine that the same user runs made it",
    "firmware/image/store.py: _decoded": _ON,
    "activation/diagnosis/bounded.py: _Child.next": _OWN,
    "activation/lock/query.py: in_the_way": _KERNEL,
    "activation/measure/program.py: MeasuringProgram.stop": _OWN,
    "activation/measure/reader.py: result": _OWN,
    "activation/measure/reader.py: talk": _OWN,
    "activation/measure/sampler.py: ended": _OWN,
    "activation/measure/sampler.py: row": _OWN,
    "cli/daemon/client.py: _answer": "the daemon of this machine made it, and is believed",
    "cli/daemon/client.py: _show_event": "the daemon of this machine made it, and is believed",
    "conformance/gdb.py: GdbCaller.__init__": "what the stub answers is read by others, which are played",
    "daemon/answers/worker.py: main": _OWN,
    "daemon/answers/worker.py: receive": _OWN,
    "dbus/introspection.py: load": "a file of the package",
    "schema/shipped.py: load": "a file of the package",
    "daemon/jobs/process.py: main": _OWN,
    "daemon/jobs/runner.py: JobRunner._take": _OWN,
    "dbus/peer.py: _groups": _KERNEL,
    "dbus/peer.py: identify": _KERNEL,
    "firmware/image/trust.py: read": _FILE,
    "machine/control.py: ControlClient.ask": "the machine that the same user runs made it",
    "machine/joined.py: _read_at": "a piece of bytes, of which it reads nothing",
    "machine/qemu/guest_python.py: _interpreter": "two numbers at the start of a program that the user names",
    "providers/redfish/client.py: RedfishClient.root": "the library has read it; written and read again by ourselves",
    "files/calls.py: ChildCalls._read": _OWN,
    "files/child.py: ChildWrite.wait": _OWN,
}
"""Functions that read bytes which nobody else can choose, and why."""


@pytest.fixture(scope="module")
def called() -> Iterator[set[CodeType]]:
    """All functions of the product that the targets come to."""
    logging.disable(logging.CRITICAL)
    functions = Functions()
    for target in TARGETS.values():
        with functions:
            seeds = [*target.seeds()]
        for data in [*seeds, *(each.data for each in corpus.read(target.name))]:
            with functions:  # anew: Python lets go of a profiler in which the stack ends, as it may in any input
                play(target, data)
    yield functions.called
    logging.disable(logging.NOTSET)


def test_every_reader_is_played(called: set[CodeType]) -> None:
    names = {(code.co_filename, code.co_qualname) for code in called}
    found = readers()
    missing = {str(each) for each in found if (str(SOURCES / each.file), each.name) not in names}
    assert missing - set(NOT_PLAYED) == set(), "a reader without a target: add one to tests/fuzz"
    assert set(NOT_PLAYED) - missing == set(), "these are played, or not there any more"
    assert len(found) > 100


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def f(x):\n    return json.loads(x)", ["f"]),
        ("def f(x):\n    return _HEADER.unpack_from(x)", ["f"]),
        ("class C:\n    def f(self, x):\n        return int.from_bytes(x)", ["C.f"]),
        ("class C:\n    @classmethod\n    def decode(cls, data: bytes) -> None: ...", ["C.decode"]),
        ("def f():\n    def parse(data: 'bytes | None'): ...", ["f.<locals>.parse"]),
        ("async def read(a, data: memoryview): ...", ["read"]),
        ("def f(x: bytes):\n    return x", []),
        ("def parse(text: str): ...", []),
    ],
)
def test_a_reader_is_seen(source: str, names: list[str]) -> None:
    assert in_source(source) == names


def test_a_reader_is_named_as_it_is_called() -> None:
    assert Reader("dbus/wire.py", "_Reader._number") in readers()
