# SPDX-License-Identifier: Apache-2.0
"""The firmware upload class over a scripted driver: every row of its protocol (Linux sysfs.c and sysfs_upload.c)."""

import errno
from collections.abc import Callable

import pytest
from tests.tdx.upload_host import NODE, Host

from livefw.kernel.clock import MS, US
from livefw.kernel.fw_upload import UploadError
from livefw.kernel.os import Os
from livefw.kernel.release import Kernel
from livefw.kernel.sysfs import Directory


class ScriptedDriver:
    """Takes ``portion`` bytes a call, 1 ms each, and fails where it is told to."""

    def __init__(self, os: Os) -> None:
        self.os = os
        self.portion: int | None = None
        self.fails: dict[str, UploadError] = {}
        self.taken = b""
        self.cancelled = 0

    async def prepare(self, data: bytes) -> UploadError | None:
        await self.os.sleep(MS)
        return self.fails.get("preparing")

    async def write(self, data: bytes, offset: int) -> tuple[UploadError | None, int]:
        await self.os.sleep(MS)
        if error := self.fails.get("transferring"):
            return error, 0
        end = len(data) if self.portion is None else min(offset + self.portion, len(data))
        self.taken += data[offset:end]
        return None, end - offset

    async def poll_complete(self) -> UploadError | None:
        await self.os.sleep(MS)
        return self.fails.get("programming")

    def cancel(self) -> None:
        self.cancelled += 1


@pytest.fixture
def host() -> Host[ScriptedDriver]:
    return Host(ScriptedDriver, Kernel())


def fails(code: int, work: Callable[[], object]) -> None:
    with pytest.raises(OSError) as raised:  # noqa: PT011 - the errno is what counts
        work()
    assert errno.errorcode[raised.value.errno or 0] == errno.errorcode[code]


def test_files_and_modes(host: Host[ScriptedDriver]) -> None:
    """ABI testing/sysfs-class-firmware."""
    directory = host.tree.lookup(NODE)
    assert isinstance(directory, Directory)
    modes = {name: oct(node.stat.mode) for name in directory.names if (node := directory.get(name))}
    assert modes == {
        "loading": "0o644",
        "data": "0o644",
        "status": "0o444",
        "error": "0o444",
        "remaining_size": "0o444",
        "cancel": "0o200",
    }
    assert host.tree.lookup("/sys/class/firmware/tdx_module") is directory


def test_files_at_rest(host: Host[ScriptedDriver]) -> None:
    texts = [host.read(name) for name in ("loading", "data", "status", "error", "remaining_size")]
    assert texts == [b"0\n", b"", b"idle\n", b"", b"0\n"]


def test_upload_from_one_to_idle(host: Host[ScriptedDriver]) -> None:
    image = bytes(range(256)) * 33
    host.stage(image)
    assert host.read("loading") == b"1\n"
    assert host.read("data") == image[:4096]
    assert host.read("data", 4096, 8192) == image[8192:]
    host.write("loading", b"0\n")
    assert host.read("status") == b"receiving\n"  # set inside the write, so no poll can see a stale idle
    assert host.read("remaining_size") == b"8448\n"
    host.settle()
    assert host.driver.taken == image
    assert [host.read(name) for name in ("status", "error", "remaining_size")] == [b"idle\n", b"", b"0\n"]


def test_status_words_come_in_order(host: Host[ScriptedDriver]) -> None:
    host.upload(b"image")
    seen = [host.read("status").decode().strip()]
    for _ in range(3):
        host.after(MS - 10 * US if len(seen) > 1 else 500 * US)
        seen.append(host.read("status").decode().strip())
    host.settle()
    assert seen == ["receiving", "preparing", "transferring", "programming"]


def test_data_takes_a_page_a_write_and_appends_within_one_descriptor(host: Host[ScriptedDriver]) -> None:
    host.write("loading", b"1\n")
    file = host.open("data")
    assert host.run(file.write(b"a" * 10_000)) == 4096
    assert host.run(file.write(b"b" * 10)) == 10
    assert host.write("data", b"c" * 3) == 3  # opened again, it begins at the start
    host.write("loading", b"0")
    host.settle()
    assert host.driver.taken == b"ccc" + b"a" * 4093 + b"b" * 10


