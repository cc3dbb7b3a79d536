# SPDX-License-Identifier: Apache-2.0
"""What is checked of the service under a real systemd, from the package's installation to its removal."""

import glob
import json
import os
import re
import shutil
import signal
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .systemd_guest import (
    LFA,
    NO_PLUGIN,
    PATIENCE_S,
    SERVICE,
    SOCKET,
    Checks,
    Done,
    Terminal,
    begin,
    drop_in,
    fwupdmgr,
    history,
    jobs,
    journal,
    main,
    main_pid,
    messages,
    model,
    registers,
    run,
    shown,
    start_model,
    state,
    stop_service,
    until,
)

CHECKS: Checks = {}
check = registers(CHECKS)
PACKAGE = "/run/test/livefw.deb"
RMM = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"
OUTCOME = "MESSAGE_ID=7b0d9b3ce2f14d0f8a52c5d1f3a6e94b"
LOCK = "/run/livefw/activation.lock"
METRICS = "/var/lib/livefw/metrics/livefw.prom"
OWN = "org.livefw.Livefw1"
WATCH = "livefw-watch.service"
EVENTS = "/run/events"
RULE = """polkit.addRule(function(action, subject) {
  if (action.id == "org.livefw.activate" && subject.user == "ruled") return polkit.Result.YES;
});
"""
PLUGIN = "/run/test/plugin"
"""The plugin for fwupd, its quirks and what its package adds to fwupd's unit; not there if it could not be built."""
_X86_64 = {92: "chown", 93: "fchown", 144: "sched_setscheduler"}
"""Names of the system calls that may turn up."""


def _stage() -> int:
    """Let an image be pending; how many rows there are before it is activated."""
    model("stage", component="rmm", version=None, authentic=True)
    return len(history())


def _version() -> str:
    with open(f"{LFA}/{RMM}/current_version", encoding="ascii") as file:
        return file.read().strip()


@contextmanager
def _activating() -> Iterator[int]:
    """An activation that takes half a minute unless `_activated` hurries it, once it is under way.

    Gives what `_stage` gives; its client leaves last. Longer the driver does not let firmware prepare (30 s,
    `livefw.kernel.lfa.versions`): what is looked at in its middle must not wait for a daemon that starts, which takes
    ten seconds and more on an emulated CPU.
    """
    from livefw.dbus.client import Client, MethodCall  # there since the package is
    from livefw.dbus.wire import Message, MessageType

    before = _stage()
    model("fault", fault={"name": "slow", "times": 50, "ms": 2300})
    activate = Message(MessageType.CALL, 1, ([], {}), "asa{sv}", path="/org/livefw", interface=OWN, member="Activate")
    try:
        with Client(SOCKET, timeout=PATIENCE_S) as client:
            client.call(MethodCall("/org/livefw", OWN, "Watch", "b", (True,)))
            client.send(activate)
            while '"event": "tick"' not in str((told := client.receive()).body):
                assert told.type is MessageType.SIGNAL or not told.body, told
            yield before
    except BaseException:
        model("clear")
        raise


def _activated(before: int, *, whose: str = "root") -> None:
    """That there is one more row, which tells of a success, and no process is left."""
    model("clear")
    until(lambda: not jobs() and all(row.ending for row in history()), "the end")
    rows = history()
    assert len(rows) == before + 1, len(rows)
    assert rows[-1].ending
    assert (rows[-1].first_row.body["actor"]["user"], rows[-1].ending.body["outcome"]) == (whose, "activated")


def _own(*words: str, user: str = "root", code: int | None = 0) -> Done:
    call = ["busctl", f"--address=unix:path={SOCKET}", "call", "org.livefw", "/org/livefw", OWN]
    return run(*call, *words, user=user, code=code)


