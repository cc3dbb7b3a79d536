# SPDX-License-Identifier: Apache-2.0
"""What a service manager and a monitoring system want of the daemon."""

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from livefw.daemon.service import listen
from livefw.dbus.client import CallFailed, Client, MethodCall
from livefw.dbus.peer import installed_fwupd_version
from livefw.dbus.wire import Variant

from .conftest import FWUPD, OWN, Daemon, Serve


def test_it_tells_when_it_is_ready_alive_and_ending(planted: Path, serve: Serve) -> None:
    daemon = serve(planted, ready=False, environment={"WATCHDOG_USEC": "200000"})
    assert "WATCHDOG=1" in daemon.hear("WATCHDOG")
    daemon.hear("READY=1")
    daemon.hear("WATCHDOG=1")
    assert daemon.end() == 0
    assert not Path(daemon.path).exists()


def test_everyone_may_connect(planted: Path, serve: Serve) -> None:
    assert stat.S_IMODE(os.stat(serve(planted).path).st_mode) == 0o666


def test_it_goes_home_when_nobody_is_there(planted: Path, serve: Serve) -> None:
    daemon = serve(planted, "--idle-exit", "0.3")
    with daemon.client() as client:
        client.call(MethodCall("/org/livefw", OWN, "List"))
    assert daemon.popen.wait(timeout=20) == 0


