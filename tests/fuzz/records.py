# SPDX-License-Identifier: Apache-2.0
"""What was written down, read back: it may have been damaged, or written by somebody else."""

import json
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from livefw.activation import fleet
from livefw.activation.history.anchors import AnchoredHeads
from livefw.activation.history.rows import (
    ROW_LIMIT,
    Head,
    RowKind,
    bounded,
    decode,
    digest,
    history_row,
    is_archive,
    is_hash,
)
from livefw.activation.inventory import old_versions
from livefw.activation.lock import machine_lock
from livefw.activation.measure.meter import Measurement
from livefw.activation.measure.tracer import TRACERS, Instance
from livefw.activation.notify import outbox
from livefw.activation.pending import known
from livefw.activation.pending.known import PendingPlace
from livefw.activation.verdict import staging
from livefw.machine import runtime
from livefw.render.report import fleet as fleet_report
from livefw.render.report import html
from livefw.text import harmless, printable

from .target import SEPARATOR, Target, parts, words


def _row(data: bytes) -> object:
    """A row of the history: texts, numbers or bytes in any of its columns."""
    kind, time, flags, body = parts(data, 4)
    columns: list[Any] = [
        7,
        decode(kind),
        "id",
        "lfa:x",
        int.from_bytes(time[:8], "little", signed=True),
        decode(body),
        "0" * 64,
    ]
    for index, flag in enumerate(flags[:7]):
        columns[index] = {0: columns[index], 1: None, 2: 1.5, 3: b"\xff"}.get(flag & 7, columns[index])
    if not isinstance(columns[0], int):
        columns[0] = 7
    row = tuple(columns)
    found = history_row(row)
    assert isinstance(found.body, dict)
    assert found.flaw or isinstance(columns[5], str)
    text = bounded(found.body)
    assert len(text) <= ROW_LIMIT
    again = history_row((*row[:5], text, row[6])).body
    assert again == found.body or "cut" in again, "what was read does not come back as it was"
    assert is_hash(digest("", row[:6]))
    return found, _cost(found.body.get("cost")), staging.judge_staging(found.body, None)


def _cost(told: Any) -> object:
    if not isinstance(told, dict):
        return None
    try:
        found = Measurement.from_document(told)
    except (ValueError, KeyError, TypeError) as error:
        return repr(error)
    return found.longest_ns, found.baseline_ns, found.cpus


def _row_seeds() -> Iterator[bytes]:
    cost = {
        "source": "tracer",
        "seconds": 1.5,
        "note": "",
        "rows": [{"cpus": "0-3", "longest_ns": 5, "baseline_ns": 1, "gaps": [[0, 5]]}],
    }
    body = {
        "outcome": "activated",
        "reason": "r",
        "pending": False,
        "seconds": 1.5,
        "log": ["a"],
        "cost": cost,
        "aftermath": {"missing": {"lfa": {"keys": ["a"], "mark": "1"}}, "old": {"a": "1.0"}},
        "actor": {"user": "root"},
        "ignored": [{"check": "load"}],
    }
    for kind in (RowKind.OUTCOME, RowKind.INTENT, "later"):
        yield SEPARATOR.join((kind.encode(), b"\1\2\3", b"", json.dumps(body).encode()))
    yield SEPARATOR.join((b"staging", b"", b"\0\1\2\3\1\3\1", b'{"text": "%s"}' % (b"x" * 1200)))


def _head(data: bytes) -> object:
    text = data.decode("utf-8", "surrogateescape")
    archive = is_archive(text)
    found = Head.parse(text)
    assert Head.parse(str(found)) == found
    return found, archive


class _Told(AnchoredHeads):
    """What journalctl printed."""

    def __init__(self, data: bytes) -> None:
        super().__init__("/var/lib/livefw", command=("journalctl",))
        self._data = data

    def _lines(self, command: tuple[str, ...]) -> Iterator[bytes]:
        return filter(None, self._data.split(b"\n"))


def _anchors(data: bytes) -> object:
    heads = _Told(data)
    found = list(heads)
    assert all(is_hash(each.head.hash) for each in found)
    assert all(datetime.fromtimestamp(each.time_ns / 1e9, UTC).year >= 1970 for each in found)
    return found, heads.error


