# SPDX-License-Identifier: Apache-2.0
"""Programs that others wrote: three clients look at our modelled BMC, and our client looks at another's server.

fwupd's Redfish plugin, DMTF's redfish-utilities and OpenStack's sushy; sushy-emulator over libvirt's test driver, which
is inside the client library and needs no daemon.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from livefw.machine.bmc import certificate
from livefw.machine.bmc.firmware import INVENTORY, Pattern
from livefw.providers.fake import SETTINGS, FakeClock, FakeFiles
from livefw.providers.redfish import resources, tasks
from livefw.providers.redfish.client import RedfishClient
from livefw.providers.redfish.provider import RedfishProvider
from livefw.providers.redfish.settings import Bmc, Secret
from livefw.providers.redfish.transport import BoundedAdapter, tls

USER, PASSWORD = "admin", "a word of passage"
Serve = Callable[..., Any]

fwupd = pytest.mark.skipif(shutil.which("fwupdtool") is None, reason="fwupdtool is missing (Debian: fwupd)")
libvirt = pytest.mark.skipif(importlib.util.find_spec("libvirt") is None, reason="libvirt-python is missing")


def run(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, env=os.environ | environment, capture_output=True, text=True, check=False)


def program(name: str) -> list[str | Path]:
    return [sys.executable, Path(sys.executable).parent / name]


# fwupd


class Fwupd:
    """fwupdtool in a world of its own, that knows one BMC."""

    def __init__(self, folder: Path, url: str) -> None:
        (folder / "etc/fwupd").mkdir(parents=True)
        (folder / "state").mkdir()
        conf = folder / "etc/fwupd/fwupd.conf"
        conf.write_text(
            f"[redfish]\nUri={url}\nUsername={USER}\nPassword={PASSWORD}\nCACheck=false\n", encoding="ascii"
        )
        conf.chmod(0o600)
        self._environment = {"FWUPD_SYSCONFDIR": str(folder / "etc"), "FWUPD_LOCALSTATEDIR": str(folder / "state")}

    def __call__(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return run("fwupdtool", *words, "--plugins", "redfish", **self._environment)

    def devices(self) -> dict[str, dict[str, Any]]:
        found = json.loads(self("get-devices", "--json").stdout)["Devices"]
        return {device["Name"]: device for device in found}


@fwupd
def test_fwupdtool_lists_what_the_model_has(serve: Serve, tmp_path: Path) -> None:
    served = serve()
    devices = Fwupd(tmp_path, served.server.url).devices()
    assert {name: device["Version"] for name, device in devices.items() if "power" not in name} == {
        "CPU0 security processor firmware": "3.0.1",
        "System BIOS": "2.4.0",
    }


@fwupd
@pytest.mark.parametrize(("fault", "code", "version"), [([], 0, "9.9.9"), (["verify-fails"], 1, "3.0.1")])
def test_fwupdtool_updates_the_model(serve: Serve, tmp_path: Path, fault: list[str], code: int, version: str) -> None:
    served = serve(faults=fault)
    tool = Fwupd(tmp_path, served.server.url)
    image = tmp_path / "image"
    image.write_bytes(b"version=9.9.9")
    device = tool.devices()["CPU0 security processor firmware"]["DeviceId"]
    done = tool("install-blob", image, device, "--force", "--no-reboot-check", "-y")
    assert (done.returncode, served.model.firmware[1].running) == (code, version), done.stderr
    assert "Verification of the image" in done.stderr or not fault


# DMTF's redfish-utilities


def test_rf_update_queues_an_update_and_our_client_starts_it(serve: Serve, tmp_path: Path) -> None:
    served = serve(pattern=Pattern.START)
    url = served.server.url
    image = tmp_path / "image"
    image.write_bytes(b"version=9.9.9")
    words = [
        "-u",
        USER,
        "-p",
        PASSWORD,
        "-r",
        url,
        "-i",
        image,
        "-t",
        f"{INVENTORY}/tmpm",
        "-at",
        "OnStartUpdateRequest",
    ]
    done = run(*program("rf_update.py"), *words)
    assert "Task is Done" in done.stdout, done.stderr
    assert served.web.sessions == 0
    assert served.model.firmware[1].running == "3.0.1"

    client = client_of(url, served.server.pem.certificate)
    seen = resources.look(client)
    assert [task.targets for task in seen.queued] == [frozenset({f"{INVENTORY}/tmpm"})]
    assert seen.service.start
    outcome = followed(client, seen.service.start, {})
    client.close()
    assert (outcome.end, served.model.firmware[1].running) == (tasks.TaskEnd.DONE, "9.9.9")


def test_rf_firmware_inventory_lists_what_the_model_has(serve: Serve) -> None:
    served = serve()
    done = run(*program("rf_firmware_inventory.py"), "-u", USER, "-p", PASSWORD, "-r", served.server.url)
    rows = dict(re.findall(r"^\s*(\S.*?)\s*\| (\S+)$", done.stdout, re.MULTILINE))
    assert rows["CPU0 security processor firmware"] == "3.0.1", done.stderr
    assert rows["System BIOS"] == "2.4.0"


# sushy


@pytest.fixture
def connection(serve: Serve, tmp_path: Path) -> Iterator[tuple[Any, Any]]:
    """The model, and sushy connected to it with its certificate verified."""
    served = serve()
    ca = tmp_path / "ca.pem"
    ca.write_bytes(served.server.pem.certificate)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its dependencies
        import sushy

        auth = sushy.auth.SessionAuth(USER, PASSWORD)
        connected = sushy.Sushy(served.server.url, verify=str(ca), auth=auth)
        yield served, connected
        auth.close()


def test_sushy_reads_the_inventory_of_the_model(connection: tuple[Any, Any]) -> None:
    _, connected = connection
    members = connected.get_update_service().firmware_inventory.get_members()
    assert {each.identity: each.version for each in members}["tmpm"] == "3.0.1"
    assert all(each.updateable for each in members)


def test_sushy_updates_the_model(connection: tuple[Any, Any]) -> None:
    served, connected = connection
    service = connected.get_update_service()
    monitor = service.simple_update("http://images.example/x.bin?version=9.9.9", targets=[f"{INVENTORY}/tmpm"])
    # Not its wait(): in 5.14 that polls the Task, which answers 200 while it still runs.
    while (state := monitor.get_task().task_state.value) not in ("Completed", "Exception"):
        assert state == "Running"
    assert (state, served.model.firmware[1].running) == ("Completed", "9.9.9")


# Our client against sushy-emulator


class Emulator(NamedTuple):
    url: str
    certificate: bytes


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """sushy-emulator over TLS on libvirt's test driver."""
    folder = tmp_path_factory.mktemp("emulator")
    pem = certificate.make("127.0.0.1")
    (folder / "ca.pem").write_bytes(pem.certificate)
    (folder / "key.pem").write_bytes(pem.key)
    settings = {
        "SUSHY_EMULATOR_STATE_DIR": str(folder),
        "SUSHY_EMULATOR_LISTEN_IP": "127.0.0.1",
        "SUSHY_EMULATOR_LISTEN_PORT": 0,
        "SUSHY_EMULATOR_SSL_CERT": str(folder / "ca.pem"),
        "SUSHY_EMULATOR_SSL_KEY": str(folder / "key.pem"),
        "SUSHY_EMULATOR_LIBVIRT_URI": "test:///default",
    }
    config = folder / "emulator.conf"
    config.write_text("".join(f"{name} = {value!r}\n" for name, value in settings.items()), encoding="ascii")
    command = [*program("sushy-emulator"), "--config", config]
    with (
        (folder / "log").open("w+") as log,
        subprocess.Popen(command, stdout=log, stderr=subprocess.PIPE, text=True) as it,
    ):
        assert it.stderr
        said = ""
        while not (found := re.search(r"Running on (https://127\.0\.0\.1:\d+)", said)):
            line = it.stderr.readline()
            assert line, f"the emulator does not start: {said}"
            said += line
        yield Emulator(found[1], pem.certificate)
        it.terminate()
        it.stderr.read()