def test_a_second_daemon_does_not_take_the_place_of_the_first(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    with pytest.raises(OSError, match="in use"):
        listen(daemon.path)
    assert daemon.call("List")[2] == 0


def test_a_socket_of_a_dead_daemon_is_taken_over(folder: Path) -> None:
    path = str(folder / "dead")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(path)
    listen(path).close()
    assert os.listdir(folder) == ["dead"]


@pytest.mark.parametrize("kind", ["file", "directory", "link to a file"])
def test_what_is_no_socket_is_left_alone(kind: str, folder: Path) -> None:
    path = folder / "precious"
    precious = folder / "elsewhere" if kind == "link to a file" else path
    precious.mkdir() if kind == "directory" else precious.write_text("precious")
    if precious != path:
        path.symlink_to(precious)
    before = sorted(os.listdir(folder))
    with pytest.raises(OSError, match="non-socket"):
        listen(str(path))
    assert sorted(os.listdir(folder)) == before
    assert kind == "directory" or path.read_text() == "precious"


def test_a_path_without_room_for_a_socket_is_told(folder: Path) -> None:
    path = folder / ("long" * 25) / "s"
    command = [
        sys.executable,
        "-m",
        "livefw.daemon.service",
        "--socket",
        str(path),
        "--state",
        str(folder),
        "--bus",
        "",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr.endswith(f"cannot listen on {path}: AF_UNIX path too long\n")


def test_patterns_that_match_nothing_are_logged_once(planted: Path, serve: Serve) -> None:
    place = planted / "etc/livefw"
    place.mkdir(parents=True)
    (place / "livefw.toml").write_text("deny = ['tf-rm']\nautomatic = ['tf-rmm']", encoding="ascii")
    daemon = serve(planted, changed={"daemon.snapshot.FRESH_S": 0.0})
    for _ in range(3):
        daemon.call("GetDevices", interface=FWUPD)
    line = "deny: 'tf-rm' matches no component here"
    assert daemon.log.read_text().count(line) == 1
    (place / "new").write_text("deny = ['tf-rm']\nautomatic = ['scpp']", encoding="ascii")
    (place / "new").rename(place / "livefw.toml")
    for _ in range(3):
        daemon.call("GetDevices", interface=FWUPD)
    log = daemon.log.read_text()
    assert (log.count(line), log.count("automatic: 'scpp' matches no component here; close to it: SCP")) == (2, 1)


def test_root_cannot_have_ignored_what_is_never_to_be_ignored(planted: Path, serve: Serve) -> None:
    place = planted / "etc/livefw"
    place.mkdir(parents=True)
    (place / "livefw.toml").write_text("never-ignore = ['load']", encoding="ascii")
    daemon = serve(planted)
    _, said, code = daemon.call("Activate", "asa{sv}", ["tf-rmm"], {"ignore": Variant("as", ["load"])})
    assert code == 2
    assert "the check 'load' cannot be ignored here: never-ignore in livefw.toml" in said


def test_strict_settings_hold_for_everything_and_not_for_a_device_that_is_named(planted: Path, serve: Serve) -> None:
    place = planted / "etc/livefw"
    place.mkdir(parents=True)
    (place / "livefw.toml").write_text("strict = true\ndeny = ['tf-rm']", encoding="ascii")
    daemon = serve(planted)
    _, said, code = daemon.call("Activate", "asa{sv}", [], {})
    assert (code, "matches no component" in said) == (4, True)
    assert daemon.call("Plan", "asas", ["tf-rmm"], [])[2] == 0


ACTIVATED = """
import os, socket, sys
os.environ["LISTEN_PID"], os.environ["LISTEN_FDS"] = str(os.getpid()), "1"
os.execv(sys.executable, [sys.executable, "-m", "livefw.daemon.service", *sys.argv[1:]])
"""


def test_it_takes_the_socket_that_systemd_holds(planted: Path, folder: Path) -> None:
    listener = listen(str(folder / "held"))
    words = [sys.executable, "-c", ACTIVATED, "--root", str(planted), "--state", str(folder / "state")]

    def third() -> None:
        os.dup2(listener.fileno(), 3)

    with subprocess.Popen(words, close_fds=False, preexec_fn=third, stderr=subprocess.DEVNULL) as process:
        try:
            with Client(str(folder / "held"), timeout=30) as client:
                assert client.call(MethodCall("/org/livefw", OWN, "List"))[2] == 0
        finally:
            process.terminate()
    assert process.returncode == 0
    assert (folder / "held").exists()
    listener.close()


def _samples(text: str) -> dict[tuple[str, str], float]:
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _activations(samples: dict[tuple[str, str], float]) -> float:
    return sum(value for (name, _), value in samples.items() if name == "livefw_activations_total")


def test_metrics_are_written_and_served(planted: Path, serve: Serve, folder: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file = folder / "livefw.prom"
    daemon = serve(planted, "--metrics", str(file), "--metrics-port", str(port))
    daemon.call("Activate", "asa{sv}", ["--nonsense"], {})
    daemon.call("Activate", "asa{sv}", ["TF-RMM"], {})
    # Each series is there from the start, with 0.
    while not _activations(found := _samples(file.read_text()) if file.exists() else {}):
        daemon.call("List")
    assert len([key for name, key in found if name == "livefw_component_pending"]) == 2
    assert _activations(found) == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        assert "livefw_component_pending{" in answer.read().decode()
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    daemon.end()
    assert not file.exists()  # nobody renews it


def test_an_image_is_as_old_after_a_restart(planted: Path, serve: Serve, folder: Path) -> None:
    file = folder / "livefw.prom"
    found = []
    for _ in range(2):
        daemon = serve(planted, "--metrics", str(file))
        while not file.exists():
            daemon.call("List")
        since = {key: value for key, value in _samples(file.read_text()).items() if "_pending_since_" in key[0]}
        assert daemon.end() == 0
        found.append(since)
    assert found[0] == found[1]
    assert found[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change it")
def test_log_level_changes_at_run_time(planted: Path, serve: Serve) -> None:
    daemon = serve(planted, "--log-level", "error")
    daemon.call("SetLogLevel", "s", "debug")
    daemon.call("List")
    assert "calls org.livefw.Livefw1.List" in daemon.log.read_text()


@pytest.mark.fwupd
def test_the_installed_fwupd_is_found() -> None:
    if not Path("/usr/bin/fwupdmgr").exists():
        pytest.skip("fwupdmgr is missing; on Debian: apt-get install fwupd")
    assert installed_fwupd_version().count(".") == 2


def test_log_tells_a_person_what_was_done(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    daemon.call("Activate", "asa{sv}", ["TF-RMM"], {})
    key = "lfa:6c0762a6-12f2-4b56-92cb-ba8f633606d9"
    begins, ended, end = (line.removeprefix("livefwd: ") for line in daemon.log.read_text().splitlines()[-3:])
    assert begins.startswith(f"activate {key} begins, 1.0 -> ")
    assert ended.startswith(f"{key}: ")
    assert end.startswith("done, exit code ")


POLICIES: dict[str, tuple[str, int, str]] = {
    "none": ("", 0o644, "Pending activation"),
    "denied": ('deny = ["TF-RMM"]', 0o644, "the policy does not allow this component"),
    "as long as the one before": ('deny = ["nobody"]'.ljust(17), 0o644, "Pending activation"),
    "wrong": ("deny = 1", 0o644, "deny"),
    "anybody's": ('deny = ["TF-RMM"]', 0o666, "other than its owner may write"),
    "denied again": ('deny = ["TF-RMM"]', 0o644, "the policy does not allow this component"),
}


def test_policy_holds_as_soon_as_it_is_written(planted: Path, serve: Serve) -> None:
    path = planted / "etc/livefw/livefw.toml"
    path.parent.mkdir(parents=True)
    daemon = serve(planted, changed={"daemon.snapshot.FRESH_S": 0.0})
    for text, mode, expected in POLICIES.values():
        (path.parent / "new").write_text(text, encoding="ascii")
        (path.parent / "new").chmod(mode)
        (path.parent / "new").rename(path)
        assert expected in _waits_for(daemon)
    path.unlink()
    assert _waits_for(daemon) == "Pending activation"


def test_checks_and_settings_of_a_tree_are_not_used_and_the_log_says_so(planted: Path, serve: Serve) -> None:
    """An archive that root unpacks keeps root for the owner of what is in it."""
    settings, proof = planted / "etc/livefw", planted.parent / "ran"
    (settings / "checks.d").mkdir(parents=True)
    (settings / "livefw.toml").write_text('deny = ["*"]', encoding="ascii")
    (settings / "checks.d/x").write_text(f"#!/bin/sh\ntouch {proof}\n", encoding="ascii")
    (settings / "checks.d/x").chmod(0o755)
    daemon = serve(planted, settings=False)
    assert _waits_for(daemon) == "Pending activation"
    daemon.call("Plan", "asas", [], [])
    daemon.call("Activate", "asa{sv}", ["tf-rmm"], {})
    assert f"settings and checks in {settings} are not used" in daemon.log.read_text(encoding="ascii")
    assert not proof.exists()


def _waits_for(daemon: Daemon) -> str:
    """What the component that is pending waits for, or why that cannot be told."""
    try:
        devices = daemon.call("GetDevices", interface=FWUPD)[0]
    except CallFailed as error:
        return error.text
    return str(next(each["UpdateError"].value for each in devices if each["Name"].value == "TF-RMM"))
