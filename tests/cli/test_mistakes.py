# SPDX-License-Identifier: Apache-2.0
"""What somebody types who has never seen the command, and where its answers may have to go."""

import subprocess
from typing import Any

import pytest

from livefw.errors import ExitCode
from livefw.providers.lfa.fake import RMM


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("lst", "there is no command 'lst'", "livefw list?"),
        ("activte", "there is no command 'activte'", "livefw activate?"),
        ("frob", "there is no command 'frob'", "usage: livefw"),
        ("--rot /x list", "unrecognized arguments: --rot", "usage: livefw"),
        ("--josn list", "unrecognized arguments: --josn", "usage: livefw list"),
        ("list x", "unrecognized arguments: x", "usage: livefw list"),
        ("machine show x", "unrecognized arguments: x", "usage: livefw machine show"),
        ("image store show a b", "unrecognized arguments: b", "usage: livefw image store show"),
        ("help lst", "there is no command 'lst'", "livefw list?"),
        ("activate", "name the components to activate, or say --all", "livefw list"),
        ("activate --all x", "or say --all; not both", "livefw list"),
        ("show rmm", "there is no component 'rmm' here", "TF-RMM?"),
        ("demo --platform tdx-spr", "the demonstration is of LFA", "livefw machine run"),
        ("machine run --platform tdx-spr --driver v3", "--driver is for machines with LFA", ""),
        ("machine bmc {folder} --port 99999", "--port is from 0 to 65535", ""),
        ("watch --interval x", "seconds, from 0.1 to 86400", "usage: livefw watch"),
        ("show nothing", "there is no component 'nothing' here", "livefw list"),
    ],
)
def test_a_mistake_is_named_and_the_next_step_with_it(ready: Any, line: str, message: str, hint: str) -> None:
    done = ready.run(*line.format(folder=ready.path.parent / "bmc").split(), "--json")
    error = done.json["error"]
    assert (done.code, message in error["message"]) == (ExitCode.USAGE, True), error
    assert error.get("hint", "").startswith(hint)
    assert "\n" not in error.get("hint", "")


@pytest.mark.parametrize("line", ["help", "help list", "help machine", "help machine show", "list --help"])
def test_help_by_whatever_word(ready: Any, line: str) -> None:
    done = ready.run(*line.split())
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"usage: livefw {' '.join(line.replace('help', '').replace('--', '').split())}".rstrip())


@pytest.mark.parametrize("line", ["machine platforms", "image info {file}", "policy", "list"])
def test_common_options_stand_anywhere(ready: Any, line: str) -> None:
    words = line.format(file=ready.path.parent / "root/sys/firmware/lfa" / RMM / "name").split()
    documents = [ready.run(*words[:at], "--json", *words[at:]).json for at in range(len(words) + 1)]
    assert all("error" not in each for each in documents)
    assert all(each == documents[0] for each in documents)


def test_fwupdmgr_without_the_daemon_says_that_it_is_the_daemon(ready: Any, tmp_path: Any) -> None:
    ready.environment["LIVEFW_SOCKET"] = str(tmp_path / "nowhere")
    command = [word for word in ready.command("--json", "fwupdmgr") if word not in ("--root", str(ready.path))]
    done = subprocess.run(command, capture_output=True, text=True, env=ready.environment, check=False)
    assert done.returncode == 1
    assert f"livefwd does not listen at {tmp_path}/nowhere" in done.stdout


@pytest.mark.parametrize("json", [(), ("--json",)])
def test_what_was_done_is_told_even_if_the_output_is_full(ready: Any, json: tuple[str, ...]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            ready.command(*json, "activate", "tf-rmm"),
            stdout=full,
            stderr=subprocess.PIPE,
            env=ready.environment,
            text=True,
        )
    assert done.returncode == ExitCode.UNKNOWN, "that of what was done, and not of what could not be told"
    assert f"TF-RMM (lfa:{RMM}): unknown" in done.stderr
    assert "livefw: the output cannot be written: No space left on device; the exit code is" in done.stderr
    assert ready.run("history").code == 0


@pytest.mark.parametrize("line", ["list", "plan", "show tf-rmm", "doctor", "history"])
@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "POSIX"])
def test_every_locale_will_do(ready: Any, line: str, locale: str) -> None:
    """And names that it cannot show."""
    ready.file(f"/sys/firmware/lfa/{RMM}/name").write_text("TF-RMM \u8584\n")
    ready.environment |= {"LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for name in ("HOME", "XDG_RUNTIME_DIR", "TERM"):
        ready.environment.pop(name, None)
    done = ready.run(*line.replace("tf-rmm", RMM).split())
    assert done.code == (3 if line == "history" else 0), done.err
    assert "defect" not in done.err
    if line in ("list", "plan"):
        assert ("\u8584" if locale == "C.UTF-8" else "\\u8584") in done.out


@pytest.mark.fuse
@pytest.mark.parametrize("line", ["list", "show x", "plan", "activate x", "doctor", "tdx candidates"])
def test_a_mount_whose_server_died_is_no_defect(dead: Any, line: str) -> None:
    done = dead.run("--json", *line.split())
    text = done.out + done.err
    assert "defect" not in text
    if line == "doctor":
        assert (done.code, "ENOTCONN" in text) == (0, True)
    else:
        assert (done.code, done.json["error"]["kind"]) == (ExitCode.FAILED, "transport")
        assert "Transport endpoint is not connected" in text


def test_a_folder_of_the_state_that_is_a_file(ready: Any) -> None:
    (ready.path.parent / "state").write_text("")
    for line, code in {"activate tf-rmm": ExitCode.REFUSED, "history": ExitCode.FAILED}.items():
        done = ready.run(*line.split())
        assert (done.code, "defect" in done.err) == (code, False)
        assert str(ready.path.parent / "state") in done.err
