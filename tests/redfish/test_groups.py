# SPDX-License-Identifier: Apache-2.0
"""Groups of BMCs: where their hosts are listed, what they are called, and what is wrong with lists."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from livefw.errors import UsageError
from livefw.providers.fake import SETTINGS, FakeClock, FakeFiles
from livefw.providers.redfish import groups, host_list
from livefw.providers.redfish.groups import NoList, ResolvedGroups, resolve
from livefw.providers.redfish.host_list import BadHost, ListedHost
from livefw.providers.redfish.provider import RedfishProvider
from livefw.providers.redfish.settings import GROUP_KEYS, Bmc, decode, read_settings, secret

from .several import Racks

LIST = "/etc/livefw/hosts"


def resolved(table: dict[str, Any], content: bytes = b"", run: Any = None) -> ResolvedGroups:
    files = FakeFiles({LIST: content, SETTINGS: b""})
    return resolve(decode(table), files, run=run or _no_program)


def _no_program(command: Sequence[str]) -> bytes:
    raise AssertionError(command)


NAMES = {
    # line: name and url; the rule is in docs/reference/redfish.md
    "bmc7.example": ("bmc7", "https://bmc7.example"),
    "BMC_7.mgmt.example.com": ("bmc-7", "https://BMC_7.mgmt.example.com"),
    "10.0.0.7": ("10-0-0-7", "https://10.0.0.7"),
    "10.0.0.7:8443": ("10-0-0-7", "https://10.0.0.7:8443"),
    "bmc7:8443": ("bmc7", "https://bmc7:8443"),
    "fe80::1%eth0": ("fe80-1-eth0", "https://[fe80::1%25eth0]"),
    "2001:db8::7": ("2001-db8-7", "https://[2001:db8::7]"),
    "[2001:db8::7]:8443": ("2001-db8-7", "https://[2001:db8::7]:8443"),
    "rack7 bmc.rack7.example  # the one by the door": ("rack7", "https://bmc.rack7.example"),
}
WRONG = [
    "user@bmc.example",
    "bmc.example/redfish",
    "https://bmc.example",
    "a b c",
    "Rack bmc.example",
    "bmc;reboot",
    "-",
    "a" * 33,
    "b\x00c",
    "\xff",
]


@pytest.mark.parametrize("line", [line for line in NAMES if "_" not in line])
def test_a_line_of_a_list(line: str) -> None:
    name, url = NAMES[line]
    found = resolved({"group": {"g": {"hosts-file": LIST}}}, f"# racks\n\n{line}\n".encode())
    assert [(each.name, each.url) for each in found.bmcs] == [(name, url)]
    assert (found.groups, found.notes) == ({"g": (name,)}, ())


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_line_is_a_note_and_hides_nothing(line: str) -> None:
    found = resolved({"group": {"g": {"hosts-file": LIST}}}, b"first\n" + line.encode("latin-1") + b"\nlast\n")
    assert [each.name for each in found.bmcs] == ["first", "last"]
    (note,) = found.notes
    assert note.code == "bad-host"
    assert note.text.startswith(f"group g: {LIST} line 2: ")


def test_not_every_wrong_line_is_a_note() -> None:
    found = resolved({"group": {"g": {"hosts-file": LIST}}}, b"a/b\n" * 1_000 + b"good\n")
    assert [each.name for each in found.bmcs] == ["good"]
    assert len(found.notes) == 17
    assert found.notes[-1].text == "group g: 984 more lines are wrong"


ANSIBLE = {
    # Ansible, "Developing dynamic inventory": the list of groups, host variables in _meta, and the oldest form
    "_meta": {"hostvars": {"rack1": {"ansible_host": "10.0.0.1"}, "rack2.example": {}, "lone": {"x": 1}}},
    "all": {"children": ["ungrouped", "bmcs"]},
    "bmcs": {"hosts": ["rack1", "rack2.example"], "vars": {"a": 1}},
    "again": {"hosts": ["rack1"]},
    "old": ["rack3"],
}


def test_the_json_of_ansible_inventory() -> None:
    found = resolved({"group": {"g": {"hosts-file": LIST}}}, json.dumps(ANSIBLE).encode())
    assert {each.name: each.url for each in found.bmcs} == {
        "rack1": "https://10.0.0.1",
        "rack2": "https://rack2.example",
        "rack3": "https://rack3",
        "lone": "https://lone",
    }
    assert found.notes == ()


@pytest.mark.parametrize("data", [b"{", b"{" * 100_000, b'{"_meta": 1, "a": 2, "b": {"hosts": 3}, "c": [[]]}'])
def test_json_that_is_none(data: bytes) -> None:
    rows = list(host_list.parse(data))
    assert all(isinstance(each, BadHost) for each in rows)


def test_hosts_of_a_list_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_list, "MOST_HOSTS", 3)
    assert [type(each) for each in host_list.parse(b"a\nb\nc\n")] == [ListedHost] * 3
    assert [type(each) for each in host_list.parse(b"a\nb\nc\nd\n")] == [ListedHost] * 3 + [BadHost]


def test_all_else_of_a_group_holds_for_each_of_its_bmcs() -> None:
    group = {
        "url": "https://{host}.mgmt.example:8443",
        "credentials": "/c",
        "ca": "/ca.pem",
        "verify": False,
        "auth": "basic",
        "start-all": True,
        "assume-live": True,
        "patience": 60,
        "serve": "192.0.2.1:8080",
    }
    assert GROUP_KEYS.keys() == group.keys() | {"hosts", "hosts-file", "hosts-command"}
    found = resolved({"patience": 7, "group": {"g": group | {"hosts": ["a", "b"]}}})
    one = Bmc(
        "a", "https://a.mgmt.example:8443", "/c", "/ca.pem", False, "basic", True, True, 60, 7, "g", "192.0.2.1:8080"
    )
    assert found.bmcs == (one, one._replace(name="b", url="https://b.mgmt.example:8443"))


TWICE: dict[str, tuple[dict[str, Any], tuple[str, str]]] = {
    "in two groups": ({"group": {"g": {"hosts": ["a.x"]}, "h": {"hosts": ["a.y"]}}}, ("g: hosts[0]", "h: hosts[0]")),
    "a table and a group": (
        {"bmc": [{"name": "a", "url": "https://a"}], "group": {"g": {"hosts": ["b", "a.x"]}}},
        ("redfish.bmc[0]", "g: hosts[1]"),
    ),
    "a list and a file": (
        {"group": {"g": {"hosts": ["first.x"], "hosts-file": LIST}}},
        ("g: hosts[0]", f"g: {LIST} line 1"),
    ),
    "a group and a BMC": (
        {"bmc": [{"name": "g", "url": "https://a"}], "group": {"g": {"hosts": ["b"]}}},
        ("redfish.bmc[0]", "redfish.group.g"),
    ),
    "a group and a host": (
        {"group": {"a": {"hosts": ["b"]}, "g": {"hosts": ["a"]}}},
        ("g: hosts[0]", "redfish.group.a"),
    ),
}


@pytest.mark.parametrize("name", TWICE)
def test_a_name_that_is_taken_twice_is_an_error_with_both_places(name: str) -> None:
    table, places = TWICE[name]
    with pytest.raises(UsageError, match="is taken twice") as caught:
        resolved(table, b"first.y\n")
    assert all(place in caught.value.message for place in places)


def test_the_same_host_twice_is_one() -> None:
    found = resolved({"group": {"g": {"hosts": ["a.x"], "hosts-file": LIST}}}, b"a.x\na.x\n")
    assert [each.name for each in found.bmcs] == ["a"]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({}, "redfish.group.g"),
        ({"hosts": []}, "redfish.group.g.hosts"),
        ({"hosts": "a"}, "redfish.group.g.hosts"),
        ({"hosts-file": "hosts"}, "redfish.group.g.hosts-file"),
        ({"hosts-command": "/bin/hosts"}, "redfish.group.g.hosts-command"),
        ({"hosts-command": ["hosts"]}, "redfish.group.g.hosts-command"),
        ({"hosts": ["a"], "url": "https://bmc.example"}, "redfish.group.g.url"),
        ({"hosts": ["a"], "url": "http://{host}"}, "redfish.group.g.url"),
        ({"hosts": ["a"], "url": "https://me:word@{host}"}, "redfish.group.g.url"),
        ({"hosts": ["a"], "name": "x"}, "redfish.group.g.name"),
        ({"hosts": ["a"], "patience": 0}, "redfish.group.g.patience"),
    ],
)
def test_what_is_wrong_in_a_group_is_named(change: dict[str, Any], place: str) -> None:
    with pytest.raises(UsageError) as caught:
        decode({"group": {"g": change}})
    assert f"{place}: " in caught.value.message
    assert "word@" not in str(vars(caught.value))


@pytest.mark.parametrize(
    "url", ["https://gateway.example/bmc/{host}", "https://{host}/bmc", "https://{host}:1", "https://m-{host}"]
)
def test_urls_of_a_group(url: str) -> None:
    (bmc,) = resolved({"group": {"g": {"hosts": ["a"], "url": url}}}).bmcs
    assert bmc.url == url.replace("{host}", "a")


def test_a_host_that_does_not_fit_into_the_url_is_a_note() -> None:
    found = resolved({"group": {"g": {"hosts": ["::1", "b"], "url": "https://m-{host}"}}})
    assert ([each.name for each in found.bmcs], [each.code for each in found.notes]) == (["b"], ["bad-host"])


def test_credentials_of_a_group(tmp_path: Path) -> None:
    """Those of the BMC come first, wherever they are."""
    bmc = Bmc("rack1", "https://rack1", "/secret", group="row-a")
    files = FakeFiles({"/secret": b"file\nc\n"})
    of_group = {"LIVEFW_REDFISH_ROW_A_USERNAME": "group", "LIVEFW_REDFISH_ROW_A_PASSWORD": "a"}
    of_bmc = {"LIVEFW_REDFISH_RACK1_USERNAME": "bmc", "LIVEFW_REDFISH_RACK1_PASSWORD": "a"}
    (tmp_path / "livefw-redfish-row-a").write_bytes(b"systemd\nb\n")
    systemd = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    users = [secret(bmc, files, each).user for each in (of_group | of_bmc, of_group | systemd, systemd, {})]
    assert users == ["bmc", "group", "systemd", "file"]


# Programs that list hosts.


def program(folder: Path, text: str, mode: int = 0o755) -> str:
    path = folder / "list-hosts"
    path.write_text(f"#!{sys.executable} -I\n{text}\n")
    path.chmod(mode)
    return str(path)


def test_a_program_lists_hosts(tmp_path: Path) -> None:
    path = program(tmp_path, "import sys; print('warning', file=sys.stderr); print('\\n'.join(sys.argv[1:]))")
    found = resolved({"group": {"g": {"hosts-command": [path, "a", "$(b)", "c d"]}}}, run=groups.run)
    assert [(each.name, each.url) for each in found.bmcs] == [("a", "https://a"), ("c", "https://d")]
    assert [each.text for each in found.notes] == [f"group g: {path} line 2: '$(b)' is no host"]


BROKEN = {
    "it fails": ("raise SystemExit(3)", "exit code 3"),
    "it prints without end": ("while True: print('a' * 65536)", "it printed more than 100000 bytes"),
    "it does not end": ("import time; time.sleep(3600)", "no reply within 0.5 s"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_program_that_lists_none_hides_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, why = BROKEN[name]
    monkeypatch.setattr(groups, "MOST_BYTES", 100_000)
    if name == "it does not end":
        monkeypatch.setattr(groups, "SECONDS", 0.5)
    path = program(tmp_path, text)
    found = resolved({"group": {"g": {"hosts-command": [path], "hosts": ["a"]}}}, run=groups.run)
    assert [each.name for each in found.bmcs] == ["a"]
    assert [each.text for each in found.notes] == [f"group g: {path}: {why}"]


@pytest.mark.parametrize(("mode", "runs"), [(0o755, True), (0o775, False), (0o757, False)])
def test_a_program_that_others_can_write_is_not_run(tmp_path: Path, mode: int, runs: bool) -> None:
    path = program(tmp_path, "print('a')", mode)
    if runs:
        assert groups.run([path]) == b"a\n"
        return
    with pytest.raises(NoList, match="users other than its owner may write it"):
        groups.run([path])


def test_a_file_that_is_not_there_is_a_note_and_the_group_is_silent() -> None:
    files = FakeFiles({SETTINGS: b'[redfish.group.g]\nhosts-file = "/none"\n'})
    found = RedfishProvider(files, FakeClock()).discover()
    assert [each.code for each in found.notes] == ["no-host-list"]
    assert [(each.host, each.silent) for each in found.sources] == [("g", True)]
    assert read_settings(files).groups[0].file == "/none"


# By the command.


@pytest.fixture
def racks(tmp_path: Path) -> Any:
    with Racks(tmp_path, "rack1", "rack2", "rack3", grouped=("rack2", "rack3")) as made:
        yield made


def test_a_group_by_the_command(racks: Racks) -> None:
    assert racks.livefw("list", "--bmc", "row", "-o", "name").stdout.split() == [
        f"redfish:{name}/{each}" for name in ("rack2", "rack3") for each in ("bios", "pmfw-a", "tmpm")
    ]
    assert not racks.bmcs["rack1"].requests
    assert racks.livefw("list", "--bmc", "ROW", "redfish:rack3/*", "-o", "name").stdout.count("\n") == 3
    policy = racks.livefw("policy").stdout
    assert "    group row: 2 hosts: rack2, rack3\n" in policy
    assert racks.answer("policy")["groups"] == [{"mechanism": "redfish", "name": "row", "hosts": ["rack2", "rack3"]}]
    assert racks.livefw("policy", "--check").returncode == 0


def test_a_wrong_line_by_the_command(racks: Racks) -> None:
    hosts = racks.root / "etc/livefw/row.hosts"
    hosts.write_text(hosts.read_text() + "no/host\n")
    done = racks.livefw("list", "-o", "name")
    assert (done.returncode, done.stdout.count("\n")) == (0, 9)
    assert done.stderr == "livefw: group row: /etc/livefw/row.hosts line 3: 'no/host' is no host\n"
    assert "note: group row: /etc/livefw/row.hosts line 3: 'no/host' is no host" in racks.livefw("policy").stdout
    assert "'no/host' is no host" in json.dumps(racks.answer("doctor"))


def test_a_group_without_its_list_by_the_command(racks: Racks) -> None:
    (racks.root / "etc/livefw/row.hosts").unlink()
    done = racks.livefw("list", "-o", "name")
    assert (done.returncode, done.stdout.count("\n")) == (0, 3)
    assert "livefw: group row: /etc/livefw/row.hosts: No such file or directory" in done.stderr
    assert racks.livefw("list", "--strict").returncode == 1
    assert "group row: /etc/livefw/row.hosts" in racks.livefw("show", "redfish:rack2/bios").stderr


def test_a_collision_by_the_command(racks: Racks) -> None:
    hosts = racks.root / "etc/livefw/row.hosts"
    hosts.write_text(hosts.read_text() + "rack1.example\n")
    done = racks.livefw("policy", "--check")
    assert done.returncode == 2
    assert (
        "the name rack1 is taken twice: by redfish.bmc[0] and by redfish.group.row: /etc/livefw/row.hosts line 3"
        in (done.stdout)
    )
    assert racks.livefw("list").returncode == 2