@check
def installed() -> object:
    """Installing starts the socket, and nothing else."""
    told = run("dpkg", "-i", PACKAGE, code=0, DEBIAN_FRONTEND="noninteractive")
    assert (state("livefwd.socket"), state(SERVICE)) == ("active", "inactive")
    assert run("systemctl", "is-enabled", "livefwd.socket").out.strip() == "enabled"
    assert stat.S_IMODE(os.stat(SOCKET).st_mode) == 0o666
    run("systemd-analyze", "verify", "--man=no", SERVICE, "livefwd.socket", code=0)
    # The daemon may not write where it is installed: without bytecode it would compile itself at each start.
    assert glob.glob("/usr/lib/python3/dist-packages/livefw/daemon/__pycache__/service.cpython-*.pyc")
    run("usermod", "--append", "--groups", "livefw", "member", code=0)
    return told.text


@check
def machine_with_nothing_but_its_drives() -> object:
    """The daemon serves, shows the NVMe drives that QEMU gives the machine, and is not started over and over."""
    done = fwupdmgr("get-devices", code=0)
    assert set(re.findall("^.*─(.*):$", done.out, re.MULTILINE)) == {"NVMe", "QEMU NVMe Ctrl"}, done
    assert state(SERVICE) == "active"
    alone, asked = run("livefw", "plan"), run("livefw", "plan", user="ordinary")
    assert alone == asked, (alone, asked)
    fwupdmgr("activate", code=2)
    assert shown(SERVICE, "NRestarts", "Result") == {"NRestarts": "0", "Result": "success"}
    log = messages()
    stop_service()
    return f"{done.text}{asked.text}{log}"


@check
def started_by_the_first_client() -> object:
    """The socket starts the service, which says when it is ready."""
    start_model()
    assert state(SERVICE) == "inactive"
    before = time.monotonic()
    devices = json.loads(run("livefw", "fwupdmgr", "get-devices", "--json", code=0).out)["Devices"]
    seconds = time.monotonic() - before
    assert RMM in {guid for device in devices for guid in device["Guid"]}
    seen = shown(SERVICE, "Type", "ActiveState", "SubState", "StatusText")
    assert (seen["Type"], seen["ActiveState"], seen["SubState"]) == ("notify", "active", "running")
    assert seen["StatusText"].startswith("serving /")
    return f"{seconds:.1f} s\n{run('systemctl', 'status', '--no-pager', '--lines=5', SERVICE).out}"


@check
def hardening_of_the_loaded_unit() -> object:
    """As systemd itself sees it; the test of the file on its own has the limit."""
    exposure = run("systemd-analyze", "security", "--no-pager", SERVICE).out.splitlines()[-1]
    assert "OK" in exposure, exposure
    with open(f"/proc/{main_pid()}/status", encoding="ascii") as file:
        lines = dict(line.split(":\t", 1) for line in file if ":\t" in line)
    # CAP_SYS_RAWIO 17, CAP_SYS_ADMIN 21, CAP_SYS_NICE 23, CAP_SYSLOG 34 (linux/capability.h)
    assert int(lines["CapEff"], 16) == int(lines["CapBnd"], 16) == 1 << 17 | 1 << 21 | 1 << 23 | 1 << 34
    assert (lines["NoNewPrivs"].strip(), lines["Seccomp"].strip()) == ("1", "2")
    return exposure


@check
def sysfs_is_read_only_but_where_activations_are_writes() -> object:
    """TDX and microcode are written below /sys/devices, where no other check writes anything."""
    fwupdmgr("get-devices")
    wanted = dict.fromkeys(("/sys/devices/system/cpu", "/sys/firmware"), True)
    wanted |= {"/sys/kernel/tracing/instances": True} if os.path.ismount("/sys/kernel/tracing") else {}
    wanted |= dict.fromkeys(("/proc/sys/kernel", "/sys/class", "/sys/module", "/sys/bus", "/etc", "/usr"), False)
    inside = ("nsenter", "--mount", f"--target={main_pid()}", "test", "-w")
    found = {path: run(*inside, path).code == 0 for path in wanted}
    assert found == wanted, found
    return found


