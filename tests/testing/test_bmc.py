# SPDX-License-Identifier: Apache-2.0
"""The modelled BMC of the kit, met by a client of the standard library and by livefw."""

import base64
import json
import ssl
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from livefw.errors import UsageError
from livefw.testing import BMC_FAULTS, ModelBmc

INVENTORY = "/redfish/v1/UpdateService/FirmwareInventory"


def get(bmc: ModelBmc, path: str) -> dict[str, Any]:
    login = base64.b64encode(f"{bmc.user}:{bmc.password}".encode()).decode()
    request = urllib.request.Request(bmc.url + path, headers={"Authorization": f"Basic {login}"})
    context = ssl.create_default_context(cadata=bmc.certificate.decode())
    with urllib.request.urlopen(request, context=context, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def test_a_client_can_verify_it_and_log_in() -> None:
    before = set(threading.enumerate())
    with ModelBmc() as bmc:
        assert get(bmc, INVENTORY)["Members@odata.count"] == 4
        assert bmc.requests[-1] == ("GET", INVENTORY, b"")
        assert bmc.sessions == 0
    bmc.close()
    assert set(threading.enumerate()) <= before


def test_livefw_finds_it(tmp_path: Path) -> None:
    with ModelBmc(pattern="stage") as bmc:
        settings = bmc.write_settings(tmp_path)
        command = [sys.executable, "-m", "livefw", f"--root={tmp_path}", f"--settings={settings}", "--json", "list"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = {each["name"] for each in json.loads(done.stdout)["components"]}
    assert "CPU0 power management firmware" in found


@pytest.mark.parametrize(("changes", "listed"), [({"faults": ["no"]}, "verify-fails"), ({"pattern": "no"}, "both")])
def test_what_there_is_not_is_an_error_that_lists_what_there_is(changes: dict[str, Any], listed: str) -> None:
    with pytest.raises(UsageError, match=listed):
        ModelBmc(**changes)


def test_every_fault_of_the_table_is_one_that_it_takes() -> None:
    with ModelBmc(faults=BMC_FAULTS) as bmc:
        assert bmc.model.faults == set(BMC_FAULTS)
