# SPDX-License-Identifier: Apache-2.0
"""``livefw list`` of ever more BMCs, each of 20 members and slow: what one of them costs must not add up.

The BMCs are modelled, in a process of their own (``python -m bench.bmcs FOLDER``), and take 100 ms for each answer.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.measure import Aim, Row, interleave
from livefw import libraries
from livefw.errors import NotInstalled
from livefw.machine.bmc.firmware import Firmware, Pattern
from livefw.machine.bmc.model import Model
from livefw.machine.bmc.server import BmcServer
from livefw.machine.bmc.web import Web

SIZES = (1, 10, 100)
BESIDE = 20
"""BMCs of which one is silent, or none."""
MEMBERS = 20
LATENCY_S = 0.1
ROUNDS = 5
_SILENT = "silent"
_PATIENCE_S = 3.0
"""That of the settings, by default."""
_CREDENTIALS = "/etc/livefw/bmc.credentials"


def rows() -> Iterator[Row]:
    """Seconds of each size, and its ratio to one BMC; and what one silent BMC among others costs."""
    try:
        libraries.load("redfish")
        libraries.load("cryptography")
    except NotInstalled as error:
        from bench.measure import NotHere

        raise NotHere(error.message) from error
    with tempfile.TemporaryDirectory(prefix="livefw-bench-") as folder:
        command = [sys.executable, "-m", "bench.bmcs", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as served:
            assert served.stdout
            served.stdout.readline()
            trees = [*map(str, SIZES), str(BESIDE), _SILENT]
            medians = interleave({tree: _listed(f"{folder}/{tree}") for tree in trees}, rounds=ROUNDS)
            served.communicate()
    one = medians["1"]
    for size in SIZES:
        yield Row(
            f"list of {size:,} BMCs, {MEMBERS} members, {LATENCY_S * 1e3:.0f} ms a request", medians[str(size)], "s"
        )
    for size in SIZES[1:]:
        aim = Aim(3.0) if size == SIZES[-1] else None
        yield Row(f"list of {size:,} BMCs", medians[str(size)] / one, "times", aim, "one BMC")
    yield Row(f"list of {BESIDE} BMCs", medians[str(BESIDE)], "s")
    yield Row(f"list of {BESIDE} BMCs, one silent", medians[_SILENT], "s", Aim(1.0 + max(_PATIENCE_S, one)))
    yield Row(
        f"list of {BESIDE} BMCs, one silent", medians[_SILENT] / medians[str(BESIDE)], "times", None, "none silent"
    )


def _listed(root: str) -> Callable[[], object]:
    command = [sys.executable, "-m", "livefw", "--root", root, "--settings", f"{root}/etc/livefw", "list"]
    quiet = subprocess.DEVNULL
    return lambda: subprocess.run(command, stdout=quiet, stderr=quiet, check=True)


def serve(folder: str) -> None:
    """Serve BMCs until standard input ends, with a tree of settings for each number of them."""
    firmware = [f"fw{number}" for number in range(MEMBERS)]
    urls = []
    for _ in range(max(SIZES)):
        model = Model(
            time.monotonic,
            pattern=Pattern.STAGE,
            faults=("no-measurements",),
            firmware=[Firmware(name, name, f"/redfish/v1/Chassis/{name}") for name in firmware],
        )
        urls.append(BmcServer(Web(model, {"admin": "secret"}), latency=LATENCY_S).url)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        for size in (*SIZES, BESIDE):
            _write(Path(folder, str(size)), urls[:size])
        _write(Path(folder, _SILENT), [*urls[: BESIDE - 1], f"https://127.0.0.1:{mute.getsockname()[1]}"])
        print("ready", flush=True)
        sys.stdin.read()


def _write(root: Path, urls: list[str]) -> None:
    (root / "etc/livefw").mkdir(parents=True)
    secret = root / _CREDENTIALS[1:]
    secret.write_text("admin\nsecret\n")
    os.chmod(secret, 0o600)
    tables = (
        f'[[redfish.bmc]]\nname = "b{number}"\nurl = "{url}"\nverify = false\ncredentials = "{_CREDENTIALS}"\n'
        for number, url in enumerate(urls)
    )
    (root / "etc/livefw/livefw.toml").write_text("".join(tables))


if __name__ == "__main__":
    serve(sys.argv[1])