@check
def everybody_may_look() -> object:
    """An ordinary user is answered by the daemon at its usual place, in root's words."""
    fwupdmgr("get-devices", user="ordinary", code=0)
    for words in (["--json", "show", "tf-rmm"], ["plan"]):
        alone, asked = run("livefw", *words), run("livefw", *words, user="ordinary")
        assert _ageless(alone) == _ageless(asked), (alone, asked)
    return run("livefw", "plan", user="ordinary").out


def _ageless(done: Done) -> tuple[int, str]:
    """What it said, but for how long something is pending: some seconds lie between two commands."""
    return done.code, re.sub(r"\d+ (s|min)\b", "AGE", done.text)


@check
def root_activates() -> object:
    """Progress, the record, the journal's fields, the metrics."""
    done = fwupdmgr("activate", code=0)
    assert "Activating firmware update for TF-RMM" in done.out, done
    assert "Restarting device" in done.err, done
    assert _version() == "1.1"
    (row,) = history()
    assert row.intent
    assert row.ending
    assert (row.intent.body["actor"]["user"], row.ending.body["outcome"]) == ("root", "activated")
    (entry,) = journal(OUTCOME)
    seen = {name: entry[name] for name in ("LIVEFW_COMPONENT", "LIVEFW_OUTCOME", "LIVEFW_ACTOR", "PRIORITY")}
    assert [*seen.values()] == [f"lfa:{RMM}", "activated", "root", "5"], entry
    assert entry["_SYSTEMD_UNIT"] == SERVICE
    assert entry["LIVEFW_HEAD"].startswith(str(row.ending.sequence))
    run("systemctl", "start", "livefw-metrics.service")
    metrics = run("cat", METRICS, user="ordinary").out
    assert re.search(r'outcome="activated"} [1-9]', metrics), metrics
    assert "livefw_history_consistent 1" in metrics
    asked = [run("livefw", *words, user="ordinary") for words in (["history"], ["--json", "history"])]
    assert asked == [run("livefw", "history"), run("livefw", "--json", "history")]
    return f"{done.text}\n{asked[0].out}\n{row.ending.body.get('cost')}"


@check
def nothing_it_needs_is_denied() -> object:
    """System calls: the filter is turned into a log; the kernel log is read; real-time priority is had."""
    allowed = shown(SERVICE, "SystemCallFilter")["SystemCallFilter"]
    assert not allowed.startswith("~"), allowed
    drop_in_text = f"SystemCallFilter=\nSystemCallLog=~{allowed}\n"
    since = time.time()
    with open("/proc/sys/kernel/dmesg_restrict", "w", encoding="ascii") as file:
        file.write("1")
    with drop_in(drop_in_text), _activating() as rows:
        scheduled = {os.sched_getscheduler(pid) for pid in _members()}
        fwupdmgr("get-devices", code=0)
        _activated(rows)
    assert os.SCHED_FIFO in scheduled, scheduled
    row = history()[-1]
    assert row.first_row.body["mark"].isdigit(), "the kernel log could not be read"
    assert row.ending
    cost = row.ending.body["cost"]
    assert cost["source"] == "sampled", str(cost)[:200]
    audit = [
        entry["MESSAGE"]
        for entry in journal(f"--since=@{since:.0f}", "_TRANSPORT=audit")
        if "SECCOMP" in entry["MESSAGE"]
    ]
    numbers = {
        int(word.removeprefix("syscall=")) for line in audit for word in line.split() if word.startswith("syscall=")
    }
    # SQLite gives files that it makes as root to the owner of the database, which is root, and goes on if it may not.
    assert {_X86_64.get(number, number) for number in numbers} <= {"fchown"}, audit
    denied = [text for text in messages().splitlines() if "not permitted" in text or "denied" in text.lower()]
    assert not denied, denied
    # From here on without: a thousand looks a second at each CPU are dear where a CPU is emulated.
    with open("/etc/livefw/livefw.toml", "w", encoding="ascii") as file:
        file.write("[measure]\nenabled = false\n")
    os.chmod(file.name, 0o644)
    return f"{numbers} {cost['note']}"


