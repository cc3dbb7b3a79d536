# SPDX-License-Identifier: Apache-2.0
"""What administrators write, or whoever has found a way to write it for them."""

import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from livefw import machine, reading
from livefw.activation.checks import hooks
from livefw.activation.history.seal import Seal, SealError
from livefw.activation.policy import document as policy
from livefw.activation.policy import pattern, window
from livefw.errors import TransportError, UsageError
from livefw.files.host import HostFiles
from livefw.machine import config
from livefw.programs import ProgramAnswer
from livefw.providers import inband, tables
from livefw.providers.component import Component, Cost
from livefw.providers.fake import SETTINGS, FakeFiles
from livefw.providers.lfa import agents
from livefw.providers.redfish import host_list
from livefw.providers.redfish import settings as redfish
from livefw.providers.registry import MECHANISMS
from livefw.providers.tdx import settings as tdx

from .target import Target, words

_COMPONENT = Component("lfa", "a" * 30, "RMM", None, None, None, Cost(None, None), aliases=("B",))
_MOMENT = datetime(2026, 11, 29, 2, 30, tzinfo=UTC)


def _policy(data: bytes) -> object:
    found = policy.parse(data, mechanisms=MECHANISMS)
    opening = window.next_opening(found.window[:2], _MOMENT)
    assert opening is None or window.is_open(found.window, opening)
    patterns = (*found.allow, *found.deny, *found.automatic, *found.component, *(each.first for each in found.order))
    return found, opening, [pattern.matches(each, _COMPONENT) for each in patterns[:32]]


_POLICY = b"""allow = ["*"]
deny = ["lfa:*", "[[]x"]
automatic = []
ignore = ["load"]
group-may-ignore = ["downgrade"]
images = "/srv/images"
strict = true
[limits]
load = 2.5
seconds = 30
[measure]
by = "tracer"
cpus = 8
[[window]]
days = ["sat"]
from = "22:00"
to = "04:00"
zone = "Europe/Berlin"
[[order]]
first = "a"
then = "b"
[component."lfa:*"]
pin = "1.2"
settings = {auto_activate = false}
"""


def _mechanisms(data: bytes) -> object:
    """Each mechanism reads its own table of the same file, and `tables` the file."""
    files = FakeFiles({SETTINGS: data})
    readers = (
        lambda: tables.parse(data),
        lambda: tdx.read_settings(files, environment={}),
        lambda: redfish.read_settings(files),
        lambda: agents.stated(files),
        lambda: inband.read_path(files, "pfrut", "capsule"),
    )
    told = []
    for read in readers:
        try:
            told.append(repr(read()))
        except UsageError as error:
            told.append(str(error))
    return told


_MECHANISMS = b"""[tdx]
images = "/srv/tdx"
step = "smallest"
mrseam = ["5b38e33a6487958b72c3c12a938eaa5e3fd4510c51aeeab58c7d5ecee41d7c436489d6c8e4f92f160b7cad34207b00c1"]
signers = []
[lfa]
agent = "tfa-2.14"
[pfrut]
capsule = "/a"
[[redfish.bmc]]
name = "rack"
url = "https://[::1]:443"
patience = 60.5
verify = false
[redfish.group.row]
hosts = ["a", "b 10.0.0.1"]
url = "https://{host}:8443"
"""


def _host_list(data: bytes) -> object:
    """Whatever a file or a program lists: a host fits into a url and into an id, or it is not taken for one."""
    rows = list(host_list.parse(data))
    for each in rows:
        if isinstance(each, host_list.ListedHost):
            assert redfish.KEYS["name"].valid(each.name)
            assert redfish.KEYS["url"].valid(f"https://{each.host}")
    return rows


def _host_lists() -> tuple[bytes, ...]:
    document = (
        b'{"_meta": {"hostvars": {"a": {"ansible_host": "10.0.0.1"}}}, "all": {"hosts": ["a", "b.c"]}, "old": ["d"]}'
    )
    return document, b"# racks\nbmc7.example:443\nrack7 [fe80::1%25eth0]\n2001:db8::7\n10.0.0.7\n"


def _secret(data: bytes) -> object:
    """The password is in no text of any error, and in none of what is printed."""
    bmc = redfish.Bmc("rack", "https://bmc.example", "/secret")
    found = redfish.secret(bmc, FakeFiles({"/secret": data}), {})
    assert found.user
    assert repr(found) == "Secret(...)"
    return found, found.user


