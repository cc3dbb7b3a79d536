# SPDX-License-Identifier: Apache-2.0
"""``livefw list`` of ever more BMCs, each of 20 members and slow: what one of them costs must not add up.

The BMCs are one process (``python -m bench.bmcs FOLDER LARGE MANY SIZES``) with a thread for each kind of them, which
takes 100 ms for each answer and has it in a table. All TLS handshakes are made: on two CPUs they are part of what a
thousand BMCs cost.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path

from bench.bmc_server import BmcFarm, Request
from bench.measure import Aim, NotHere, Row, interleave, seconds
from bench.peak import peak
from livefw import libraries
from livefw.errors import NotInstalled
from livefw.machine.bmc.documents import ROOT, SESSIONS
from livefw.machine.bmc.firmware import Firmware, Pattern
from livefw.machine.bmc.model import Model
from livefw.machine.bmc.reply import WebReply
from livefw.machine.bmc.web import Web

SIZES = (1, 10, 100)
MANY = 1_000
BESIDE = 20
"""BMCs of which one is silent, or none."""
MEMBERS = 20
LARGE = 500
"""Members of one BMC."""
IMAGE_MIB = 512
LATENCY_S = 0.1
ROUNDS = 5
_PATIENCE_S = 3.0
"""That of the settings, by default."""
_CREDENTIALS = "/etc/livefw/bmc.credentials"
_SILENT, _ALONE, _EXPANDING = "silent", "large", "expanding"


def rows() -> Iterator[Row]:
    """Seconds of each size, and its ratio to one BMC; what one silent BMC costs; and memory."""
    try:
        libraries.load("redfish")
        libraries.load("cryptography")
    except NotInstalled as error:
        raise NotHere(error.message) from error
    with tempfile.TemporaryDirectory(prefix="livefw-bench-") as folder:
        numbers = map(str, (LARGE, MANY, *SIZES))
        command = [sys.executable, "-m", "bench.bmcs", folder, *numbers]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as served:
            assert served.stdout
            served.stdout.readline()
            trees = [*map(str, SIZES), str(BESIDE), _SILENT, _ALONE, _EXPANDING]
            medians = interleave({tree: _listed(f"{folder}/{tree}") for tree in trees}, rounds=ROUNDS)
            many = seconds(_listed(f"{folder}/{MANY}"))
            memory = peak([*_command(f"{folder}/{MANY}"), "list"]) / 1024
            image = _image(folder)
            served.communicate()
    yield from _times(medians, many)
    yield Row(f"list of {MANY:,} BMCs, memory", memory, "MiB", Aim(100.0))
    yield Row(f"stage an image of {IMAGE_MIB} MiB, memory above list", image, "MiB", Aim(64.0))


def _times(medians: Mapping[str, float], many: float) -> Iterator[Row]:
    one = medians["1"]
    each = f"{MEMBERS} members, {LATENCY_S * 1e3:.0f} ms a request"
    for size in SIZES:
        yield Row(f"list of {size:,} BMCs, {each}", medians[str(size)], "s")
    yield Row(f"list of {MANY:,} BMCs, {each}, one round", many, "s")
    for size in SIZES[1:]:
        yield Row(
            f"list of {size:,} BMCs", medians[str(size)] / one, "times", Aim(3.0) if size == 100 else None, "one BMC"
        )
    yield Row(f"list of {SIZES[-1]:,} BMCs that expand collections", medians[_EXPANDING], "s")
    yield Row(f"list of one BMC with {LARGE} members", medians[_ALONE], "s")
    beside, silent = medians[str(BESIDE)], medians[_SILENT]
    yield Row(f"list of {BESIDE} BMCs", beside, "s")
    yield Row(f"list of {BESIDE} BMCs, one silent", silent, "s", Aim(1.0 + max(_PATIENCE_S, one)))
    yield Row(f"list of {BESIDE} BMCs, one silent", silent / beside, "times", None, "none silent")


def _command(root: str) -> list[str]:
    return [sys.executable, "-m", "livefw", "--root", root, "--settings", f"{root}/etc/livefw"]


def _listed(root: str) -> Callable[[], object]:
    quiet = subprocess.DEVNULL
    return lambda: subprocess.run([*_command(root), "list"], stdout=quiet, stderr=quiet, check=True)


def _image(folder: str) -> float:
    """Mebibytes that staging a large image takes above listing the same BMC."""
    with open(f"{folder}/image", "wb") as file:
        file.write(b"version=9.9.9\n")
        file.truncate(IMAGE_MIB << 20)
    command = [*_command(f"{folder}/staging"), "--state", f"{folder}/state"]
    idle = peak([*command, "list"])
    return (peak([*command, "stage", "b0/fw0", f"{folder}/image"]) - idle) / 1024


class CannedBmcs:
    """Answers for BMCs that are all the same, from a table; what changes something goes to the model of one."""

    def __init__(self, members: int, *, expands: bool = False, changes: bool = False) -> None:
        """``changes``: nothing is in the table for longer than one request."""
        firmware = [Firmware(f"fw{number}", f"fw{number}", f"{ROOT}/Chassis/{number}") for number in range(members)]
        model = Model(
            time.monotonic,
            pattern=Pattern.STAGE,
            faults=("no-measurements", "one-bank"),
            seconds=0.1,
            firmware=firmware,
        )
        self._web = Web(model, {"admin": "secret"})
        self._token = self._ask("POST", SESSIONS, {}, b'{"UserName": "admin", "Password": "secret"}')
        self._known: dict[str, WebReply] = {}
        self._expands, self._changes = expands, changes

    def answer(self, request: Request) -> WebReply:
        """The reply to one request."""
        path = request.path.rstrip("/")
        if path.partition("?")[0].startswith(SESSIONS):
            return self._token if request.method == "POST" else WebReply(204, {}, b"")
        headers = dict(request.headers) | {"x-auth-token": self._token.headers["X-Auth-Token"]}
        if request.method != "GET" or "/Task" in path:
            return self._ask(request.method, path, headers, request.body)
        reply = self._known.get(path)
        if reply is None or self._changes:
            reply = self._known[path] = self._made(path, headers)
        if reply.headers.get("ETag") == request.headers.get("if-none-match", ""):
            return WebReply(304, reply.headers, b"")
        return reply

    def _made(self, path: str, headers: Mapping[str, str]) -> WebReply:
        plain, _, query = path.partition("?")
        reply = self._ask("GET", plain, headers, b"")
        document = json.loads(reply.body)
        if self._expands and plain == ROOT:
            expand = {"ExpandAll": True, "Levels": True, "Links": True, "MaxLevels": 6, "NoLinks": True}
            document["ProtocolFeaturesSupported"] = {"ExpandQuery": expand}
        if self._expands and query:
            document["Members"] = [
                json.loads(self._ask("GET", row["@odata.id"], headers, b"").body) for row in document["Members"]
            ]
        if "MaxImageSizeBytes" in document:
            document["MaxImageSizeBytes"] = 1 << 30
        body = json.dumps(document).encode()
        return WebReply(reply.status, reply.headers | {"ETag": f'"{sha256(body).hexdigest()[:16]}"'}, body)

    def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> WebReply:
        self._web.log.clear()
        return self._web.handle(method, path, headers, body)


def serve(folder: str, large: int, many: int, *sizes: int) -> None:
    """Serve BMCs until standard input ends, with a tree of settings for each number of them."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    slow, alone = CannedBmcs(MEMBERS), CannedBmcs(large)
    expanding, staging = CannedBmcs(MEMBERS, expands=True), CannedBmcs(MEMBERS, changes=True)
    farms = {
        name: BmcFarm(each.answer, latency=LATENCY_S)
        for name, each in (("", slow), (_ALONE, alone), (_EXPANDING, expanding))
    }
    farms["staging"] = BmcFarm(staging.answer)
    mute = BmcFarm(slow.answer, latency=3600.0)
    for size in {*sizes, BESIDE, many}:
        _write(Path(folder, str(size)), [farms[""].url(number) for number in range(size)])
    _write(Path(folder, _SILENT), [*(farms[""].url(number) for number in range(BESIDE - 1)), mute.url()])
    _write(Path(folder, _ALONE), [farms[_ALONE].url()])
    _write(Path(folder, _EXPANDING), [farms[_EXPANDING].url(number) for number in range(sizes[-1])])
    _write(Path(folder, "staging"), [farms["staging"].url()])
    print("ready", flush=True)
    sys.stdin.read()
    for farm in (*farms.values(), mute):
        farm.close()


def _write(root: Path, urls: list[str]) -> None:
    (root / "etc/livefw").mkdir(parents=True)
    secret = root / _CREDENTIALS[1:]
    secret.write_text("admin\nsecret\n")
    secret.chmod(0o600)
    hosts = "".join(f"b{number} {url.removeprefix('https://')}\n" for number, url in enumerate(urls))
    (root / "etc/livefw/hosts").write_text(hosts)
    (root / "etc/livefw/livefw.toml").write_text(
        f'[redfish.group.all]\nhosts-file = "/etc/livefw/hosts"\nverify = false\ncredentials = "{_CREDENTIALS}"\n'
    )


if __name__ == "__main__":
    serve(sys.argv[1], *map(int, sys.argv[2:]))