def client_of(url: str, authority: bytes, **bmc: Any) -> RedfishClient:
    adapter = BoundedAdapter(url, tls(authority, verify=True))
    return RedfishClient(Bmc("peer", url, **bmc), Secret(USER, PASSWORD), adapter)


def followed(client: RedfishClient, path: str, body: dict[str, Any]) -> tasks.TaskOutcome:
    """The outcome of an action; the clock stands still, so that nobody waits and the server is asked again at once."""
    steps = tasks.follow(client, client.post(path, body), clock=FakeClock(), observer=lambda _: None, patience=60)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            outcome: tasks.TaskOutcome = stop.value
            return outcome


@libvirt
def test_our_client_updates_a_system_of_sushy_emulator(emulator: Emulator) -> None:
    client = client_of(*emulator, auth="basic")
    system = client.resource("/redfish/v1/Systems")["Members"][0]["@odata.id"]
    before = client.resource(system)["BiosVersion"]
    # It links an inventory that it does not have, so a look at all of it is an error.
    actions = client.resource("/redfish/v1/UpdateService")["Actions"]
    simple = actions["#UpdateService.SimpleUpdate"]["target"]
    outcome = followed(client, simple, {"ImageURI": "http://127.0.0.1/x.bin", "Targets": [system]})
    assert outcome.end is tasks.TaskEnd.DONE
    assert client.resource(system)["BiosVersion"] != before
    client.close()


@libvirt
@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"ImageURI": "http://127.0.0.1/x.bin"}, "bad-request"),
        ({"ImageURI": "http://127.0.0.1/x.bin", "Targets": ["/redfish/v1/Systems/none"]}, "bad-request"),
    ],
)
def test_refusals_of_sushy_emulator_are_refusals(emulator: Emulator, body: dict[str, Any], code: str) -> None:
    client = client_of(*emulator, auth="basic")
    outcome = followed(client, "/redfish/v1/UpdateService/Actions/UpdateService.SimpleUpdate", body)
    assert (outcome.end, outcome.reason and outcome.reason.code) == (tasks.TaskEnd.REFUSED, code)
    client.close()


@libvirt
def test_inventory_that_sushy_emulator_links_and_does_not_have_is_told(emulator: Emulator) -> None:
    settings = (
        f'[[redfish.bmc]]\nname = "peer"\nurl = "{emulator.url}"\nauth = "basic"\nca = "/ca"\ncredentials = "/c"\n'
    )
    files = FakeFiles({SETTINGS: settings.encode(), "/ca": emulator.certificate, "/c": b"a\nb\n"})
    found = RedfishProvider(files, FakeClock()).discover()
    assert (found.components, found.absent and found.absent.code) == ((), "unreachable")
    assert found.absent
    assert "404" in found.absent.text
