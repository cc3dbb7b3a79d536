# SPDX-License-Identifier: Apache-2.0
"""`livefw metrics`: what Prometheus reads of a machine in each state, without a daemon."""

import errno
import os
import re
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from livefw.activation import figures
from livefw.activation.actor import Actor
from livefw.activation.history.journal import Journal, RowKind
from livefw.activation.host import Host
from livefw.activation.paths import Paths
from livefw.activation.policy.document import DEFAULT
from livefw.providers.lfa.fake import RMM, FakeLfa
from livefw.providers.lfa.tree import ROOT
from livefw.render import metrics
from livefw.render.metrics import METRICS, OUTCOMES
from livefw.testing.bmc import ModelBmc

from .conftest import CHECKOUT

KEY = f"lfa:{RMM}"
OTHER = "0509b633-5734-422f-a681-6096e932d93a"
Collect = Callable[..., dict[tuple[str, ...], float]]
HOSTILE = 'a"b\\c\n\x1b[2J\t{}=,' + "x" * 5000 + "\u202e\xff"


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Every value, by its name and the values of its labels."""
    return {
        (sample.name, *(sample.labels[name] for name in sample.labels)): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def collected(promtool: str) -> Collect:
    """Collects the values, of a text that promtool has nothing to say against."""

    def collect(root: Any, *, code: int = 0) -> dict[tuple[str, ...], float]:
        done = root.run("metrics")
        assert done.code == code, done.err
        command = [promtool, "check", "metrics"]
        checked = subprocess.run(command, input=done.out, capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", ""), done.out
        return samples(done.out)

    return collect


def remember(root: Any, outcome: str, component: str = KEY, **body: Any) -> None:
    with closing(Journal.open(root.environment["LIVEFW_STATE"])) as journal:
        journal.end(journal.begin(component, {"name": "x"}), component, {"outcome": outcome, **body})


def settings(root: Any, text: str) -> None:
    file = root.file("/etc/livefw/livefw.toml")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def staged(**texts: str) -> Callable[[Any], None]:
    def plant(root: Any) -> None:
        bench = FakeLfa()
        bench.add(**texts)
        root.plant(bench)

    return plant


def attempted(*outcomes: str, **body: Any) -> Callable[[Any], None]:
    def prepare(root: Any) -> None:
        staged()(root)
        for outcome in outcomes:
            remember(root, outcome, **body)

    return prepare


def unfinished(root: Any) -> None:
    staged()(root)
    with closing(Journal.open(root.environment["LIVEFW_STATE"])) as journal:
        journal.begin(KEY, {"name": "x"})


def measured(root: Any) -> None:
    for longest in (2_000_000, 400_000_000, 400_000_000, 31_000_000_000):
        rows: list[dict[str, Any]] = [{"cpus": "0-3", "longest_ns": longest, "baseline_ns": None, "gaps": []}]
        attempted("activated", cost={"source": "model", "seconds": 1.0, "rows": rows, "note": ""})(root)


def damaged(root: Any) -> None:
    staged()(root)
    remember(root, "failed", code="x")
    path = Path(root.environment["LIVEFW_STATE"], "history.db")
    path.write_bytes(path.read_bytes().replace(b'"failed"', b'"activa"'))


def a_folder_for_a_history(root: Any) -> None:
    os.makedirs(f"{root.environment['LIVEFW_STATE']}/history.db")


def with_settings(text: str) -> Callable[[Any], None]:
    def prepare(root: Any) -> None:
        staged()(root)
        settings(root, text)

    return prepare


STATES: dict[str, tuple[Callable[[Any], object], dict[tuple[str, ...], float | None]]] = {
    "nothing to activate": (
        lambda _: None,
        {("livefw_machine_readable",): 1, ("livefw_history_readable",): 1, ("livefw_history_rows",): 0},
    ),
    "an image is pending": (
        staged(),
        {
            ("livefw_component_info", KEY, "lfa", "", "TF-RMM", "1.0", "1.2"): 1,
            ("livefw_component_pending", KEY): 1,
            ("livefw_component_status_info", KEY, "ready"): 1,
            ("livefw_components_omitted",): 0,
            ("livefw_settings_valid",): 1,
            ("livefw_unfinished_activations",): 0,
            ("livefw_history_consistent",): 1,
            ("livefw_window_open",): None,
            **{("livefw_activations_total", KEY, outcome): 0.0 for outcome in OUTCOMES},
        },
    ),
    "none is": (
        staged(activation_pending="0", pending_version="0"),
        {
            ("livefw_component_info", KEY, "lfa", "", "TF-RMM", "1.0", ""): 1,
            ("livefw_component_pending", KEY): 0,
            ("livefw_component_status_info", KEY, "up-to-date"): 1,
            ("livefw_pending_since_timestamp_seconds", KEY): None,
        },
    ),
    "whether one is cannot be read": (
        staged(activation_pending="x"),
        {("livefw_component_pending", KEY): None, ("livefw_component_status_info", KEY, "unreadable"): 1},
    ),
    "hostile texts": (staged(name=HOSTILE, pending_version=HOSTILE), {("livefw_component_pending", KEY): 1}),
    "each outcome": (
        attempted("failed", "unknown", "refused", "cancelled", "activated", "activated"),
        {
            ("livefw_activations_total", KEY, "activated"): 2,
            ("livefw_activations_total", KEY, "failed"): 1,
            ("livefw_activations_total", KEY, "unknown"): 1,
            ("livefw_last_outcome_info", KEY, "activated", "", ""): 1,
        },
    ),
    "a success that nothing confirms": (
        attempted("failed", "activated", confirmed=False),
        {
            ("livefw_activations_total", KEY, "activated-unconfirmed"): 1,
            ("livefw_activations_total", KEY, "activated"): 0,
            ("livefw_last_outcome_info", KEY, "activated-unconfirmed", "", ""): 1,
        },
    ),
    "a failure with a code": (
        attempted("activated", "failed", code="firmware-failed", firmware_code="LFA_AUTH_ERROR"),
        {("livefw_last_outcome_info", KEY, "failed", "firmware-failed", "LFA_AUTH_ERROR"): 1},
    ),
    "an outcome of another livefw": (
        attempted("exploded"),
        {("livefw_activations_total", KEY, "exploded"): None, ("livefw_history_rows",): 3},
    ),
    "a component that is gone": (
        lambda root: remember(root, "failed", "lfa:gone"),
        {("livefw_activations_total", "lfa:gone", "failed"): 1},
    ),
    "unfinished": (
        unfinished,
        {("livefw_unfinished_activations",): 1, ("livefw_component_status_info", KEY, "unfinished"): 1},
    ),
    "stalls": (
        measured,
        {
            ("livefw_stall_seconds_bucket", "lfa", "0.001"): 0,
            ("livefw_stall_seconds_bucket", "lfa", "0.005"): 1,
            ("livefw_stall_seconds_bucket", "lfa", "0.5"): 3,
            ("livefw_stall_seconds_bucket", "lfa", "30"): 3,
            ("livefw_stall_seconds_bucket", "lfa", "+Inf"): 4,
            ("livefw_stall_seconds_count", "lfa"): 4,
            ("livefw_stall_seconds_sum", "lfa"): 31.802,
            ("livefw_last_stall_seconds", KEY): 31,
        },
    ),
    "a damaged history": (damaged, {("livefw_history_consistent",): 0, ("livefw_history_readable",): 1}),
    "a history that cannot be read": (
        a_folder_for_a_history,
        {
            ("livefw_history_readable",): 0,
            ("livefw_history_rows",): None,
            ("livefw_history_consistent",): None,
            ("livefw_unfinished_activations",): None,
        },
    ),
    "wrong settings": (
        with_settings("deny = 1\n"),
        {("livefw_settings_valid",): 0, ("livefw_component_pending", KEY): 1},
    ),
    "a window that is open": (
        with_settings(
            '[[window]]\ndays = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]\nfrom = "00:00"\nto = "00:00"\n'
        ),
        {("livefw_window_open",): 1},
    ),
}


@pytest.mark.parametrize(("prepare", "wanted"), STATES.values(), ids=STATES)
def test_what_is_exported_in_each_state(
    empty: Any, collected: Collect, prepare: Callable[[Any], object], wanted: dict[tuple[str, ...], float | None]
) -> None:
    prepare(empty)
    found = collected(empty)
    assert {key: found.get(key) for key in wanted} == wanted
    assert abs(found["livefw_last_collection_timestamp_seconds",] - time.time()) < 600


def test_every_family_is_exported_somewhere_and_named_as_it_is_in_the_table(empty: Any) -> None:
    measured(empty)
    settings(empty, '[[window]]\ndays = ["mon"]\nfrom = "01:00"\nto = "02:00"\n')
    out = empty.run("metrics").out
    found = {(family.name, family.type) for family in text_string_to_metric_families(out)}
    table = {(each.family.name.removesuffix("_total"), str(each.family.type)) for each in METRICS}
    assert found == table - {("livefw_bmc_up", "gauge")}
    for metric in METRICS:
        labels = {
            name
            for line in out.splitlines()
            if line.startswith(metric.family.name + "{")
            for name in re.findall(r'[{,]([a-z_]+)="', line)
        }
        assert labels <= set(metric.family.labels)


def test_the_reference_has_the_table() -> None:
    text = (CHECKOUT / "docs/reference/daemon.md").read_text(encoding="utf-8")
    families = [metric.family for metric in METRICS]
    for family in families:
        labels = ", ".join(f"`{label}`" for label in family.labels) or "-"
        assert f"| `{family.name}` | {family.type} | {labels} | {family.help} |\n" in text
    assert len(re.findall(r"^\| `livefw_", text, re.MULTILINE)) == len(families)


def test_a_hostile_text_is_bounded_and_forges_no_line(empty: Any) -> None:
    staged(name=HOSTILE, pending_version=HOSTILE)(empty)
    out = empty.run("metrics").out
    assert max(map(len, out.splitlines())) < 2_000
    assert out.isascii()
    assert all(line.startswith(("livefw_", "# ")) for line in out.splitlines())


def test_a_machine_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    bench = FakeLfa()
    bench.files.break_for_ever(ROOT, errno.EIO)
    paths = Paths(str(tmp_path / "state"), str(tmp_path / "lock"), "", str(tmp_path))
    host = Host(bench.files, (bench.provider,), bench.clock, paths, DEFAULT, Actor("root", "", "test"))
    answer = metrics.answer(figures.collect(host, version="1", settings_valid=True))
    assert answer.exit_code == 1
    found = samples(answer.text() + "\n")
    assert found["livefw_machine_readable",] == 0
    assert not [key for key in found if key[0].startswith("livefw_component_")]


def test_a_management_controller_that_is_silent_is_named(empty: Any, collected: Collect) -> None:
    with closing(ModelBmc(faults=[])) as bmc, socket.create_server(("127.0.0.1", 0)) as closed:
        written = bmc.write_settings(empty.path) / "livefw.toml"
        text = written.read_text(encoding="utf-8")
        name = re.findall(r'^name = "(.*)"', text, re.MULTILINE)[0]
        silent = text[text.index("[[redfish.bmc]]") :].replace(f'"{name}"', '"silent"')
        port = closed.getsockname()[1]
        closed.close()
        written.write_text(text + re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{port}", silent), encoding="utf-8")
        found = collected(empty)
    assert (found["livefw_bmc_up", name], found["livefw_bmc_up", "silent"]) == (1, 0)
    info = [key for key in found if key[0] == "livefw_component_info"]
    assert {key[3] for key in info} == {name}
    assert {key[2] for key in info} == {"redfish"}


def test_counts_never_fall_when_rows_are_archived(ready: Any, collected: Collect) -> None:
    measured(ready)
    remember(ready, "failed")
    before = collected(ready)
    for _ in range(2):
        done = ready.run("history", "--archive", "--keep", "1")
        assert done.code == 0, done.err
        remember(ready, "failed")
        after = collected(ready)
        name = "livefw_activations_total", KEY, "failed"
        assert after[name] == before[name] + 1
        kept = {key: value for key, value in before.items() if "_stall_" in key[0] or key[2:] == ("activated",)}
        assert {key: after[key] for key in kept} == kept
        before = after


def test_a_file_is_replaced_at_once_for_every_reader(ready: Any, tmp_path: Path) -> None:
    file = tmp_path / "livefw.prom"
    done = ready.run("metrics", "--output", str(file), umask=0o077)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    first = file.stat().st_ino
    assert ready.run("metrics", "-o", str(file)).code == 0
    assert file.stat().st_ino != first
    assert samples(file.read_text())["livefw_component_pending", KEY] == 1
    assert not list(tmp_path.glob(".livefw*"))


@pytest.mark.parametrize("kind", ["no .prom", "missing folder", "folder", "pipe", "link"])
def test_what_cannot_be_replaced_stays(ready: Any, tmp_path: Path, kind: str) -> None:
    target = tmp_path / ("livefw.txt" if kind == "no .prom" else "livefw.prom")
    precious = tmp_path / "precious"
    precious.write_text("precious")
    if kind == "missing folder":
        target = tmp_path / "missing/livefw.prom"
    elif kind == "folder":
        target.mkdir()
    elif kind == "pipe":
        os.mkfifo(target)
    elif kind == "link":
        target.symlink_to(precious)
    done = ready.run("metrics", "--output", str(target))
    assert done.code == 2
    assert str(target) in done.err
    assert precious.read_text() == "precious"
    assert not list(tmp_path.glob(".*"))


def test_json_has_the_same(ready: Any) -> None:
    document = ready.run("--json", "metrics").json
    assert [each["name"] for each in document["metrics"]] == [metric.family.name for metric in METRICS]
    values = {each["name"]: each["samples"] for each in document["metrics"]}
    assert values["livefw_component_pending"] == [
        {"name": "livefw_component_pending", "labels": {"component": KEY}, "value": 1}
    ]


def test_rows_about_what_is_pending_are_no_activations(ready: Any, collected: Collect) -> None:
    with closing(Journal.open(ready.environment["LIVEFW_STATE"])) as journal:
        journal.note(RowKind.PENDING, KEY, {"pending": True, "outcome": "failed"})
    assert collected(ready)["livefw_activations_total", KEY, "failed"] == 0