def _seal(data: bytes) -> object:
    found = Seal.parse(data, file="seal")
    assert found.proves(found.of("0" * 64), "0" * 64) is True
    assert found.proves(found.of("0" * 64), "1" * 64) is False
    assert not any(key.decode("latin-1") in repr(found) for _, key in found.keys if len(key) >= 32)
    return len(found.keys)


def _hook(data: bytes) -> object:
    """What a check prints, at each way to end."""
    code = (0, 1, 2, 77, -9, None)[data[0] % 6] if data else 0
    found = hooks._judge("x", ProgramAnswer(code, data[1:]), 10.0)
    assert (found is None) == (code == 0)
    return found


def _path(data: bytes) -> object:
    """Any text as a path, which settings and trees may have: there is such a file or there is not, and no more."""
    path = data.decode("utf-8", "surrogateescape") if data[:1] == b"/" else "/" + data.decode("utf-8", "replace")
    with tempfile.TemporaryDirectory() as folder, closing(HostFiles(folder)) as files:
        readers = (files.read, files.names, files.exists, files.trusted)
        told = [_asked(read, path) for read in readers]
        told += [_asked(read, f"{folder}{path}/x") for read in (reading.opened, reading.judge)]
        assert all(isinstance(each, bool | int) for each in told)
        return len(told)


def _asked(read: Callable[[str], object], path: str) -> object:
    try:
        found = read(path)
    except OSError as error:
        return error.errno
    return bool(found)


def _zone(data: bytes) -> object:
    """What /etc/localtime is: a zone, of whatever is told, or UTC."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        found = window.own_zone(file.name)
    return str(_MOMENT.astimezone(found).utcoffset())


def _zone_seeds() -> Iterator[bytes]:
    """In UTC, and an hour east of it with a rule for the summer."""
    for kinds, rule in ((b"\0\0\0\0\0\0UTC\0", b"UTC0"), (b"\0\0\x0e\x10\0\0CET\0", b"CET-1CEST,M3.5.0,M10.5.0/3")):
        head = b"TZif2" + bytes(15) + struct.pack(">6I", 0, 0, 0, 0, 1, 4)
        yield head + kinds + head + kinds + b"\n" + rule + b"\n"


def _machine(data: bytes) -> object:
    found = config.decode(data, source="fuzz")
    return found, found.running.version, found.grid and found.grid.count


def _machine_seeds() -> Iterator[bytes]:
    for path in sorted((Path(machine.__file__).parent / "platforms").glob("*.toml")):
        data = path.read_bytes()
        if len(data) < 4096:
            yield data


_TOML = words('= [ ] [[ ]] """ true false 1e400 inf nan 0x 1979-05-27T07:32:00Z "\\u0000"')
TARGETS = (
    Target(
        "policy",
        _policy,
        lambda: (_POLICY,),
        (UsageError,),
        words=_TOML
        + words("allow deny automatic never-ignore images strict seal [limits] [measure] [[window]] [[order]]"),
    ),
    Target(
        "mechanism-settings",
        _mechanisms,
        lambda: (_MECHANISMS,),
        words=_TOML
        + words("[tdx] [[redfish.bmc]] [pfrut] [lfa] images step mrseam signers name url credentials patience"),
    ),
    Target(
        "paths",
        _path,
        lambda: (b"/a/b", b"/..", b"//", b"/" + b"a" * 300, b"/\xff"),
        longest=400,
    ),
    Target("own-zone", _zone, _zone_seeds, words=words("TZif2 TZif3 CET-1CEST,M3.5.0,M10.5.0/3 <+03>-3"), longest=300),
    Target("bmc-password", _secret, lambda: (b"admin\nsecret\n", b"a:b\nc"), (TransportError,), longest=300),
    Target("host-list", _host_list, _host_lists, words=words("_meta hostvars ansible_host hosts all # :: %eth0 [ ]")),
    Target("seal-keys", _seal, lambda: (b"0" * 64 + b"\n" + b"1" * 40,), (SealError,), longest=1500),
    Target("check-output", _hook, lambda: (b"\1no\nhint", b"\2", b"\3\xff"), longest=600),
    Target("machine-description", _machine, _machine_seeds, (UsageError,), words=_TOML, growth=256),
)
