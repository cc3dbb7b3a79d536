# SPDX-License-Identifier: Apache-2.0
"""DMTF's Redfish-Service-Validator and Redfish-Protocol-Validator find nothing wrong with the modelled BMC."""

import csv
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from livefw.machine.bmc.documents import KINDS
from livefw.machine.bmc.firmware import Pattern
from livefw.machine.bmc.vendors.table import SHAPES

from .csdl import write
from .others import INDEX, PASSWORD, USER, Other, there

Serve = Callable[..., Any]
pytestmark = there


def used(served: Any) -> None:
    """Two updates, the tasks of which are there, and three sessions that nobody ends."""
    web, model = served.web, served.model
    for version in ("2.0.0", "2.1.0"):
        firmware = model.firmware[1]
        uri = firmware.uris()[0] if model.shape.takes_members else firmware.related
        model.update(f"version={version}".encode(), {"Targets": [uri]}, "/redfish/v1/UpdateService/update-multipart")
    for _ in range(3):
        web.log_in(json.dumps({"UserName": USER, "Password": PASSWORD}).encode())
    assert (len(model.tasks), web.sessions) == (2, 3)


class Verdict(NamedTuple):
    """What the service validator counted, and what it complained of."""

    passed: int
    warnings: int
    failures: int
    told: str


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("schemas")
    write(INDEX, folder, KINDS)
    return folder


def validate(other: Other, schemas: Path, *more: str) -> Verdict:
    done = other.run(
        "rf_service_validator",
        *("-u", USER, "-p", PASSWORD, "-r", other.url, "--logdir", "logs"),
        *("--schema_directory", str(schemas), "--skipschema", *more),
    )
    counts = re.search(r"\|\s+(\d+)\s+\|\s+(\d+)\s+\|\s+(\d+)\s+\|\s+\d+\s+\|", done.stdout)
    assert counts, done.stdout + done.stderr
    log = "".join(path.read_text() for path in other.folder.glob("logs/*/*.log"))
    passed, warnings, failures = map(int, counts.groups())
    return Verdict(passed, warnings, failures, "\n".join(re.findall(r"(?:FAIL|WARN) - .*", log)))


@pytest.mark.parametrize("pattern", Pattern)
def test_the_service_validator_finds_nothing(serve: Serve, tmp_path: Path, schemas: Path, pattern: Pattern) -> None:
    served = serve(pattern=pattern)
    used(served)
    found = validate(Other(tmp_path, served), schemas)
    assert (found.warnings, found.failures) == (0, 0), found.told
    assert found.passed > 300


DEPRECATED = "/HttpPushUri ("
"""A property that is deprecated since UpdateService 1.15, and that all who have it keep."""


@pytest.mark.parametrize("vendor", [name for name in SHAPES if name != "livefw"])
def test_it_finds_in_a_vendors_shape_what_is_known(serve: Serve, tmp_path: Path, schemas: Path, vendor: str) -> None:
    """Apart from ``Oem`` objects: their schemas are the vendors' and are not in DSP8010."""
    shape = SHAPES[vendor]
    served = serve(shape=shape)
    used(served)
    found = validate(Other(tmp_path, served), schemas, "--nooemcheck")
    expected = [*shape.complaints, *([DEPRECATED] if shape.octets or shape.form else [])]
    assert [line for line in found.told.splitlines() if not any(each in line for each in expected)] == []
    assert [each for each in expected if each not in found.told] == []
    assert found.passed > 200


class Wrong(NamedTuple):
    """What is put into a resource, and what the validator says of it."""

    place: str
    change: dict[str, Any]
    told: str


