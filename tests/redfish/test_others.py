# SPDX-License-Identifier: Apache-2.0
"""More programs of others look at the modelled BMC and update it: redfishtool, badfish, Ansible's community.general."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from livefw.machine.bmc.firmware import INVENTORY, Pattern
from livefw.machine.bmc.vendors.table import SHAPES

from .others import HOME, PASSWORD, USER, Other, there

Serve = Callable[..., Any]
pytestmark = there

TMPM = f"{INVENTORY}/tmpm"


@pytest.fixture
def other(serve: Serve, tmp_path: Path) -> Other:
    return Other(tmp_path, serve())


# DMTF's redfish-utilities, for what test_peers.py has not


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        (TMPM, "Version", "3.0.1"),
        ("/redfish/v1/Managers/1", "ManagerType", "BMC"),
        ("/redfish/v1/AccountService/Roles/ReadOnly", "AssignedPrivileges", ["Login", "ConfigureSelf"]),
    ],
)
def test_rf_raw_request_reads_resources(other: Other, path: str, name: str, value: object) -> None:
    done = other.run("rf_raw_request.py", "-u", USER, "-p", PASSWORD, "-r", other.url, "--request", path)
    assert json.loads(done.stdout)[name] == value
    assert other.served.web.sessions == 0


# redfishtool


class Tool(NamedTuple):
    """Words for redfishtool, and a property of what it prints."""

    words: str
    name: str
    value: object


TOOL = {
    "root": Tool("root", "Product", "Modelled BMC"),
    "a system": Tool("Systems -F get", "PowerState", "On"),
    "a chassis": Tool("Chassis -F get", "ChassisType", "RackMount"),
    "a manager": Tool("Managers -F get", "ManagerType", "BMC"),
    "sessions": Tool("SessionService Sessions", "Members@odata.count", 0),
    "accounts": Tool("AccountService Accounts", "Members@odata.count", 1),
    "roles": Tool("AccountService Roles", "Members@odata.count", 3),
    "a new account": Tool("AccountService adduser bob long-enough Operator", "RoleId", "Operator"),
    "a member": Tool(f"raw GET {TMPM}", "Version", "3.0.1"),
}


@pytest.mark.parametrize("name", TOOL)
def test_redfishtool_gets(other: Other, name: str) -> None:
    words, prop, value = TOOL[name]
    done = other.run("redfishtool", "-r", other.host, "-u", USER, "-p", PASSWORD, "-S", "Always", *words.split())
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[prop] == value


def test_redfishtool_activates(other: Other) -> None:
    other.served.model.firmware[1].staged = "9.9.9"
    words = ["raw", "POST", f"{TMPM}/Actions/SoftwareInventory.Activate", "-d", "{}"]
    done = other.run("redfishtool", "-r", other.host, "-u", USER, "-p", PASSWORD, "-S", "Always", *words)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["@odata.id"] == "/redfish/v1/TaskService/Tasks/1"


# badfish


def test_badfish_reads_the_power_state(other: Other) -> None:
    done = other.run("badfish", "-H", other.host, "-u", USER, "-p", PASSWORD, "--insecure", "--power-state")
    assert "'On'" in done.stdout + done.stderr
    assert other.served.web.sessions == 0


def test_badfish_lists_the_firmware_of_dell(serve: Serve, tmp_path: Path) -> None:
    """It knows Dell's by their ids, and shows nothing of others."""
    other = Other(tmp_path, serve(shape=SHAPES["dell"]))
    done = other.run("badfish", "-H", other.host, "-u", USER, "-p", PASSWORD, "--insecure", "--firmware-inventory")
    told = done.stdout + done.stderr
    assert "Installed-159-2.19.1__BIOS.Setup.1-1" in told
    assert "7.10.30" in told


# Ansible


class Module(NamedTuple):
    """A command of a module, its other arguments, and where its answer is with what value."""

    module: str
    category: str
    command: str
    more: dict[str, Any]
    place: tuple[str | int, ...]
    value: object