def _members() -> list[int]:
    with open(f"/sys/fs/cgroup/system.slice/{SERVICE}/cgroup.procs", encoding="ascii") as file:
        return [int(line) for line in file]


@check
def others_are_refused() -> object:
    """Without a rule, polkit does not let an ordinary user activate; nothing is tried and the journal tells."""
    rows, version = _stage(), _version()
    by_fwupd = fwupdmgr("activate", user="ordinary", code=1)
    own = run("livefw", "activate", "--all", user="ordinary", code=5)
    assert "polkit does not let ordinary activate firmware" in by_fwupd.text, by_fwupd
    assert "polkit does not let ordinary activate firmware" in own.err, own
    assert _version() == version
    assert len(history()) == rows
    assert "may not: polkit does not let ordinary" in messages("--priority=4..4")
    return f"{by_fwupd.text}{own.text}"


@check
def polkit_rule_allows() -> object:
    """A rule of the administrator's lets one account through."""
    with open("/etc/polkit-1/rules.d/10-test.rules", "w", encoding="ascii") as file:
        file.write(RULE)
    os.chmod(file.name, 0o644)
    ask = ["sh", "-c", "pkcheck --action-id org.livefw.activate --process $$"]
    until(lambda: run(*ask, user="ruled").code == 0, "polkit's notice of the rule")
    rows = len(history())
    done = fwupdmgr("activate", user="ruled", code=0)
    _activated(rows, whose="ruled")
    return done.text


@check
def member_of_the_group_is_allowed() -> object:
    """No polkit is asked, and the record says who it was."""
    rows = _stage()
    done = run("livefw", "activate", "--all", "--reason", "a test", user="member", code=0)
    _activated(rows, whose="member")
    intent = history()[-1].intent
    assert intent
    assert (intent.body["actor"]["face"], intent.body["reason"]) == ("daemon", "a test")
    assert "member" in run("livefw", "history", user="ordinary").out
    return done.text


@check
def administrator_types_a_password() -> object:
    """On a terminal fwupdmgr lets polkit's own agent ask."""
    rows = _stage()
    terminal = Terminal(f"livefw fwupdmgr activate {RMM}", user="admin")
    terminal.see("Password:")
    terminal.type_unseen("admin")
    assert terminal.end() == 0, terminal.text
    _activated(rows, whose="admin")
    return terminal.text


@check
def administrator_types_a_password_to_livefw() -> object:
    """Our own command does the same."""
    rows = _stage()
    terminal = Terminal("livefw activate --all", user="admin")
    terminal.see("[y/N]")
    terminal.type("y")
    terminal.see("Password:")
    terminal.type_unseen("admin")
    assert terminal.end() == 0, terminal.text
    _activated(rows, whose="admin")
    return terminal.text


@contextmanager
def _settings(text: str) -> Iterator[None]:
    """Change the settings for one check only; in this one, what is sent to notify.d is kept in `EVENTS`."""
    file, hook = Path("/etc/livefw/livefw.toml"), Path("/etc/livefw/notify.d/keep")
    before = file.read_text(encoding="ascii") if file.exists() else ""
    hook.parent.mkdir(mode=0o755)
    hook.write_text(f"#!/bin/sh\n{{ cat; echo; }} >> {EVENTS}\n", encoding="ascii")
    hook.chmod(0o755)
    file.write_text(f"{text}\n{before}", encoding="ascii")
    try:
        yield
    finally:
        file.write_text(before, encoding="ascii")
        hook.unlink()
        hook.parent.rmdir()
        Path(EVENTS).unlink(missing_ok=True)