WRONG = {
    "a value": Wrong("/Systems/1", {"PowerState": "Perhaps"}, "'PowerState' is not one of the listed"),
    "a value below a property": Wrong("/Systems/1", {"Status": {"State": "Fine"}}, "'State' is not one of the listed"),
    "a property": Wrong("/Managers/1", {"Colour": "red"}, "'Colour' is not defined"),
    "a type": Wrong("/AccountService", {"MinPasswordLength": "8"}, "expected to be a Integer"),
    "a link": Wrong(
        "/Systems/1",
        {"Processors": {"@odata.id": "/redfish/v1/Chassis/1"}},
        "not reference a resource of type 'Processor",
    ),
    "a link to nothing": Wrong("/Systems/1", {"Bios": {"@odata.id": "/redfish/v1/Systems/1/None"}}, "HTTP 404"),
    "a version of a schema": Wrong(
        "/TaskService", {"@odata.type": "#TaskService.v1_2_2.TaskService"}, "'TaskService.v1_2_2"
    ),
    "a URI": Wrong(
        "/AccountService/Roles/Operator", {"@odata.id": "/redfish/v1/Operator"}, "not in the list of allowed"
    ),
    "something left out": Wrong("/Chassis/1", {"Name": ...}, "'Name' is mandatory"),
}


def test_the_service_validator_would_find_it(serve: Serve, tmp_path: Path, schemas: Path) -> None:
    """All at once, as each run takes seconds."""
    served = serve()
    for case in WRONG.values():
        document = served.web._fixed[f"/redfish/v1{case.place}"]
        document.update(case.change)
        for name in [name for name, value in document.items() if value is ...]:
            del document[name]
    found = validate(Other(tmp_path, served), schemas)
    assert found.failures >= len(WRONG)
    assert [name for name, case in WRONG.items() if case.told not in found.told] == [], found.told


UNTESTED = {
    "PROTO_REDIRECT_ENFORCES_TARGET_PRIVS": "nothing is redirected: the port has TLS only",
    "REQ_DATA_MOD_ERRORS": "it asks for no modification that fails, other than by 405",
    "REQ_HEADERS_ACCEPT": "there is no openapi.yaml, which is optional",
    "REQ_QUERY_PROTOCOL_FEATURES_SUPPORTED": "there are no query parameters, which are optional",
    "RESP_HEADERS_CONTENT_TYPE": "there is no openapi.yaml",
    "RESP_STATUS_INTERNAL_SERVER_ERROR": "nothing answers 500",
    # Of a random number it finds one in fifty not random enough: both its tests reject at 1 %.
    "RESP_HEADERS_X_AUTH_TOKEN": "it tests hexadecimal numbers only, and the token is of 64 characters",
    "SEC_DEFAULT_CERT_REPLACE": "the certificate is made anew at each start, and no resource",
    "SEC_PWD_CHANGE_REQ": "PasswordChangeRequired is optional",
    "SEC_SESSION_TERMINATION_SIDE_EFFECTS": "there is no EventService, which is optional",
    "SERV_EVENT": "there is no EventService",
    "SERV_SSDP": "SSDP is multicast, which is kept from leaving the machine here",
    "SERV_SSE": "there is no EventService",
}
"""Assertions, or classes of them, that the protocol validator cannot test, and why."""
_SCRIPT = """
import sys
from redfish_protocol_validator import console_scripts, utils
utils.discover_ssdp = lambda *_, **__: {}
sys.exit(console_scripts.main())
"""


@pytest.mark.parametrize("pattern", Pattern)
def test_the_protocol_validator_finds_nothing(serve: Serve, tmp_path: Path, pattern: Pattern) -> None:
    served = serve(pattern=pattern)
    used(served)
    other = Other(tmp_path, served)
    words = ["-u", USER, "-p", PASSWORD, "-r", other.url, "--report-type", "tsv", "--avoid-http-redirect"]
    done = other.run("python", "-c", _SCRIPT, *words)
    (report,) = tmp_path.glob("reports/*.tsv")
    with report.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, dialect="excel-tab"))
    results = Counter(row["Result"] for row in rows)
    assert [row for row in rows if row["Result"] not in ("PASS", "NOT_TESTED")] == [], done.stderr
    assert results["PASS"] > 300
    untested = [row["Assertion"] for row in rows if row["Result"] == "NOT_TESTED"]
    assert [each for each in untested if not each.startswith(tuple(UNTESTED))] == []
    assert [each for each in UNTESTED if not any(name.startswith(each) for name in untested)] == []
    assert served.web.sessions == 3, "it left a session behind"