LOADING: dict[bytes, tuple[int, int | None]] = {
    b"-1\n": (-1, -1),
    b"0\n": (0, 0),
    b"1": (1, 1),
    b"01": (1, 1),
    b"2\n": (2, 2),
    b"-5": (-5, -5),
    b"1\0x": (1, 1),
    b"+1": (0, 1),
    b"1x": (1, None),
    b"1 x": (1, None),
    b"7seven": (7, None),
    b"hello\n": (0, None),
    b" 1": (0, None),
    b"\n": (0, None),
    b"-": (0, None),
    b"1\n\n": (1, None),
    b"0x1": (0, None),
    b"2147483648": (-2147483648, None),
    b"4294967297": (1, None),
    b"-4294967295": (1, None),
    b"18446744073709551617": (1, None),
}
"""What a write to ``loading`` is taken for before Linux 6.19 (simple_strtol) and since (kstrtoint); None for EINVAL.
The latter were seen on a kernel of Debian (test_upload_recorded.py)."""
OLD, NEW = "6.18.5", "6.19.14"


@pytest.mark.parametrize("data", LOADING)
@pytest.mark.parametrize("release", [OLD, NEW])
def test_loading_with_a_load_open(data: bytes, release: str) -> None:
    host = Host(ScriptedDriver, Kernel(release=release))
    host.stage(b"image")
    number = LOADING[data][release == NEW]
    if number is None:
        fails(errno.EINVAL, lambda: host.write("loading", data))
    else:
        host.write("loading", data)
    assert host.read("loading") == (b"1\n" if number in (1, None) else b"0\n")
    assert host.read("status") == (b"receiving\n" if number == 0 else b"idle\n")
    unexpected = [f"firmware tdx_module: firmware_loading_store: unexpected value ({number})"]
    assert [record.text for record in host.os.log] == (unexpected if number not in (-1, 0, 1, None) else [])
    if number != 0:
        assert host.read("data") == (b"" if number == 1 else b"image")  # kept, but for a load that is opened anew
    host.settle()


def test_text_is_refused_before_a_running_upload_swallows_it() -> None:
    host = Host(ScriptedDriver, Kernel(release=NEW))
    host.upload(b"image")
    fails(errno.EINVAL, lambda: host.write("loading", b"abc"))
    assert host.write("loading", b"7") == 1
    host.settle()
    assert host.driver.taken == b"image"


def test_data_of_a_load_that_was_discarded_stays_until_the_next(host: Host[ScriptedDriver]) -> None:
    host.stage(b"image")
    host.write("loading", b"-1\n")
    assert host.read("data") == b"image"
    host.write("data", b"I")
    assert host.read("data") == b"Image"
    host.upload(b"new")
    host.settle()
    assert host.driver.taken == b"new"


def test_zero_without_a_load_is_logged_and_succeeds(host: Host[ScriptedDriver]) -> None:
    host.write("loading", b"0\n")
    assert [record.text for record in host.os.log] == [
        "firmware tdx_module: firmware_loading_store: unexpected value (0)"
    ]
    assert host.read("status") == b"idle\n"


def test_size_zero_starts_nothing_and_keeps_the_old_error(host: Host[ScriptedDriver]) -> None:
    host.driver.fails = {"preparing": UploadError.HW_ERROR}
    host.upload(b"image")
    host.settle()
    host.upload(b"")
    assert (host.read("status"), host.read("error")) == (b"idle\n", b"preparing:hw-error\n")
    assert host.read("loading") == b"0\n"
    host.driver.fails = {}
    host.upload(b"image")
    host.settle()
    assert host.read("error") == b""


def test_while_an_upload_runs_loading_is_swallowed_and_data_refused(host: Host[ScriptedDriver]) -> None:
    host.upload(b"image")
    for data in (b"1\n", b"0\n", b"-1\n"):
        assert host.write("loading", data) == len(data)
    assert host.read("loading") == b"0\n"
    fails(errno.ENODEV, lambda: host.write("data", b"x"))
    fails(errno.ENODEV, lambda: host.read("data"))
    fails(errno.EBUSY, lambda: host.read("error"))
    host.settle()
    assert host.driver.taken == b"image"


