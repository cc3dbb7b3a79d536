# SPDX-License-Identifier: Apache-2.0
"""A setting that the policy wants and that cannot be had stops the activation, and everybody is told why."""

import errno
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from livefw.abi.guid import RMM
from livefw.assemble import Where
from livefw.daemon.jobs import process
from livefw.daemon.jobs.runner import JobRequest, message
from livefw.kernel.sysfs import fail

pytestmark = pytest.mark.fuse

LFA = "/sys/firmware/lfa"
SCP = "65922703-2f74-e644-8dff-579ac1ff0610"


def _refuses(error: int) -> Callable[[bytes], Any]:
    async def store(data: bytes) -> None:
        raise fail(error)

    return store


async def _swallows(data: bytes) -> None:
    """The write succeeds, and nothing happens."""


class Row(NamedTuple):
    """What is wanted, how the kernel takes it, and what is said of it; ``stops`` if the activation is refused."""

    wanted: str
    store: Callable[[bytes], Any] | None
    code: str
    text: str
    stops: bool = True
    of: str = "tf-rmm"


RENDEZVOUS = "force_cpu_rendezvous"
ROWS = {
    "EPERM": Row(f"{RENDEZVOUS} = false", _refuses(errno.EPERM), "setting-refused", "Operation not permitted"),
    "swallowed": Row(f"{RENDEZVOUS} = false", _swallows, "setting-not-shown", "not in effect"),
    "no such, on": Row("no_such = true", None, "no-such-setting", "there is no such setting"),
    "no such, off": Row("no_such = false", None, "no-such-setting", "there is no such setting", stops=False),
    "of another component": Row(
        f"{RENDEZVOUS} = false", _refuses(errno.EPERM), "setting-refused", "Operation not permitted", False, SCP
    ),
}


@pytest.fixture(params=[*ROWS.values()], ids=[*ROWS])
def row(request: pytest.FixtureRequest) -> Row:
    found: Row = request.param
    return found


@pytest.fixture
def wishing(vera: Any, row: Row, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The machine, whose kernel takes settings as the row says, and the policy beside it."""
    settings = tmp_path_factory.mktemp("settings")
    (settings / "livefw.toml").write_text(f"[component.'*{row.of}*']\nsettings = {{ {row.wanted} }}\n")
    if row.store:
        guid = SCP if row.of == SCP else RMM.guid
        vera.machine.tree.lookup(f"{LFA}/{guid}/{RENDEZVOUS}").store = row.store
    vera.policy = settings
    return vera


def asked(vera: Any) -> bool:
    return str(vera.machine.platform.version(RMM.guid)) == "1.1"


def _activate(vera: Any, *words: str) -> Any:
    return vera.run("--settings", str(vera.policy), *words, "activate", "tf-rmm", "--yes", "--measure", "off")


def test_it_is_told_and_stops_the_activation(wishing: Any, row: Row) -> None:
    done = _activate(wishing)
    assert (done.code, asked(wishing)) == (4 if row.stops else 0, not row.stops), done.out + done.err
    setting = row.wanted.partition(" ")[0]
    assert f"livefw: settings: {'SCP' if row.of == SCP else 'TF-RMM'}" in done.err
    assert row.text in done.err.replace("\n", " ")
    assert setting in done.err
    assert ("--ignore settings-hold" in done.out) == row.stops
    rows = wishing.run("--json", "history").json["history"]
    kept = [each["outcome"]["trouble"] for each in rows if each["outcome"]["kind"] == "setting"]
    assert [row.text in each for each in kept] == ([True] if row.store else [])


def test_programs_are_told(wishing: Any, row: Row) -> None:
    (told,) = _activate(wishing, "--json").json["settings"]
    assert (told["code"], told["against"]) == (row.code, row.stops or row.of == SCP)
    assert row.text in told["text"]
    request = JobRequest((f"lfa:{RMM.guid}",), "root", "dbus")
    where = Where(str(wishing.path), wishing.environment["LIVEFW_STATE"], str(wishing.policy))
    events: list[dict[str, Any]] = []
    last = process.run(message(request, where, measure=False), events.append)
    assert [each["code"] for each in last["document"].get("settings", [])] == [row.code]
    assert any(row.text in each["text"] for each in events if each["event"] == "said")


def test_the_plan_shows_what_is_known(wishing: Any, row: Row) -> None:
    """Before it is written nobody knows whether the kernel takes it; that there is none such is known, and judged."""

    def plan() -> tuple[int, Any, list[str]]:
        done = wishing.run("--settings", str(wishing.policy), "--json", "plan", "tf-rmm")
        (step,) = done.json["steps"]
        against = [each["check"] for each in step["problems"] if each["check"] == "settings-hold"]
        return done.code, done.json["settings"][0], against

    code, wish, against = plan()
    stops = row.stops and row.store is None
    assert (code, against) == (4 if stops else 0, ["settings-hold"] if stops else [])
    assert (wish["possible"], wish["trouble"]) == (row.store is not None, None)
    _activate(wishing)
    wishing.machine.stage("rmm")
    _, wish, _ = plan()
    assert (row.text in (wish["trouble"] or "")) == (row.store is not None)
    text = wishing.run("--settings", str(wishing.policy), "plan", "tf-rmm").out
    assert ("the last time in vain" in text) == (row.store is not None)


def test_it_can_be_ignored_on_record(wishing: Any, row: Row) -> None:
    done = wishing.run(
        "--settings",
        str(wishing.policy),
        "activate",
        "tf-rmm",
        "--yes",
        "--measure",
        "off",
        "--ignore",
        "settings-hold",
    )
    assert (done.code, asked(wishing)) == (0, True), done.err
    assert ("ignored: settings-hold" in done.out) == row.stops
    rows = wishing.run("--json", "history").json["history"]
    ignored = [each["check"] for entry in rows for each in (entry["intent"] or {}).get("ignored", [])]
    assert ignored == (["settings-hold"] if row.stops else [])
