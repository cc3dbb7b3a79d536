# SPDX-License-Identifier: Apache-2.0
"""The driver's two switches of a component: what is written, and what becomes of a write that does not go well.

Linux ``drivers/firmware/smccc/lfa_fw.c``: ``force_cpu_rendezvous`` of all versions, ``auto_activate`` of v3.
"""

import errno

import pytest

from livefw.errors import PermissionDenied, TransportError
from livefw.files.protocol import LOST
from livefw.providers.fake import FakeResult
from livefw.providers.lfa.fake import RMM, FakeLfa

SWITCHES = ("force_cpu_rendezvous", "auto_activate")


@pytest.mark.parametrize(("on", "text"), [(True, b"1\n"), (False, b"0\n")])
@pytest.mark.parametrize("setting", SWITCHES)
def test_a_switch_is_written(bench: FakeLfa, setting: str, on: bool, text: bytes) -> None:
    bench.add()
    bench.provider.configure(RMM, setting, on=on)
    assert bench.files.writes == [(bench.path(setting), text)]


@pytest.mark.parametrize(
    ("setting", "ident"), [("activate", RMM), ("name", RMM), ("../name", RMM), ("auto_activate", "another")]
)
def test_what_is_no_switch_is_never_written(bench: FakeLfa, setting: str, ident: str) -> None:
    bench.add()
    with pytest.raises(TransportError, match="No such file or directory") as caught:
        bench.provider.configure(ident, setting, on=True)
    assert (caught.value.errno, bench.files.writes) == (errno.ENOENT, [])


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (FakeResult(errno.EACCES), PermissionDenied, errno.EACCES),
        (FakeResult(errno.EPERM, opened=False), PermissionDenied, errno.EPERM),
        (FakeResult(errno.EINVAL), TransportError, errno.EINVAL),
        (FakeResult(LOST), TransportError, errno.EIO),
        (FakeResult(seconds=10.5), TransportError, errno.ETIMEDOUT),
        (FakeResult(seconds=None), TransportError, errno.ETIMEDOUT),
    ],
)
def test_a_write_that_fails_is_told_with_its_errno(
    bench: FakeLfa, answer: FakeResult, kind: type[TransportError], code: int
) -> None:
    bench.add()
    bench.files.answers[bench.path("auto_activate")] = [answer]
    with pytest.raises(kind) as caught:
        bench.provider.configure(RMM, "auto_activate", on=True)
    assert type(caught.value) is kind
    assert (caught.value.errno, caught.value.component) == (code, f"lfa:{RMM}")


def test_a_write_that_takes_its_time_is_waited_for(bench: FakeLfa) -> None:
    bench.add()
    bench.files.answers[bench.path("auto_activate")] = [FakeResult(seconds=9.5)]
    bench.provider.configure(RMM, "auto_activate", on=True)
    assert bench.clock.passed == 9.5


@pytest.mark.parametrize(
    ("raised", "code"), [(OSError(errno.EAGAIN, "no process"), errno.EAGAIN), (OSError(), errno.EIO)]
)
def test_a_write_that_cannot_be_started_is_told(
    bench: FakeLfa, monkeypatch: pytest.MonkeyPatch, raised: OSError, code: int
) -> None:
    """Each write is done by a child, and there may be no room for one."""

    def start(path: str, data: bytes) -> None:
        raise raised

    bench.add()
    monkeypatch.setattr(bench.files, "start_write", start)
    with pytest.raises(TransportError) as caught:
        bench.provider.configure(RMM, "auto_activate", on=True)
    assert caught.value.errno == code
