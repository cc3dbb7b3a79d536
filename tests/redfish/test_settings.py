# SPDX-License-Identifier: Apache-2.0
"""Settings and credentials of BMCs."""

import os
from pathlib import Path
from typing import Any

import pytest

from livefw.errors import PermissionDenied, TransportError, UsageError
from livefw.files.host import HostFiles
from livefw.providers.fake import SETTINGS, FakeFiles
from livefw.providers.redfish.settings import (
    GROUP_KEYS,
    KEYS,
    TABLE_KEYS,
    Bmc,
    RedfishSettings,
    Secret,
    decode,
    read_settings,
    secret,
)

BMC = Bmc("rack-1", "https://bmc.example", "/etc/livefw/rack.credentials")
GOOD = {"name": "rack-1", "url": "https://bmc.example"}


def test_every_key_is_read() -> None:
    row = GOOD | {
        "credentials": "/etc/c",
        "ca": "/etc/ca.pem",
        "verify": False,
        "auth": "basic",
        "start-all": True,
        "assume-live": True,
        "patience": 60,
        "serve": "192.0.2.1:8080",
    }
    assert row.keys() == KEYS.keys()
    assert decode({"bmc": [row]}).bmcs == (Bmc(**{name.replace("-", "_"): each for name, each in row.items()}),)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"name": "Rack"}, "redfish.bmc[0].name"),
        ({"name": "a/b"}, "redfish.bmc[0].name"),
        ({"url": "http://bmc.example"}, "redfish.bmc[0].url"),
        ({"url": "https://user:word@bmc.example"}, "redfish.bmc[0].url"),
        ({"url": "https://bmc.example/"}, "redfish.bmc[0].url"),
        ({"url": "https://bmc.example/a?b"}, "redfish.bmc[0].url"),
        ({"url": "https://[fe80::1%eth0]"}, "redfish.bmc[0].url"),
        ({"verify": "no"}, "redfish.bmc[0].verify"),
        ({"auth": "none"}, "redfish.bmc[0].auth"),
        ({"patience": True}, "redfish.bmc[0].patience"),
        ({"patience": 0}, "redfish.bmc[0].patience"),
        ({"ca": "ca.pem"}, "redfish.bmc[0].ca"),
        ({"password": "hunter2"}, "redfish.bmc[0].password"),
    ],
)
def test_what_is_wrong_is_named_and_not_shown(change: dict[str, Any], place: str) -> None:
    with pytest.raises(UsageError) as caught:
        decode({"bmc": [GOOD | change]})
    assert place in caught.value.message
    assert "hunter2" not in str(vars(caught.value))
    assert "word@" not in str(vars(caught.value))


@pytest.mark.parametrize("url", ["https://gw.example/bmc/rack-7", "https://[fe80::1%25eth0]:8443", "https://[::1]"])
def test_urls_of_gateways_and_of_ipv6(url: str) -> None:
    """A zone as RFC 6874 spells it."""
    assert decode({"bmc": [GOOD | {"url": url}]}).bmcs[0].url == url


def test_what_holds_for_all() -> None:
    assert [each.first_answer for each in decode({"patience": 7, "bmc": [GOOD, GOOD | {"name": "b"}]}).bmcs] == [7, 7]
    with pytest.raises(UsageError, match=r"redfish\.patience: must be seconds"):
        decode({"patience": "soon", "bmc": [GOOD]})


@pytest.mark.parametrize(
    "table", [[], {"bmc": {}}, {"bmcs": []}, {"bmc": [GOOD, GOOD]}, {"bmc": [{"name": "a"}]}, {"bmc": [1]}]
)
def test_other_shapes_are_refused(table: Any) -> None:
    with pytest.raises(UsageError):
        decode(table)


def test_document_has_every_key() -> None:
    text = (Path(__file__).parents[2] / "docs/reference/redfish.md").read_text(encoding="utf-8")
    every = (*KEYS.items(), *TABLE_KEYS.items(), *GROUP_KEYS.items())
    assert [name for name, key in every if f"| `{name}` | {key.text} |" not in text] == []


def test_without_a_word_of_it_nothing_is_parsed() -> None:
    assert read_settings(FakeFiles()) == RedfishSettings()
    assert read_settings(FakeFiles({SETTINGS: b"this is = = no toml"})) == RedfishSettings()
    with pytest.raises(UsageError):
        read_settings(FakeFiles({SETTINGS: b"redfish = = no toml"}))


def test_credentials_have_an_order(tmp_path: Path) -> None:
    files = FakeFiles({"/etc/livefw/rack.credentials": b"file\nc\n"})
    (tmp_path / "livefw-redfish-rack-1").write_bytes(b"systemd\nb\n")
    environment = {"LIVEFW_REDFISH_RACK_1_USERNAME": "env", "LIVEFW_REDFISH_RACK_1_PASSWORD": "a"}
    systemd = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    found = [secret(BMC, files, each) for each in (environment | systemd, systemd, {"CREDENTIALS_DIRECTORY": "/none"})]
    assert [(each.user, each.password) for each in found] == [("env", "a"), ("systemd", "b"), ("file", "c")]


@pytest.mark.parametrize(
    "data", [b"", b"user\n", b"user\nword\nmore\n", b"\nword\n", b"us:er\nword\n", b"us\x1ber\nw\n", b"\xff\n\xff\n"]
)
def test_credentials_that_are_no_two_lines_are_refused(data: bytes) -> None:
    with pytest.raises(TransportError) as caught:
        secret(BMC, FakeFiles({"/etc/livefw/rack.credentials": data}), {})
    assert "word" not in caught.value.message.replace("password", "")


@pytest.mark.parametrize(
    ("mode", "allowed"), [(0o600, True), (0o400, True), (0o640, False), (0o604, False), (0o620, False)]
)
def test_credentials_that_others_can_read_are_refused(tmp_path: Path, mode: int, allowed: bool) -> None:
    (tmp_path / "etc/livefw").mkdir(parents=True)
    file = tmp_path / "etc/livefw/rack.credentials"
    file.write_bytes(b"user\nword\n")
    file.chmod(mode)
    files = HostFiles(str(tmp_path))
    if allowed:
        assert secret(BMC, files, {}).password == "word"
    else:
        with pytest.raises(PermissionDenied):
            secret(BMC, files, {})
    files.close()


def test_credentials_are_not_followed_through_links(tmp_path: Path) -> None:
    (tmp_path / "etc/livefw").mkdir(parents=True)
    (tmp_path / "elsewhere").write_bytes(b"user\nword\n")
    (tmp_path / "elsewhere").chmod(0o600)
    os.symlink(tmp_path / "elsewhere", tmp_path / "etc/livefw/rack.credentials")
    files = HostFiles(str(tmp_path))
    with pytest.raises(TransportError):
        secret(BMC, files, {})
    files.close()


def test_printing_a_secret_shows_nothing() -> None:
    assert "word" not in f"{Secret('user', 'word')!r} {Secret('user', 'word')}"