_ANCHOR = json.dumps(
    {
        "_UID": "0",
        "_TRANSPORT": "journal",
        "LIVEFW_STATE": "/var/lib/livefw",
        "LIVEFW_HEAD": f"12:{'0' * 64}",
        "__REALTIME_TIMESTAMP": "1700000000000000",
    }
).encode()


def _in_memory(data: bytes) -> int:
    descriptor = os.memfd_create("fuzz", os.MFD_CLOEXEC)
    os.write(descriptor, data)
    return descriptor


def _note(data: bytes) -> object:
    descriptor = _in_memory(data)
    try:
        found = machine_lock._read_note(descriptor)
        return found, found and machine_lock._busy(found).message.rpartition(", for ")[0], runtime._read(descriptor)
    finally:
        os.close(descriptor)


def _note_seeds() -> Iterator[bytes]:
    yield json.dumps({"pid": 1, "component": "lfa:x", "user": "root", "since": 1700000000}).encode()
    yield json.dumps({"name": "m", "pid": 1, "platform": "fvp", "mount": "/m", "store": ""}).encode()


def _in_a_file(name: str, data: bytes) -> str:
    """Of this process alone, and the same each time: what it is called must not show in what comes of it."""
    folder = os.path.join(tempfile.gettempdir(), f"livefw-fuzz-{os.getpid()}")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(data)
    return path


def _old(data: bytes) -> object:
    path = _in_a_file("old-versions", data)
    try:
        found = old_versions.read(path, "boot")
        if found and all(printable(each) == each for pair in found.items() for each in pair):
            old_versions.write(path, "boot", found)
            assert old_versions.read(path, "boot") == found
        return found
    finally:
        os.unlink(path)
        os.rmdir(os.path.dirname(path))


def _pending(data: bytes) -> object:
    path = _in_a_file("pending", data)
    try:
        place = PendingPlace("/dev/null", path)  # a history that this user may not look for
        found = known.read(place)
        if found and all(printable(text) == text for key, image in found.items() for text in (key, image.version)):
            known.write(place, found)
            assert known.read(place) == found
        return found
    finally:
        os.unlink(path)
        os.rmdir(os.path.dirname(path))


def _waiting(data: bytes) -> object:
    """Whatever is in the file, it can be written again, and is the same then."""
    found = outbox.parse(data)
    assert outbox.parse(outbox.encode(found)) == found
    return found


_WAITING = {
    "cursor": 7,
    "conditions": {"pending lfa:x": "1.2"},
    "recent": {"failed lfa:x": [1700000000.5]},
    "suppressed": {"failed": 2},
    "waiting": [{"id": "1", "document": {"event": "failed", "key": "lfa:x"}, "left": {"mail": 6}}],
    "hooks": {"mail": {"failures": 1, "not_before": 1700000060.0, "last_error": "exit status 1"}},
}


class _Traced(Instance):
    """A tracefs instance that is a directory of files."""

    def __init__(self, folder: str) -> None:
        self._folder = folder


def _trace(data: bytes) -> object:
    paths = [_in_a_file("tracing_on", b"1"), _in_a_file("trace", data)]
    told: list[object] = []
    try:
        for tracer in TRACERS:
            try:
                told.append(_Traced(os.path.dirname(paths[0])).end(tracer))
            except ValueError as error:
                told.append(str(error))
        return told
    finally:
        for path in paths:
            os.unlink(path)
        os.rmdir(os.path.dirname(paths[0]))


_TRACE = b"""# tracer: osnoise
 x-1 [000] d.h. 10.000001: sample_threshold: start 10.000001234 duration 5000 ns interference 1
 x-1 [001] ..... 10.5: tracing_mark_write: livefw: the activation begins
 x-1 [003] ..... 11.000123: #1    context thread timer_latency    123456 ns
"""


def _shown(data: bytes) -> object:
    """Any text, as a person is shown it: on one line, without a character that does something to a terminal."""
    for text in (
        data.decode("utf-8", "surrogateescape"),
        data.decode("utf-8", "backslashreplace"),
        data.decode("latin-1"),
    ):
        assert printable(text).isprintable()
        assert harmless(text).isprintable()
        assert printable(text).replace("\\\\", "").count("\\") >= harmless(text).count("\\") - text.count("\\")
    return printable(data.decode("utf-8", "surrogateescape"))