def test_window_at_the_end_of_an_upload_sticks(host: Host[ScriptedDriver]) -> None:
    """A new load can be opened before the old upload is over; handing it over then is EBUSY, and the node is stuck."""
    host.upload(b"image")
    host.after(3 * MS + 52 * US)
    assert host.read("status") == b"programming\n"
    host.stage(b"more")
    fails(errno.EBUSY, lambda: host.write("loading", b"0\n"))
    host.settle()
    assert host.read("status") == b"idle\n"
    host.write("loading", b"1\n")
    assert host.read("loading") == b"0\n"
    fails(errno.ENODEV, lambda: host.write("data", b"x"))


def test_refused_mapping_sticks_in_aborted(host: Host[ScriptedDriver]) -> None:
    host.stage(b"image")
    host.node.map_error = errno.EACCES
    fails(errno.EACCES, lambda: host.write("loading", b"0\n"))
    host.node.map_error = 0
    host.write("loading", b"1\n")
    assert host.read("loading") == b"0\n"
    assert host.read("status") == b"idle\n"


def test_no_memory_for_data_sticks_in_aborted(host: Host[ScriptedDriver]) -> None:
    host.write("loading", b"1\n")
    host.node.grow_error = errno.ENOMEM
    fails(errno.ENOMEM, lambda: host.write("data", b"image"))
    host.node.grow_error = 0
    host.write("loading", b"1\n")
    assert host.read("loading") == b"0\n"


def test_data_wants_cap_sys_rawio(host: Host[ScriptedDriver]) -> None:
    host.node.may_write = False
    host.write("loading", b"1\n")
    fails(errno.EPERM, lambda: host.write("data", b"image"))


@pytest.mark.parametrize("data", [b"", b"0\n", b"no\n", b"off\n", b"2\n", b"o\n"])
def test_cancel_wants_a_true_boolean(host: Host[ScriptedDriver], data: bytes) -> None:
    host.upload(b"image")
    if data:
        fails(errno.EINVAL, lambda: host.write("cancel", data))
    assert host.driver.cancelled == 0
    host.settle()


def test_cancel_at_rest_and_while_running(host: Host[ScriptedDriver]) -> None:
    fails(errno.ENODEV, lambda: host.write("cancel", b"1\n"))
    host.upload(b"image")
    for data in (b"1\n", b"yes", b"on", b"True"):
        host.write("cancel", data)
    assert host.driver.cancelled == 4
    host.settle()


@pytest.mark.parametrize("state", ["preparing", "transferring", "programming"])
@pytest.mark.parametrize("error", UploadError)
def test_error_names_state_and_word(host: Host[ScriptedDriver], state: str, error: UploadError) -> None:
    host.driver.fails = {state: error}
    host.upload(b"image")
    host.settle()
    assert host.read("error") == f"{state}:{error}\n".encode()
    assert host.read("remaining_size") == (b"0\n" if state == "programming" else b"5\n")


def test_driver_that_takes_nothing_is_a_read_write_error(host: Host[ScriptedDriver]) -> None:
    host.driver.portion = 0
    host.upload(b"image")
    host.settle()
    assert host.read("error") == b"transferring:read-write-error\n"


def test_remaining_size_goes_down_as_the_driver_takes_it(host: Host[ScriptedDriver]) -> None:
    host.driver.portion = 2
    host.upload(b"image")
    host.after(2 * MS + 500 * US)
    assert host.read("remaining_size") == b"3\n"
    host.settle()
    assert host.driver.taken == b"image"


def test_unregistered_node_is_gone_and_open_descriptors_say_so(host: Host[ScriptedDriver]) -> None:
    file = host.open("data")
    host.node.unregister()
    fails(errno.ENODEV, lambda: host.run(file.write(b"x")))
    fails(errno.ENOENT, lambda: host.read("status"))
    fails(errno.ENOENT, lambda: host.tree.lookup("/sys/class/firmware/tdx_module"))


def test_modes_are_kept_even_for_root(host: Host[ScriptedDriver]) -> None:
    fails(errno.EACCES, lambda: host.read("cancel"))
    fails(errno.EACCES, lambda: host.open("status"))
