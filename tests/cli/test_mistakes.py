# SPDX-License-Identifier: Apache-2.0
"""What somebody types who has never seen the command, and where its answers may have to go."""

import subprocess
from typing import Any

import pytest

from livefw import __version__
from livefw.errors import ExitCode
from livefw.providers.lfa.fake import RMM


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        # Commands: mistyped, and what users of other tools type.
        ("lst", "there is no command 'lst'", "did you mean livefw list?"),
        ("activte", "there is no command 'activte'", "did you mean livefw activate?"),
        ("hist", "there is no command 'hist'", "did you mean livefw history?"),
        ("frob", "there is no command 'frob'", "livefw help"),
        ("help lst", "there is no command 'lst'", "did you mean livefw list?"),
        ("machine stgae", "there is no command 'livefw machine stgae'", "did you mean livefw machine stage?"),
        ("image store stge", "there is no command 'livefw image store stge'", "did you mean livefw image store stage?"),
        ("tdx candidate", "there is no command 'livefw tdx candidate'", "did you mean livefw tdx candidates?"),
        ("machine frob", "there is no command 'livefw machine frob'", "the commands of livefw machine are run"),
        ("fault", "there is no command 'fault'", "did you mean livefw machine fault?"),  # one level too high
        ("candidates", "there is no command 'candidates'", "did you mean livefw tdx candidates?"),
        ("get-devices", "there is no command 'get-devices'", "did you mean livefw list?"),  # fwupdmgr
        ("get-updates", "there is no command 'get-updates'", "did you mean livefw list?"),
        ("get-history", "there is no command 'get-history'", "did you mean livefw history?"),
        ("update", "there is no command 'update'", "did you mean livefw activate --all?"),
        ("upgrade", "there is no command 'upgrade'", "did you mean livefw activate --all?"),
        ("install", "there is no command 'install'", "did you mean livefw help stage?"),
        ("downgrade", "there is no command 'downgrade'", "did you mean livefw help stage?"),
        ("refresh", "there is no command 'refresh'", "did you mean livefw list?"),
        ("version", "there is no command 'version'", "did you mean livefw --version?"),
        ("fw-log", "there is no command 'fw-log'", "did you mean livefw list?"),  # nvme
        ("fw_download", "there is no command 'fw_download'", "did you mean livefw help stage?"),
        ("status", "there is no command 'status'", "did you mean livefw list?"),  # systemctl
        ("logs", "there is no command 'logs'", "did you mean livefw history?"),  # kubectl
        ("info", "there is no command 'info'", "did you mean"),
        # Options.
        ("--rot /x list", "livefw has no option '--rot'", "did you mean --root?"),
        ("--josn list", "list has no option '--josn'", "did you mean --json?"),
        ("--josn", "livefw has no option '--josn'", "did you mean --json?"),
        ("list --jsno", "list has no option '--jsno'", "did you mean --json? livefw list --help"),
        ("list --version", "list has no option '--version'", "livefw --version"),
        ("activate x --force", "activate has no option '--force'", "did you mean --ignore?"),
        ("activate x --no-measure", "activate has no option '--no-measure'", "did you mean --measure off?"),
        ("activate x --verbose", "activate has no option '--verbose'", "did you mean --debug?"),
        ("activate x --resaon=y", "activate has no option '--resaon'", "did you mean --reason?"),
        ("machine run --platfrom vera", "machine run has no option '--platfrom'", "did you mean --platform?"),
        ("machine run --platform vera --name x", "machine run has no option '--name'", "did you mean --machine?"),
        ("--images /x show", "--images is an option of livefw show, and stands behind it", "livefw show --images /x"),
        ("plan --zzz", "plan has no option '--zzz'", "livefw plan --help"),
        # Arguments, and values of options.
        ("demo x", "demo: unexpected argument 'x'", "livefw demo --help"),
        ("machine show x", "machine show: unexpected argument 'x'", "livefw machine show --help"),
        ("image store show a b", "image store show: unexpected argument 'b'", "livefw image store show --help"),
        ("activate x --on-failure stpo", "--on-failure: there is no 'stpo'", "did you mean stop?"),
        ("activate x --measure traecr", "--measure: there is no 'traecr'", "did you mean tracer?"),
        ("machine run --platform vera --driver v22", "--driver: there is no 'v22'", "did you mean v2?"),
        ("machine run --platform vera --driver x", "--driver: there is no 'x'", "choices: v1, v2, v3, nv3, lw1"),
        ("machine run --platform vear", "there is no platform 'vear'", "did you mean vera?"),
        ("machine run", "machine run: --platform is missing", "livefw machine run --list"),
        ("list --provider lf", "--provider: there is no 'lf'", "did you mean lfa?"),
        ("list -o jsn", "--output: there is no 'jsn'", "did you mean json?"),
        (
            "image build x.fip --image rmm-fv={folder} --keys {folder}",
            "there is no image 'rmm-fv'",
            "did you mean rmm-fw?",
        ),
        ("machine cpu of 3", "machine cpu: there is no 'of'", "did you mean off?"),
        ("machine bmc {folder} --fault no-measurement", "--fault: there is no", "did you mean no-measurements?"),
        ("machine fault auth-eror rmm", "there is no fault 'auth-eror'", "did you mean auth-error?"),
        ("conformance --agent tfa215", "--agent: there is no 'tfa215'", "did you mean tfa-2.15?"),
        ("explain activatd", "activatd", "did you mean livefw explain activated?"),
        ("plan --ignore widow", "there is no check 'widow'", "did you mean window?"),
        ("activate tf-rmm --ignore wndow", "there is no check 'wndow'", "did you mean window?"),
        ("activate", "name the components to activate, or say --all", "livefw list"),
        ("activate --all x", "or say --all; not both", "livefw list"),
        ("demo --platform tdx-spr", "the demonstration is of LFA", "livefw machine run"),
        ("machine run --platform tdx-spr --driver v3", "--driver is for machines with LFA", ""),
        (
            "machine bmc {folder} --port 99999",
            "--port: '99999' is not a whole number from 0 to 65535",
            "livefw machine",
        ),
        (
            "machine run --platform grid --cpus many",
            "--cpus: 'many' is not a whole number from 1 to 4096",
            "livefw mach",
        ),
        (
            "machine fault hang rmm --times -3",
            "--times: '-3' is not a whole number from 1 to 1000000",
            "livefw machine",
        ),
        ("machine fault hang rmm --ms x", "--ms: 'x' is not a number of milliseconds", "livefw machine fault --help"),
        ("machine bmc {folder} --seconds 0", "--seconds: '0' is not a number of seconds", "livefw machine bmc --help"),
        ("machine stage rmm abc", "machine stage: 'abc' is not a version", "a version is MAJOR.MINOR"),
        ("history --limit -1", "--limit: '-1' is not a whole number of at least 1", "livefw history --help"),
        ("report --limit 0", "--limit: '0' is not a whole number of at least 1", "livefw report --help"),
        ("conformance --cpus 0", "--cpus: '0' is not a whole number from 1 to", "livefw conformance --help"),
        ("--color sometimes list", "--color: there is no 'sometimes'", "choices: auto, always, never"),
        ("list --color sometimes", "--color: there is no 'sometimes'", "choices: auto, always, never"),
        # Components.
        ("show tf-rm", "there is no component 'tf-rm' here", "did you mean TF-RMM?"),
        ("show nothing", "there is no component 'nothing' here", "livefw list"),
        ("show tf-rmmm", "there is no component 'tf-rmmm' here", "did you mean TF-RMM?"),
        ("show lfa:6c0762a7", "there is no component 'lfa:6c0762a7' here", "did you mean lfa:6c0762a6"),
    ],
)
def test_a_mistake_is_named_and_the_next_step_with_it(ready: Any, line: str, message: str, hint: str) -> None:
    folder = ready.path.parent / "bmc"
    done = ready.run(*line.format(folder=folder).split(), "--json")
    error = done.json["error"]
    message = message.format(folder=folder)
    assert (done.code, message in error["message"]) == (ExitCode.USAGE, True), error
    assert error.get("hint", "").startswith(hint)
    assert "\n" not in error.get("hint", "")
    assert len(error["message"].replace(str(folder), "")) <= 100


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("metrics -o {folder}/no/x.prom", "no/x.prom"),
        ("conformance --agent tfa-2026 --junit {folder}/no/x.xml", "no/x.xml"),
        ("conformance --agent tfa-2026 --junit={folder}/no/x.xml", "no/x.xml"),
        ("conformance --agent tfa-2026 --qemu {folder}/no", "no"),
        ("image info {folder}/no.fip", "no.fip"),
        ("image info {folder}", ""),
        ("image verify {folder}/no.fip --trust {folder}/no.pem", "no."),
        ("image cab {folder}/no.cab", "no.cab"),
        ("stage tf-rmm {folder}/no.bin", "no.bin"),
        ("machine run --platform {folder}/no.toml", "no.toml"),
        ("history --file {folder}/no.db", "no.db"),
        ("report --file {folder}/no.db -o -", "no.db"),
        ("list --root {folder}/no", "no"),
        ("list --settings {folder}/no", "no"),
    ],
)
def test_a_path_that_cannot_be_is_a_usage_error_of_every_command(ready: Any, line: str, path: str) -> None:
    """As docs/reference/exit-codes.md says; `report` has its own test."""
    folder = ready.path.parent / "folder"
    folder.mkdir()
    done = ready.run(*line.format(folder=folder).split(), "--json")
    assert done.code == ExitCode.USAGE, done
    assert f"{folder}/{path}".rstrip("/") in done.json["error"]["message"]
    assert not [*folder.iterdir()]


