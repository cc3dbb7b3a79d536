# SPDX-License-Identifier: Apache-2.0
"""Files that somebody else has prepared: whose are obeyed, and that none of them keeps or fills us."""

import fcntl
import os
import re
import resource
import select
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livefw import reading
from livefw.activation.checks import hooks
from livefw.activation.inventory import old_versions
from livefw.activation.paths import lock_path
from livefw.errors import ExitCode
from livefw.providers.lfa.fake import RMM

from .. import starting

PATIENCE_S = 60
"""Long enough for a busy machine; a pipe or a device would keep us for ever."""
ROOM = 1 << 30
"""Bytes of address space: a terabyte of holes must not be read into it."""
STRANGER = 4001

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a file away")


def run(*words: str | Path, environment: dict[str, str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return starting.run(words, environment=environment, limits={resource.RLIMIT_AS: ROOM}, cwd=cwd)


def check(settings: Path, name: str, script: str) -> Path:
    path = settings / "checks.d" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
    path.chmod(0o755)
    return path


# Trees.


@pytest.fixture
def tree(ready: Any) -> Any:
    """A machine with settings of its own: a check that leaves a trace, a policy that forbids, a BMC to log in to."""
    settings = ready.file("/etc/livefw")
    check(settings, "x", f"touch {ready.path.parent}/ran")
    (settings / "livefw.toml").write_text('deny = ["*"]\n[[redfish.bmc]]\nname = "b"\nurl = "https://127.0.0.1:1"\n')
    return ready


LOOKS = (
    "list",
    "show tf-rmm",
    "plan",
    "doctor",
    "policy",
    "stage tf-rmm",
    "cancel tf-rmm",
    "activate tf-rmm --measure off",
)


@pytest.mark.parametrize("line", LOOKS)
def test_settings_and_checks_of_a_tree_are_not_used_and_this_is_told(tree: Any, line: str) -> None:
    """An archive that is unpacked by root keeps root as the owner of what is in it."""
    done = run("--root", tree.path, *line.split(), environment=tree.environment)
    theirs = tree.file("/etc/livefw")
    told = " ".join((done.stdout + done.stderr).split())
    assert f"settings and checks in {theirs} are not used; to use them: --settings {theirs}" in told
    assert not (tree.path.parent / "ran").exists()
    assert "policy does not allow" not in told
    assert "BMC b" not in told


def test_settings_of_a_tree_are_used_where_they_are_asked_for(tree: Any) -> None:
    done = tree.run("plan")  # with --settings
    assert (done.code, "the policy does not allow this component" in done.out) == (ExitCode.REFUSED, True)
    assert "not used" not in done.err
    assert (tree.path.parent / "ran").exists()
    assert "BMC b" in tree.run("list").err


def test_watching_a_tree_runs_nothing_of_it(tree: Any) -> None:
    (tree.file("/etc/livefw/livefw.toml")).write_text('automatic = ["*"]\n')
    with tree.start("--settings", str(tree.path / "nowhere"), "watch") as wrong:
        assert wrong.wait(PATIENCE_S) == ExitCode.USAGE
    command = [sys.executable, "-m", "livefw", "--root", tree.path, "watch", "--interval", "0.1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=tree.environment) as watching:
        assert watching.stdout is not None
        assert watching.stderr is not None
        told = watching.stderr.readline()
        lines = [watching.stdout.readline() for _ in range(3)]
        watching.terminate()
        rest = watching.stdout.read()
    assert b"are not used" in told
    assert b"TF-RMM: an image is pending" in lines[2]
    assert b"activat" not in rest
    assert not (tree.path.parent / "ran").exists()


# Owners.


@pytest.fixture
def elsewhere(ready: Any, tmp_path: Path) -> Path:
    """Settings that somebody names, in a directory below one."""
    settings = tmp_path / "above/settings"
    settings.mkdir(parents=True)
    (settings / "livefw.toml").write_text('deny = ["nothing"]\n')
    check(settings, "good", "exit 0")
    (settings / "images").mkdir()
    return settings


def _give(path: Path) -> None:
    os.chown(path, STRANGER, STRANGER, follow_symlinks=False)


Step = Callable[[Path], object]
FILE = "livefw.toml"
SPOILED: dict[str, tuple[Step, ...]] = {
    "file of another user": (lambda s: _give(s / FILE),),
    "file of another user, for their eyes only": (lambda s: _give(s / FILE), lambda s: (s / FILE).chmod(0o600)),
    "file for a group to write": (lambda s: (s / FILE).chmod(0o664),),
    "file for anybody to write": (lambda s: (s / FILE).chmod(0o646),),
    "directory of another user": (_give,),
    "directory for a group to write": (lambda s: s.chmod(0o775),),
    "directory for anybody to write": (lambda s: s.chmod(0o777),),
    "directory above, of another user": (lambda s: _give(s.parent),),
    "directory above, for anybody to write": (lambda s: s.parent.chmod(0o777),),
    "directory above like /tmp, and what is in it another user's": (lambda s: s.parent.chmod(0o1777), _give),
    "taken away by whoever may write the directory": (lambda s: (s / FILE).unlink(), lambda s: s.chmod(0o777)),
    "link of another user": (
        lambda s: (s / FILE).rename(s / "real"),
        lambda s: (s / FILE).symlink_to("real"),
        lambda s: _give(s / FILE),
    ),
}


@as_root
@pytest.mark.parametrize("line", ["list", "plan", "policy --check", "activate tf-rmm"])
@pytest.mark.parametrize("how", SPOILED)
def test_settings_that_a_stranger_can_change_are_an_error(ready: Any, elsewhere: Path, how: str, line: str) -> None:
    for step in SPOILED[how]:
        step(elsewhere)
    done = ready.run("--settings", str(elsewhere), *line.split())
    # `policy` answers with what is wrong, every other command ends by it.
    told, nothing = (done.out, done.err) if line.startswith("policy") else (done.err, done.out)
    assert (done.code, nothing) == (ExitCode.USAGE, "")
    assert re.search(r"belongs to user 4001|other than its owner may write", told)
    assert str(elsewhere.parent) in told
    assert re.search(r"check the file, then as root: ch(own root|mod go-w) /", " ".join(told.split()))
    assert ready.run("--settings", str(elsewhere), "cancel", "tf-rmm").code != ExitCode.USAGE, "that goes without"


@as_root
def test_links_of_root_and_directories_like_tmp_are_followed(ready: Any, elsewhere: Path) -> None:
    elsewhere.parent.chmod(0o1777)
    (elsewhere.parent / "link").symlink_to("settings/../settings")
    (elsewhere / "livefw.toml").write_text('deny = ["*"]\n')
    assert ready.run("--settings", str(elsewhere.parent / "link"), "plan").code == ExitCode.REFUSED


OWNERS = [(0, 0, True), (0, STRANGER, False), (STRANGER, 0, True), (STRANGER, STRANGER, True), (STRANGER, 4002, False)]


@as_root
@pytest.mark.parametrize(("user", "owner", "taken"), OWNERS)
def test_whose_files_are_obeyed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: int, owner: int, taken: bool
) -> None:
    """Root obeys root, a user root and themselves."""
    monkeypatch.setattr(os, "geteuid", lambda: user)
    (tmp_path / "file").write_bytes(b"text")
    os.chown(tmp_path / "file", owner, owner)
    if taken:
        assert reading.read_trusted(str(tmp_path / "file"), 10) == b"text"
    else:
        with pytest.raises(reading.Untrusted, match=f"it belongs to user {owner}, not to root"):
            reading.read_trusted(str(tmp_path / "file"), 10)


@as_root
def test_images_below_a_directory_that_a_stranger_can_write_are_left_out(ready: Any, elsewhere: Path) -> None:
    elsewhere.parent.chmod(0o777)
    done = ready.run("show", "tf-rmm", "--images", str(elsewhere / "images"))
    assert f"images are left out: {elsewhere.parent}: users other than its owner may write it" in done.err


@as_root
@pytest.mark.parametrize("which", ["directory", "history.db", "history.db-wal"])
def test_a_history_that_a_stranger_can_write_is_neither_believed_nor_continued(ready: Any, which: str) -> None:
    assert ready.run("activate", "tf-rmm", "--measure", "off").code == ExitCode.UNKNOWN
    state = ready.path.parent / "state"
    (state / "history.db-wal").touch()
    _give(state if which == "directory" else state / which)
    for line, code in {"history": ExitCode.USAGE, "plan": ExitCode.USAGE, "activate tf-rmm": ExitCode.REFUSED}.items():
        done = ready.run(*line.split())
        assert (done.code, "belongs to user 4001" in done.err) == (code, True)


@as_root
@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_no_archive_is_made_where_a_stranger_can_replace_it(ready: Any, elsewhere: Path, mode: int) -> None:
    assert ready.run("activate", "tf-rmm", "--measure", "off").code == ExitCode.UNKNOWN
    elsewhere.chmod(mode)
    done = ready.run("history", "--archive", str(elsewhere / "old.db"), "--older", "2100-01-01")
    assert (done.code, "other than its owner may write" in done.err) == (ExitCode.USAGE, True), done
    assert [each.name for each in elsewhere.iterdir() if "old" in each.name] == []
    assert "unknown" in ready.run("history").out


@as_root
def test_no_directory_is_made_where_a_link_of_a_stranger_leads(ready: Any, elsewhere: Path) -> None:
    """sudo may keep HOME: with it the history of another root is in the home of whoever called it."""
    aim = elsewhere.parent / "aim"
    aim.mkdir()
    (elsewhere / "state").symlink_to(aim)
    os.chown(elsewhere / "state", STRANGER, STRANGER, follow_symlinks=False)
    done = ready.run("activate", "tf-rmm", "--measure", "off", "--state", str(elsewhere / "state/of/mine"))
    assert (done.code, "belongs to user 4001" in done.err) == (ExitCode.REFUSED, True), done
    assert [*aim.iterdir()] == []


@as_root
def test_a_stranger_who_locks_the_historys_directory_keeps_nobody_waiting(
    ready: Any,
) -> None:
    """Everybody can open /var/lib/livefw, and flock(2) asks for no more."""
    assert ready.run("activate", "tf-rmm", "--measure", "off").code == ExitCode.UNKNOWN
    state = ready.path.parent / "state"
    state.chmod(0o755)
    held = [os.open(each, os.O_RDONLY) for each in [state, *state.iterdir()] if each.stat().st_mode & stat.S_IROTH]
    try:
        for each in held:
            fcntl.flock(each, fcntl.LOCK_EX)
        assert ready.run("activate", "tf-rmm", "--measure", "off").code == ExitCode.UNKNOWN
    finally:
        for each in held:
            os.close(each)
    assert len(held) == 1, "the directory alone: nobody else can open what is in it"


# What root's engine leaves for everybody's `list`.

FORGING = "1.0\nlfa:" + RMM + "\t1.0\u2028\x1b[2J"


@pytest.mark.parametrize("line", ["list", "show tf-rmm", "--json list"])
def test_a_version_that_may_be_old_is_told_to_everybody(ready: Any, line: str) -> None:
    """The daemon runs with a umask that keeps all for root, and a version may hold what ends a line."""
    boot = ready.file("/proc/sys/kernel/random/boot_id")
    boot.parent.mkdir(parents=True, exist_ok=True)
    boot.write_text("b-1\n")
    path = old_versions.beside(lock_path(str(ready.path), environment=ready.environment, privileged=False))
    Path(path).parent.mkdir()
    before = os.umask(0o077)
    try:
        for versions, is_told in (({f"lfa:{RMM}": "1.0"}, True), ({"lfa:x": FORGING}, False)):
            old_versions.write(path, "b-1", versions)
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o644
            done = ready.run(*line.split())
            assert ("may be outdated" in " ".join((done.out + done.err).split())) == is_told
    finally:
        os.umask(before)


# Anything in place of a file.


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{os.open(path.parent, os.O_PATH)}/{path.name}")


THINGS: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a socket": _socket,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a directory": lambda path: path.mkdir(),
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a terabyte of holes": _sparse,
}
NOTHING, HOLES = "a link to nowhere", "a terabyte of holes"

S, F = "{settings}", "{folder}"
BMC = f'[[redfish.bmc]]\nname = "b"\nurl = "https://127.0.0.1:1"\ncredentials = "{F}/secret"\n'

PLACES: dict[str, tuple[str, str, str]] = {
    # the file; the command that opens it; what livefw.toml says, if that is another file
    "settings": (f"{S}/livefw.toml", "--root {root} --settings {settings} plan", ""),
    "settings, to list": (f"{S}/livefw.toml", "--root {root} --settings {settings} list", ""),
    "settings, to activate": (f"{S}/livefw.toml", "--root {root} --settings {settings} activate tf-rmm", ""),
    "a check": (f"{S}/checks.d/x", "--root {root} --settings {settings} plan", ""),
    "credentials": (f"{F}/secret", "--root / --settings {settings} list", BMC),
    "authorities": (f"{F}/ca.pem", "--root / --settings {settings} list", f'{BMC}ca = "{F}/ca.pem"\n'),
    "history": ("{state}/history.db", "--root {root} history", ""),
    "history, to activate": ("{state}/history.db", "--root {root} activate tf-rmm", ""),
    "write-ahead log": ("{state}/history.db-wal", "--root {root} activate tf-rmm", ""),
    "index of the log": ("{state}/history.db-shm", "--root {root} activate tf-rmm", ""),
    "reserve": ("{state}/reserve", "--root {root} activate tf-rmm", ""),
    "report": (f"{F}/x", f"conformance --agent bet1 --junit {F}/x", ""),
    "image": (f"{F}/x", f"--root {{root}} stage tf-rmm {F}/x", ""),
    "image that lies here": (f"{F}/x.cab", f"--root {{root}} show tf-rmm --images {F}", ""),
    "archive": (f"{F}/x", f"image cab {F}/x", ""),
    "archive to make": (f"{F}/x", f"image cab {F}/x --image {F}/good --component lfa:{RMM} --version 1.2", ""),
    "image of an archive": (f"{F}/x", f"image cab {F}/y --image {F}/x --component lfa:{RMM} --version 1.2", ""),
    "package": (f"{F}/x", f"image info {F}/x", ""),
    "package to verify": (f"{F}/x", f"image verify {F}/x --trust {F}/trust.toml", ""),
    "trust": (f"{F}/x", f"image verify {F}/good --trust {F}/x", ""),
    "image of a package": (f"{F}/x", f"image build {F}/y --image rmm-fw={F}/x --keys {F}/keys", ""),
    "key": (f"{F}/rot-key.pem", f"image build {F}/y --image rmm-fw={F}/good --keys {F}", ""),
    "store's package": (f"{F}/x", f"image store init {F}/store {F}/x --trust {F}/trust.toml", ""),
    "store's trust": (f"{F}/x", f"image store init {F}/store {F}/good --trust {F}/x", ""),
    "store's metadata": (f"{F}/metadata.0", f"image store show {F}", ""),
    "machine": (f"{F}/x.toml", f"machine run --platform {F}/x.toml", ""),
    "initramfs": (f"{F}/x", f"machine run --platform vera --qemu {F}/good --busybox {F}/x", ""),
    "flash": (f"{F}/x", f"conformance --qemu {F}/x", ""),
    "BMC's settings": (f"{F}/bmc/etc/livefw/livefw.toml", f"machine bmc {F}/bmc", ""),
}
QUIET = {
    # A link to nowhere is a file that is missing, which these do without, or make.
    *((name, NOTHING) for name in PLACES if name.startswith(("settings", "write-", "index", "history", "reserve"))),
    *((name, NOTHING) for name in ("report", "archive to make", "BMC's settings")),
    # What is written anew, or beside the database holds nothing that SQLite knows, is replaced by what belongs there.
    *((name, HOLES) for name in ("report", "archive to make", "write-ahead log", "index of the log", "reserve")),
}


@pytest.mark.parametrize("thing", THINGS)
@pytest.mark.parametrize("place", PLACES)
def test_anything_in_place_of_a_file(ready: Any, tmp_path: Path, place: str, thing: str) -> None:
    file, line, policy = PLACES[place]
    folder = tmp_path / "folder"
    names = {"root": ready.path, "settings": folder / "settings", "state": folder / "state", "folder": folder}
    names = {name: str(path) for name, path in names.items()}
    for name in ("settings/checks.d", "state", "bmc/etc/livefw"):
        (folder / name).mkdir(parents=True)
    (folder / "good").write_bytes(b"an image")
    trust = 'chain = "cca"\n[roots]\n' + "".join(f'{name} = "{"00" * 32}"\n' for name in ("rot-key",))
    (folder / "trust.toml").write_text(trust)
    if policy:
        (folder / "secret").write_text("user\nword\n")
        (folder / "secret").chmod(0o600)
        (folder / "settings/livefw.toml").write_text(policy.format(**names))
    path = Path(file.format(**names))
    path.unlink(missing_ok=True)
    THINGS[thing](path)
    environment = ready.environment | {"LIVEFW_STATE": names["state"], "XDG_RUNTIME_DIR": str(tmp_path)}
    done = run(*line.format(**names).split(), environment=environment)
    told = done.stdout + done.stderr
    assert "defect" not in told
    assert "Traceback" not in told
    if (place, thing) not in QUIET:
        assert done.returncode or place in ("a check", "image that lies here", "credentials", "authorities"), told
        assert (path.parent.name if place.startswith("history") else path.name) in "".join(told.split()), told


# What a process starts with.

STREAMS = ("<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-")


@pytest.mark.fuse
@pytest.mark.parametrize("closed", STREAMS)
def test_standard_streams_that_are_closed(vera: Any, closed: str) -> None:
    """Some service managers and cron's wrappers start programs so. The next file that is opened takes their place."""
    for line in ("list", "plan", "activate tf-rmm --measure off"):
        done = subprocess.run(
            ["/bin/sh", "-c", f'"$@" {closed}', "sh", *vera.command(*line.split())],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env=vera.environment,
            timeout=PATIENCE_S,
        )
        assert (line, done.returncode) == (line, 0), done.stderr
        assert bool(done.stdout) == (" >&-" not in f" {closed}")
    (entry,) = vera.run("--json", "history").json["history"]
    assert entry["outcome"]["outcome"] == "activated"
    with open(vera.path.parent / "state/history.db", "rb") as file:
        assert file.read(16) == b"SQLite format 3\0"


@pytest.mark.parametrize("line", ["plan", "activate tf-rmm --measure off"])
def test_a_check_says_no_also_where_ends_of_children_are_ignored(ready: Any, line: str) -> None:
    """sudo hands on that SIGCHLD is ignored, to whom an administrator lets activate within the checks."""
    check(ready.file("/etc/livefw"), "no", "echo never; exit 1")
    done = ready.run(*line.split(), preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    assert (done.code, "never" in done.out) == (ExitCode.REFUSED, True), done


@pytest.mark.fuse
def test_an_activation_is_told_also_where_ends_of_children_are_ignored(vera: Any) -> None:
    done = vera.run(
        "activate", "tf-rmm", "--measure", "off", preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    )
    assert (done.code, "activated" in done.out) == (ExitCode.DONE, True), done


@pytest.mark.fuse
@pytest.mark.parametrize("json", [(), ("--json",)])
def test_an_activation_that_cannot_be_told_has_not_failed(vera: Any, json: tuple[str, ...]) -> None:
    """A script that goes by the exit code would roll it back."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            vera.command(*json, "activate", "tf-rmm"),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=vera.environment,
        )
    assert (done.returncode, "activated" in done.stderr) == (ExitCode.DONE, True)
    assert "the output cannot be written: No space left on device" in done.stderr
    with open("/dev/full", "wb") as full:
        assert subprocess.run(vera.command("list"), stdout=full, check=False, env=vera.environment).returncode == 1


@pytest.mark.parametrize("line", ["list", "plan", "activate tf-rmm --measure off", "stage tf-rmm {image}"])
def test_without_room_for_an_open_file_nothing_failed(ready: Any, line: str) -> None:
    """From where Python itself begins to work to where everything does."""
    (ready.path.parent / "image").write_bytes(b"x")
    words = line.format(image=ready.path.parent / "image").split()
    for most in range(5, 17):
        done = subprocess.run(
            ["/bin/sh", "-c", f'ulimit -n {most}; exec "$@"', "sh", *ready.command(*words)],
            capture_output=True,
            text=True,
            check=False,
            env=ready.environment,
            timeout=PATIENCE_S,
        )
        told = done.stdout + done.stderr
        assert "defect" not in told
        if "Too many open files" in told and words[0] in ("activate", "stage"):
            assert done.returncode == ExitCode.REFUSED, told
            assert ready.file(f"/sys/firmware/lfa/{RMM}/activate").read_bytes() == b""
            assert re.search(r"open files: ulimit -n|without a record is not begun|refused", told)


NESTED = {"brackets": "[" * 5_000, "arrays": "deny = " + "[" * 5_000, "tables": "a = " + "{a = " * 5_000}


@pytest.mark.parametrize("text", NESTED.values(), ids=NESTED)
@pytest.mark.parametrize("mechanism", ["", "# redfish tdx\n"])
@pytest.mark.parametrize("line", ["list", "plan"])
def test_settings_that_nest_without_end(ready: Any, line: str, mechanism: str, text: str) -> None:
    path = ready.file("/etc/livefw/livefw.toml")
    path.parent.mkdir(parents=True)
    path.write_text(mechanism + text)
    done = ready.run(line)
    assert "defect" not in done.err
    if line == "plan" or mechanism:
        assert (done.code, "livefw.toml: " in done.err) == (ExitCode.USAGE, True)


RELATIVE = ("history --state here", "plan --settings here", "show tf-rmm --images here", "machine bmc here")


@pytest.mark.parametrize("line", RELATIVE)
def test_a_relative_path_in_a_directory_that_was_removed(ready: Any, tmp_path: Path, line: str) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = ["/bin/sh", "-c", 'rmdir "$PWD"; exec "$@"', "sh", *ready.command(*line.split())]
    done = subprocess.run(command, cwd=gone, capture_output=True, text=True, check=False, env=ready.environment)
    assert done.returncode in (ExitCode.FAILED, ExitCode.USAGE)
    assert "here" in done.stderr
    assert "No such file or directory" not in done.stderr


# Checks.

ESCAPES = {
    "in a session of its own": "setsid sh -c '{stay}' & ",
    "with a parent that is gone": "(setsid sh -c '{stay}' &) ; ",
    "twice removed": "(setsid sh -c \"(setsid sh -c '{stay}' &)\" &) ; ",
    "holding no pipe": "(setsid sh -c '{stay}' </dev/null >/dev/null 2>&1 &) ; ",
    "deaf": "(setsid sh -c 'trap : TERM HUP INT; {stay}' &) ; ",
}
ENDS = {"answers": "exit 1", "never answers": "exec sleep 1000", "dies": "kill -9 $$"}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("escape", ESCAPES)
def test_all_that_a_check_has_started_ends_with_it(tmp_path: Path, escape: str, end: str) -> None:
    """Seen by a pipe that only they hold: it ends when the last of them does."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    stay = f"exec 9>{fifo}; echo here >&9; while :; do sleep 1000; done"
    waits = f"until [ -e {tmp_path}/seen ]; do sleep 0.01; done; "
    check(tmp_path, "x", ESCAPES[escape].format(stay=stay) + waits + ENDS[end])
    bystander = subprocess.Popen(["sleep", "1000"])
    heard = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        seconds = 3.0 if end == "never answers" else 60.0
        work = threading.Thread(target=lambda: hooks.examine(hooks.find(str(tmp_path)), {}, seconds=seconds))
        work.start()
        select.select([heard], [], [], PATIENCE_S)
        assert os.read(heard, 10) == b"here\n"
        (tmp_path / "seen").touch()
        work.join(PATIENCE_S)
        select.select([heard], [], [], PATIENCE_S)
        assert os.read(heard, 10) == b"", "nobody holds the other end any more"
        assert bystander.poll() is None
    finally:
        os.close(heard)
        bystander.kill()
        bystander.wait()


def test_checks_that_are_not_run_are_told(ready: Any) -> None:
    settings = ready.file("/etc/livefw")
    check(settings, "no.sh", "exit 1")
    check(settings, "off", "exit 1").chmod(0o644)
    (settings / "checks.d/folder").mkdir()
    planned, told = ready.run("plan"), ready.run("doctor")
    for text in (planned.out, told.out):
        text = "".join(text.split())
        assert f"{settings}/checks.d/offisnotexecutableandisnotrun" in text
        assert f"{settings}/checks.d/no.shisnotrun" in text
        assert "itisnotaplainfile" in text
    assert planned.code == ExitCode.REFUSED, "for the directory, which may have been meant to be a check"


# Moments.

MOMENTS = {
    "--since 0001-01-01T00:00+23:59": ExitCode.USAGE,
    "--since 1600-01-01": ExitCode.DONE,
    "--since 2262-04-12": ExitCode.NOTHING_TO_DO,  # a row's time has 64 bits, and they end the day before
    "--since 9999-01-01": ExitCode.NOTHING_TO_DO,
    "--since 9999999w": ExitCode.USAGE,
    "--since 9999-12-31T23:59:59-23:59": ExitCode.USAGE,
    "--until 1600-01-01": ExitCode.NOTHING_TO_DO,
    "--until 9999-12-31T23:59:59": ExitCode.DONE,
    "--archive --older 9999999w": ExitCode.USAGE,
    "--archive --older 9999-01-01": ExitCode.DONE,
    "--limit -1": ExitCode.USAGE,
    "--limit 99999999999999999999": ExitCode.USAGE,
    "--before -1": ExitCode.USAGE,
}


@pytest.mark.parametrize("asked", MOMENTS)
def test_moments_and_numbers_that_no_row_can_have(ready: Any, asked: str) -> None:
    """Ordinary users ask the daemon for these as well."""
    assert ready.run("activate", "tf-rmm", "--measure", "off").code == ExitCode.UNKNOWN
    done = ready.run("history", *asked.split())
    assert done.code == MOMENTS[asked], done
    assert "defect" not in done.err