def _events() -> list[str]:
    if not os.path.exists(EVENTS):
        return []
    lines = Path(EVENTS).read_text(encoding="ascii").splitlines()
    return [json.loads(line)["event"] for line in lines if line]


def _set_clock(ahead_s: float) -> None:
    """Put the clock forward, as if so much time had passed."""
    time.clock_settime(time.CLOCK_REALTIME, time.time() + ahead_s)


@check
def watch_activates_when_the_window_opens() -> object:
    """The unit is not enabled, holds what the policy wants until the window opens, and tells notify.d of both."""
    assert run("systemctl", "is-enabled", WATCH).out.strip() == "disabled"
    run("systemd-analyze", "verify", "--man=no", WATCH, "livefw-notify.path", "livefw-notify.service", code=0)
    opens = time.gmtime(time.time() + 7200)
    window = f'from = "{opens.tm_hour:02}:00"\nto = "{(opens.tm_hour + 1) % 24:02}:00"\nzone = "UTC"'
    rows = _stage()
    with _settings(f'automatic = ["tf-rmm"]\n[[window]]\n{window}\n'):
        run("systemctl", "start", WATCH, code=0)
        assert state(WATCH) == "active"
        until(lambda: "held" in _events(), "the event that it is held")
        assert len(history()) == rows
        _set_clock(7200 - opens.tm_min * 60)
        until(lambda: "activated" in _events(), "the event of the activation")
        _activated(rows)
        assert history()[-1].first_row.body["reason"] == "automatic, by policy"
        assert _events() == ["pending", "held", "activated"]
        ran = shown("livefw-notify.service", "Result", "ExecMainStatus")
        assert ran["Result"] == "success", ran
        run("systemctl", "stop", WATCH, code=0)
        assert shown(WATCH, "ActiveState", "Result") == {"ActiveState": "inactive", "Result": "success"}
    return run("journalctl", "--no-pager", f"--unit={WATCH}", "--output=cat").out


@check
def scheduled_for_later() -> object:
    """A timer activates what was confirmed, and one that is stopped does not."""
    rows = _stage()
    done = run("livefw", "activate", "tf-rmm", "--yes", "--at", "+1h", "--reason", "cost: 100 %, $HOME", code=0)
    assert "livefw activate TF-RMM" in run("livefw", "activate", "--scheduled", code=0).out
    _set_clock(3590)
    assert len(history()) == rows + 1
    until(lambda: len(history()) == rows + 2, "the activation")
    until(lambda: all(row.ending for row in history()), "its end")
    last = history()[-1]
    assert last.ending
    assert last.ending.body["outcome"] == "activated"
    assert last.first_row.body["reason"].endswith(": cost: 100 %, $HOME")
    assert run("livefw", "activate", "--scheduled", code=0).out == "nothing is scheduled\n"
    _stage()
    told = json.loads(run("livefw", "--json", "activate", "tf-rmm", "--yes", "--at", "+1h", code=0).out)
    run("systemctl", "stop", told["scheduled"]["unit"], code=0)
    assert run("livefw", "activate", "--scheduled", code=0).out == "nothing is scheduled\n"
    return done.text


@check
def killed_in_the_middle() -> object:
    """The unit comes back by itself, the activation goes on, and its outcome is true."""
    with _activating() as rows:
        before = main_pid()
        os.kill(before, signal.SIGKILL)
        until(lambda: main_pid() not in (0, before), "the restart")
        assert jobs()
        until(lambda: state(SERVICE) == "active", "the restarted daemon's word")
        _activated(rows)
    assert shown(SERVICE, "NRestarts")["NRestarts"] == "1"
    return messages("--lines=12")


@check
def stopped_in_the_middle() -> object:
    """An administrator's stop ends the daemon, and not the activation; the next client starts it again."""
    with _activating() as rows:
        run("systemctl", "stop", SERVICE, code=0)
        assert state(SERVICE) == "inactive"
        assert jobs()
        _own("List")
        assert state(SERVICE) == "active"
        _activated(rows)
    return messages("--lines=10")