@pytest.mark.parametrize("word", ["rmm", "RMM", "tf_rmm", "TF RMM", "tf-rmm", "6c0762a6", "lfa:6c"])
@pytest.mark.parametrize("verb", ["show", "plan", "cancel"])
def test_a_component_has_the_same_names_for_every_verb(ready: Any, verb: str, word: str) -> None:
    done = ready.run(verb, word, "--json")
    assert done.code != ExitCode.USAGE, done
    assert RMM in done.out


@pytest.mark.parametrize("line", ["", "machine", "image", "image store", "tdx"])
def test_a_command_alone_shows_its_help_and_is_no_success(ready: Any, line: str) -> None:
    done = ready.run(*line.split())
    assert (done.code, done.err) == (ExitCode.USAGE, "")
    assert done.out.startswith(f"usage: livefw {line}".rstrip())
    told = ready.run(*line.split(), "--json")
    assert (told.code, "a command is missing" in told.json["error"]["message"]) == (ExitCode.USAGE, True)


def test_the_help_begins_with_the_everyday_commands(ready: Any) -> None:
    shown = ready.run().out
    everyday = shown.partition("everyday commands:\n")[2].partition("\n\n")[0]
    assert [line.split()[0] for line in everyday.split("\n")] == ["list", "show", "plan", "activate", "history"]


@pytest.mark.parametrize("line", ["-V", "--version", "--json -V"])
def test_the_version_by_whatever_option(ready: Any, line: str) -> None:
    done = ready.run(*line.split())
    assert (done.code, done.out) == (0, f"livefw {__version__}\n")


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
        assert (done.code, "ENOTCONN" in text) == (1, True)
    else:
        assert (done.code, done.json["error"]["kind"]) == (ExitCode.FAILED, "transport")
        assert "Transport endpoint is not connected" in text


def test_a_folder_of_the_state_that_is_a_file(ready: Any) -> None:
    (ready.path.parent / "state").write_text("")
    for line, code in {"activate tf-rmm": ExitCode.REFUSED, "history": ExitCode.FAILED}.items():
        done = ready.run(*line.split())
        assert (done.code, "defect" in done.err) == (code, False)
        assert str(ready.path.parent / "state") in done.err