def _fleet_host(data: bytes) -> object:
    """What another machine's file says of it; whatever that is, there is a page."""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "host.json"), "wb") as file:
            file.write(data)
        found = fleet.read(folder, time=_COLLECTED, version="1")._replace(directory="")
    (host,) = found.hosts
    assert "<script" not in "".join(html.pieces(fleet_report.blocks(found), title="fleet", version="1"))
    msgspec.json.decode("".join(fleet_report.pieces(found)))
    return host


_COLLECTED = datetime(2026, 11, 30, tzinfo=UTC)


def _fleet_host_seeds() -> Iterator[bytes]:
    attempt = {"component": "lfa:x", "outcome": "failed", "activation": "1", "reason": "<script>alert(1)</script>"}
    listed = {"key": "lfa:x", "name": "X", "pending": True, "current_version": "1.0"}
    record = {"whole": True, "head": "1:aa", "rows": 1}
    rollout = {"ok": False, "objections": ["the gate"]}
    yield json.dumps({"components": [listed], "history": [attempt], "record": record, "rollout": rollout}).encode()
    yield json.dumps({"failed": True, "msg": "no answer", "unreachable": True}).encode()
    row = {"kind": "intent", "outcome": "unknown", "cost": {"longest_ns": 5}}
    past = {"component": "lfa:x", "activation": "1", "time": "2026", "actor": {"user": "root"}, "outcome": row}
    head = {"time": "2026", "head": "1:aa", "proof": {"verification": {"whole": False}}, "machine": {"components": []}}
    yield json.dumps({"report": head, "activations": [past]}).encode()
    yield b"[" * 2000


TARGETS = (
    Target(
        "history-row",
        _row,
        _row_seeds,
        words=(SEPARATOR, *words('1e999 NaN "cost" "rows" "gaps" "old" "missing" "keys"')),
        growth=128,
    ),
    Target("history-head", _head, lambda: (b"12:" + b"0" * 64, b"history-1-2.db"), (ValueError,), longest=120),
    Target(
        "journal-heads",
        _anchors,
        lambda: (_ANCHOR, _ANCHOR + b"\n[]"),
        words=words('"LIVEFW_HEAD" "_UID" 1e999'),
        longest=1024,
    ),
    Target("notes", _note, _note_seeds, words=words('"pid" "component" "user" "since" 1e999'), longest=512),
    Target(
        "old-versions",
        _old,
        lambda: (b"boot\nlfa:x\t1.2\n", b"other\n"),
        words=(b"boot\n", b"\t", b"\xe2\x80\xa8"),
        longest=256,
    ),
    Target(
        "pending",
        _pending,
        lambda: (b"1:2\n1700000000000000000\t1.2\tlfa:x\n5\t\tlfa:y\n", b"-\n"),
        words=(b"-\n", b"\t", b"\xe2\x80\xa8"),
        longest=256,
    ),
    Target(
        "events-waiting",
        _waiting,
        lambda: (
            json.dumps(_WAITING).encode(),
            json.dumps(_WAITING | {"recent": {"failed lfa:x": [1e999]}}).encode(),
            json.dumps(_WAITING).encode().replace(b'"key": "lfa:x"', b'"key": ' + b"[" * 800 + b"]" * 800),
        ),
        words=words('"cursor" "recent" "waiting" "left" "hooks" null 1e999 NaN'),
        longest=1024,
    ),
    Target(
        "trace",
        _trace,
        lambda: (_TRACE,),
        words=words("sample_threshold: duration timer_latency [000] ns"),
        longest=1024,
    ),
    Target(
        "fleet-host",
        _fleet_host,
        _fleet_host_seeds,
        words=words('"components" "history" "record" "rollout" "report" "activations" "outcome" "pending" null 1e999'),
        growth=128,
    ),
    Target("shown-text", _shown, lambda: (b"a\x1b[2J\\x1b\r\n", "\u202e\ud7ff".encode()), longest=200),
)