@check
def restarted_in_the_middle() -> object:
    """An administrator's restart replaces the daemon, and not the activation."""
    with _activating() as rows:
        before = main_pid()
        run("systemctl", "restart", "--no-block", SERVICE, code=0)
        until(lambda: main_pid() not in (0, before), "the new daemon")
        assert jobs()
        until(lambda: state(SERVICE) == "active", "its word")
        _activated(rows)
    return messages("--lines=10")


@check
def stopped_socket() -> object:
    """Without its socket the service ends too, the command works alone, and both come back."""
    fwupdmgr("get-devices", code=0)
    run("systemctl", "stop", "livefwd.socket", code=0)
    assert (state("livefwd.socket"), state(SERVICE)) == ("inactive", "inactive")
    assert not os.path.exists(SOCKET)
    done = fwupdmgr("get-devices", user="ordinary", code=1)
    run("livefw", "list", user="ordinary", code=0)
    run("systemctl", "start", "livefwd.socket", code=0)
    fwupdmgr("get-devices", user="ordinary", code=0)
    return done.text


@check
def hung_daemon_is_replaced() -> object:
    """The watchdog ends it, whether the process stands still or only its loop does; the activation goes on."""
    with drop_in("WatchdogSec=3"), _activating() as rows:
        before = main_pid()
        os.kill(before, signal.SIGSTOP)
        until(lambda: main_pid() not in (0, before), "the watchdog")
        assert jobs()
        _activated(rows)
    assert "Watchdog timeout" in messages()
    return messages("--lines=10")


@check
def daemon_that_does_not_end_is_killed_alone() -> object:
    """A stop that the daemon does not follow ends with SIGKILL, for the daemon and not for the activation."""
    with drop_in("KillSignal=SIGCONT\nTimeoutStopSec=1"), _activating() as rows:
        run("systemctl", "stop", SERVICE, code=0)
        assert not main_pid()
        assert jobs()
        _activated(rows)
    return messages("--lines=6")


@check
def idle_daemon_goes_home() -> object:
    """It ends by itself without a client, not while an activation runs, and the next client starts it again."""
    command = shown(SERVICE, "ExecStart")["ExecStart"]
    words = command.partition("argv[]=")[2].partition(" ;")[0].replace("--idle-exit 120", "--idle-exit 1")
    with drop_in(f"ExecStart=\nExecStart={words}"):
        with _activating() as rows:
            pass
        time.sleep(3)  # its client has left, and it would not stay so long without work
        assert jobs()
        assert state(SERVICE) == "active"
        _activated(rows)
        until(lambda: state(SERVICE) == "inactive", "the end of an idle daemon")
        assert shown(SERVICE, "Result", "NRestarts") == {"Result": "success", "NRestarts": "0"}
        fwupdmgr("get-devices", user="ordinary", code=0)
    return messages("--lines=6")


@check
def log_level_at_run_time() -> object:
    """Root makes it talk more and less; priorities are the journal's."""
    refused = _own("SetLogLevel", "s", "debug", user="ordinary", code=1)
    assert "Access denied" in refused.text, refused
    _own("SetLogLevel", "s", "debug")
    _own("List", user="ordinary")
    until(lambda: f"calls {OWN}.List" in messages("--priority=7..7"), "a message for debugging")
    _own("SetLogLevel", "s", "error")
    before = len(messages())
    fwupdmgr("activate", user="ordinary")
    assert len(messages()) == before
    _own("SetLogLevel", "s", "info")
    return messages("--priority=7..7", "--lines=3")