FACTS = "redfish_facts"
MODULES = [
    Module("info", "Update", "GetFirmwareInventory", {}, (FACTS, "firmware", "entries", 2, "Version"), "3.0.1"),
    Module("info", "Update", "GetFirmwareUpdateCapabilities", {}, (FACTS, "firmware_update_capabilities", "ret"), True),
    Module("info", "Sessions", "GetSessions", {}, (FACTS, "session", "ret"), True),
    Module("info", "Accounts", "ListUsers", {}, (FACTS, "user", "entries", 0, "RoleId"), "Administrator"),
    Module("info", "Systems", "GetSystemInventory", {}, (FACTS, "system", "entries", 0, 1, "PowerState"), "On"),
    Module("info", "Systems", "GetBiosAttributes", {}, (FACTS, "bios_attribute", "ret"), True),
    Module("info", "Systems", "GetCpuInventory", {}, (FACTS, "cpu", "entries", 0, 1, 0, "Id"), "CPU0"),
    Module("info", "Systems", "GetHealthReport", {}, (FACTS, "health_report", "ret"), True),
    Module("info", "Chassis", "GetChassisInventory", {}, (FACTS, "chassis", "entries", 0, "ChassisType"), "RackMount"),
    Module("info", "Manager", "GetManagerInventory", {}, (FACTS, "manager", "entries", 0, 1, "ManagerType"), "BMC"),
    Module("info", "Manager", "GetHealthReport", {}, (FACTS, "health_report", "ret"), True),
    Module("info", "Service", "CheckAvailability", {}, (FACTS, "service", "available"), True),
    Module("command", "Sessions", "ClearSessions", {}, ("msg",), "Action was successful"),
    Module("command", "Sessions", "CreateSession", {}, ("changed",), True),
    Module(
        "command",
        "Accounts",
        "AddUser",
        {"new_username": "bob", "new_password": "long-enough", "roleid": "Operator"},
        ("changed",),
        True,
    ),
    Module(
        "command",
        "Update",
        "SimpleUpdate",
        {"update_image_uri": "http://images.example/version=9.9.9", "update_targets": [TMPM]},
        ("return_values", "update_status", "handle"),
        "/redfish/v1/TaskService/TaskMonitors/1",
    ),
    Module(
        "command",
        "Update",
        "MultipartHTTPPushUpdate",
        {"update_image_file": "image.bin", "update_targets": [TMPM]},
        ("return_values", "update_status", "handle"),
        "/redfish/v1/TaskService/TaskMonitors/2",
    ),
]


def play(other: Other, tasks: list[Module]) -> list[dict[str, Any]]:
    """Run tasks of one playbook, and return their results."""
    (other.folder / "image.bin").write_bytes(b"version=9.9.9")
    access = {"baseuri": other.host, "username": USER, "password": PASSWORD, "timeout": 60}
    plays = [
        {
            f"community.general.redfish_{each.module}": access
            | {"category": each.category, "command": each.command}
            | each.more,
            "ignore_errors": True,
            "name": f"{number}",
        }
        for number, each in enumerate(tasks)
    ]
    local = {"ansible_connection": "local", "ansible_python_interpreter": str(HOME / "bin/python")}
    (other.folder / "play.yml").write_text(
        json.dumps([{"hosts": "localhost", "gather_facts": False, "vars": local, "tasks": plays}])
    )
    done = other.run("ansible-playbook", "play.yml")
    read = json.JSONDecoder().raw_decode
    answers = [read(done.stdout, found.end())[0] for found in re.finditer(r"^localhost \|.* => ", done.stdout, re.M)]
    assert len(answers) == len(tasks), done.stdout + done.stderr
    return answers


def test_ansible_reads_and_updates(serve: Serve, tmp_path: Path) -> None:
    """All in one playbook, as each start of Ansible takes seconds."""
    served = serve(pattern=Pattern.IMMEDIATE)
    results = play(Other(tmp_path, served), MODULES)
    wrong = {}
    for each, result in zip(MODULES, results, strict=True):
        found: Any = result
        try:
            for step in each.place:
                found = found[step]
        except (KeyError, IndexError, TypeError):
            found = result
        if found != each.value:
            wrong[each.command] = found
    assert wrong == {}, json.dumps(wrong, indent=1)
    served.model.advance()
    assert served.model.firmware[1].running == "9.9.9"


def test_ansible_tells_of_an_update_that_failed(serve: Serve, tmp_path: Path) -> None:
    served = serve(faults=["verify-fails"], pattern=Pattern.IMMEDIATE)
    handle = {"update_handle": "/redfish/v1/TaskService/TaskMonitors/1"}
    status = Module("info", "Update", "GetUpdateStatus", handle, (), None)
    *_, last = play(Other(tmp_path, served), [MODULES[-1], status, status])
    assert last[FACTS]["update_status"]["status"] == "Exception"
