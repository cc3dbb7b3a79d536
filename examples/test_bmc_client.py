# SPDX-License-Identifier: Apache-2.0
"""A client of Redfish, against a BMC whose task reports a success that did not happen."""

import base64
import json
import ssl
import time
import urllib.request
from typing import Any

import pytest

from livefw.testing import ModelBmc

MEMBER = "/redfish/v1/UpdateService/FirmwareInventory/tmpm"


class Client:
    """Activates one member of the inventory, and believes the inventory only."""

    def __init__(self, url: str, user: str, password: str, ca: str) -> None:
        self.url, self.context = url, ssl.create_default_context(cadata=ca)
        self.login = base64.b64encode(f"{user}:{password}".encode()).decode()

    def ask(self, path: str, body: dict[str, Any] | None = None) -> tuple[Any, Any]:
        """Headers and document of one request."""
        headers = {"Authorization": f"Basic {self.login}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers)
        with urllib.request.urlopen(request, context=self.context, timeout=10) as answer:
            return answer.headers, json.loads(answer.read() or b"{}")

    def activate(self, member: str) -> str:
        """The version that runs afterwards."""
        headers, _ = self.ask(f"{member}/Actions/SoftwareInventory.Activate", {})
        task = headers["Location"].removeprefix(self.url)
        while self.ask(task)[1].get("TaskState") in ("New", "Pending", "Running"):
            time.sleep(0.02)
        return str(self.ask(member)[1]["Version"])


def client_of(bmc: ModelBmc) -> Client:
    return Client(bmc.url, bmc.user, bmc.password, bmc.certificate.decode())


@pytest.mark.livefw(bmc_pattern="stage")
def test_it_activates(livefw_bmc: ModelBmc) -> None:
    livefw_bmc.stage("tmpm", "3.1.0")
    assert client_of(livefw_bmc).activate(MEMBER) == livefw_bmc.running("tmpm") == "3.1.0"


@pytest.mark.livefw(bmc_pattern="stage", bmc_faults=["false-success"])
def test_it_does_not_believe_the_task(livefw_bmc: ModelBmc) -> None:
    livefw_bmc.stage("tmpm", "3.1.0")
    assert client_of(livefw_bmc).activate(MEMBER) == livefw_bmc.running("tmpm") == "3.0.1"