@check
def fwupd_with_the_plugin() -> object:
    """In the packaged unit of fwupd, which may not write to sysfs: by itself only with what the plugin's package adds
    to the unit, and by livefwd without."""
    if not os.path.isdir(PLUGIN):
        return NO_PLUGIN
    (libraries,) = glob.glob("/usr/lib/*/fwupd-[0-9]*")
    shutil.copy(f"{PLUGIN}/libfu_plugin_arm_lfa.so", libraries)
    shutil.copy(f"{PLUGIN}/arm-lfa.quirk", "/usr/share/fwupd/quirks.d")
    addition, settings = Path("/run/systemd/system/fwupd.service.d/plugin.conf"), Path("/etc/fwupd/fwupd.conf")
    addition.parent.mkdir(parents=True)
    before, seen = settings.read_text(encoding="utf-8"), ""
    rows = _stage()
    for engine, allowed in (("sysfs", False), ("sysfs", True), ("livefwd", False)):
        version = _version()
        addition.unlink(missing_ok=True)
        if allowed:
            shutil.copy(f"{PLUGIN}/fwupd.conf", addition)
        settings.write_text(f"{before}\n[arm_lfa]\nEngine={engine}\n", encoding="utf-8")
        run("systemctl", "daemon-reload", code=0)
        run("systemctl", "restart", "fwupd.service", code=0)
        done = run("fwupdmgr", "activate", RMM)
        seen += f"{engine} {allowed}: {done}\n"
        if engine == "sysfs" and not allowed:
            assert (done.code, "-/sys/firmware/lfa" in done.text) == (1, True), done
            assert _version() == version
            continue
        assert done.code == 0, done
        assert _version() != version
        if allowed:
            _stage()
    assert shown("fwupd.service", "ProtectKernelTunables") == {"ProtectKernelTunables": "yes"}
    row = history()[-1]
    assert row.intent
    assert (len(history()), row.intent.body["reason"]) == (rows + 1, "fwupd")
    run("systemctl", "stop", "fwupd.service", code=0)
    os.unlink(f"{libraries}/libfu_plugin_arm_lfa.so")
    return seen


@check
def upgraded_in_the_middle() -> object:
    """The package waits for an activation; afterwards the new daemon serves."""
    with _activating() as rows:
        before = main_pid()
        said = Path("/run/upgrade")
        with begin("dpkg", "-i", PACKAGE, said=said) as dpkg:
            until(lambda: "waiting up to two minutes for an activation to end" in said.read_text(), "dpkg's patience")
            assert jobs()
            _activated(rows)
        assert dpkg.returncode == 0, said.read_text()
    assert main_pid() != before
    assert state("livefwd.socket") == "active"
    fwupdmgr("get-devices", user="ordinary", code=0)
    return said.read_text()


@check
def removed_and_purged() -> object:
    """Removing keeps the record, purging does not; neither leaves anything that runs."""
    fwupdmgr("get-devices", code=0)
    run("livefw", "history", "--verify", code=0)
    removed = run("dpkg", "-r", "livefw", code=0)
    assert (state("livefwd.socket"), state(SERVICE)) == ("inactive", "inactive")
    assert not os.path.exists(SOCKET)
    assert os.path.exists("/var/lib/livefw/history.db")
    purged = run("dpkg", "-P", "livefw", code=0)
    left = [path for path in ("/var/lib/livefw", "/run/livefw", "/etc/livefw") if os.path.exists(path)]
    assert left == ["/etc/livefw"], left
    assert os.listdir("/etc/livefw") == ["livefw.toml"]
    ours = ("livefwd*", "livefw-watch*", "livefw-notify*")
    assert "0 loaded units" in (units := run("systemctl", "list-units", "--all", "--no-pager", *ours).out), units
    units = run("systemctl", "list-unit-files", "--no-pager", *ours).out
    assert "0 unit files" in units, units
    assert not os.path.exists("/usr/lib/python3/dist-packages/livefw"), "something is left of the package"
    return removed.text + purged.text


if __name__ == "__main__":
    sys.exit(main(CHECKS))
