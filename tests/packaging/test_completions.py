# SPDX-License-Identifier: Apache-2.0
"""What bash, zsh and fish themselves offer for unfinished command lines."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from livefw.cli import complete
from livefw.cli.verbs import VERBS
from livefw.providers.lfa.fake import RMM, FakeLfa

from .conftest import PACKAGING, need, run
from .shells import ANSWER_S, SHELLS

SCRIPTS = PACKAGING / "completions"
EVIL = "$(touch${IFS}evil)"
"""A name that a shell would run."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A home with a tree of files in which one component has a history, and another has an evil name."""
    place = tmp_path_factory.mktemp("shell")
    bench = FakeLfa()
    bench.add()
    for path, data in bench.files.tree.items():
        file = place / "tree" / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    rmm = place / "tree/sys/firmware/lfa" / RMM
    second = rmm.with_name("0a57e4a4-4c5a-4a3a-8d3f-b5b1d8a0c5b1")
    subprocess.run(["cp", "-r", rmm, second], check=True)
    (second / "name").write_text(f"{EVIL}\n")
    idle = rmm.with_name("9c0762a6-12f2-4b56-92cb-ba8f633606d9")
    subprocess.run(["cp", "-r", rmm, idle], check=True)
    (idle / "name").write_text("idle\n")
    (idle / "activation_pending").write_text("0\n")
    (place / "fw.cab").write_text("")
    (place / "fw.txt").write_text("")
    (place / "fw.toml").write_text("")
    (place / "folder").mkdir()
    made = {
        "HOME": str(place),
        "ZDOTDIR": str(place),
        "LC_ALL": "C.UTF-8",
        "TERM": "dumb",
        "LIVEFW_STATE": str(place / "state"),
        "LIVEFW_RUNTIME_DIR": str(place / "run"),
        complete.PATIENCE_VARIABLE: str(ANSWER_S),
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "XDG_RUNTIME_DIR": str(place),
    }
    subprocess.run(
        ["livefw", "--root", "tree", "activate", "tf-rmm", "--measure", "off"],
        env=os.environ | made,
        cwd=place,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return made


@pytest.fixture(scope="module", params=sorted(SHELLS))
def offers(request: pytest.FixtureRequest, environment: dict[str, str]) -> dict[str, set[str]]:
    """What a shell offers, by the line."""
    need(request.param, request.param)
    lines = list(dict.fromkeys(line for line, _, _ in QUESTIONS))
    answers = SHELLS[request.param](SCRIPTS, lines, environment)
    assert not Path(environment["HOME"], "evil").exists()
    return {line: {word.strip().rstrip("/") for word in words} for line, words in zip(lines, answers, strict=True)}


QUESTIONS = [
    # Commands, and those below them.
    ("livefw ", {*VERBS, "help"}, set()),
    ("livefw ac", {"activate"}, {"list"}),
    ("livefw machine ", {"run", "bmc", "stage", "fault", "trace", "platforms"}, {"activate"}),
    ("livefw machine st", {"stage"}, {"run"}),
    (
        "livefw image ",
        {"info", "verify", "extract", "replace", "remove", "trust", "build", "cab", "store"},
        {"list", "init", "stage"},
    ),
    ("livefw image store ", {"init", "show", "stage", "discard", "accept", "rollback"}, {"cab"}),
    ("livefw tdx ", {"candidates"}, {"run"}),
    ("livefw help ", {"list", "machine"}, {"run"}),
    ("livefw help machine ", {"run", "fault"}, {"list-units"}),
    ("livefw --json ", {"list", "machine"}, set()),
    ("livefw --root tree ", {"list", "machine"}, set()),
    # Options.
    ("livefw --", {"--version", "--root", "--json", "--settings"}, {"--all"}),
    ("livefw list --", {"--root", "--json"}, {"--all"}),
    ("livefw activate --", {"--all", "--dry-run", "--yes", "--ignore", "--state"}, {"--platform"}),
    ("livefw activate --dr", {"--dry-run"}, {"--all"}),
    ("livefw machine run --", {"--platform", "--driver", "--qemu", "--machine"}, {"--all"}),
    ("livefw machine fault --", {"--times", "--clear", "--list"}, {"--platform"}),
    ("livefw image store init --", {"--trust"}, {"--all"}),
    ("livefw machine run --platform vera --dr", {"--driver"}, {"--all"}),
    # Values of options.
    ("livefw machine run --platform ", {"vera", "grid", "fvp", "tdx-spr"}, {"--driver"}),
    ("livefw machine run --platform ve", {"vera"}, {"grid"}),
    ("livefw machine run --platform f", {"fvp", "fw.toml", "folder"}, {"fw.cab", "fw.txt"}),
    ("livefw machine run --driver ", {"v1", "v2", "v3", "nv3", "lw1"}, {"vera"}),
    ("livefw machine run --agent ", {"tfa-2.15", "bet1"}, {"v1"}),
    ("livefw machine run --notification ", {"none"}, {"v1"}),
    ("livefw machine bmc --fault no-m", {"no-measurements"}, {"v1"}),
    ("livefw activate --ignore ", {"window"}, {"tf-rmm"}),
    ("livefw activate --ignore wi", {"window"}, {"deny"}),
    ("livefw plan --ignore ", {"window"}, {"tf-rmm"}),
    ("livefw activate --on-failure ", {"stop", "continue"}, {"tf-rmm"}),
    ("livefw activate --measure ", {"auto", "off"}, {"tf-rmm"}),
    ("livefw demo --platform ", {"vera"}, {"--json"}),
    ("livefw conformance --agent ", {"tfa-2.15"}, {"vera"}),
    # Arguments that are one of a list.
    ("livefw explain acti", {"activated", "activated-otherwise", "activation-failed"}, {"unknown"}),
    ("livefw machine fault auth", {"auth-error"}, {"slow"}),
    ("livefw machine cpu ", {"on", "off"}, {"load"}),
    ("livefw machine driver ", {"load", "unload"}, {"on"}),
    # Files and directories.
    ("livefw image info fw", {"fw.cab", "fw.txt"}, {"folder"}),
    ("livefw image cab fw", {"fw.cab"}, {"fw.txt"}),
    ("livefw --settings fo", {"folder"}, {"fw.txt"}),
    ("livefw machine run --mount fo", {"folder"}, {"fw.txt"}),
    # What only the machine knows.
    ("livefw --root tree show ", {"tf-rmm", "6c0762a6", "0a57e4a4"}, {EVIL}),
    ("livefw --root tree show tf", {"tf-rmm"}, {"6c0762a6"}),
    ("livefw --root tree show TF", {"tf-rmm"}, {"6c0762a6"}),
    ("livefw --root tree show ", {"idle"}, set()),
    ("livefw --root tree activate ", {"tf-rmm"}, {"idle", "9c0762a6"}),
    ("livefw --root tree activate --yes ", {"tf-rmm"}, {"vera"}),
    ("livefw --root tree activate 0a57e4a4 ", {"tf-rmm"}, {"vera"}),
    ("livefw --root tree plan ", {"tf-rmm"}, set()),
    ("livefw --root tree cancel ", {"tf-rmm"}, set()),
    ("livefw --root tree stage ", {"tf-rmm"}, set()),
    ("livefw --root tree history --state state ", set(), {"vera"}),
    ("livefw --root nowhere show ", set(), {"tf-rmm"}),
]


@pytest.mark.timeout(ANSWER_S + 60)  # the first of a shell asks it everything
@pytest.mark.parametrize(("line", "offered", "not_offered"), QUESTIONS, ids=[line for line, _, _ in QUESTIONS])
def test_a_shell_offers(offers: dict[str, set[str]], line: str, offered: set[str], not_offered: set[str]) -> None:
    found = offers[line]
    assert (offered - found, not_offered & found) == (set(), set()), sorted(found)


def test_the_history_is_asked_for_activations(environment: dict[str, str]) -> None:
    asked = ["livefw", complete.COMMAND, "activations", "--root", f"{environment['HOME']}/tree"]
    words = run(*asked, env=environment).split()
    assert f"lfa:{RMM}" in words
    assert [word for word in words if len(word) == 8]


@pytest.mark.parametrize("kind", [*complete.KINDS, "", "nothing"])
@pytest.mark.parametrize("line", [(), ("--root", "/nowhere"), ("--settings", "/nowhere"), ("--root",)])
def test_nothing_is_said_where_nothing_is_known(
    kind: str, line: tuple[str, ...], tmp_path: Path, environment: dict[str, str]
) -> None:
    """And nothing is left behind."""
    elsewhere = environment | {"LIVEFW_STATE": str(tmp_path / "state"), "LIVEFW_RUNTIME_DIR": str(tmp_path / "run")}
    done = subprocess.run(
        ["livefw", complete.COMMAND, kind, *line], env=elsewhere, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_it_ends_where_the_machine_does_not_answer(tmp_path: Path, environment: dict[str, str]) -> None:
    """A FIFO in place of a file is opened for ever."""
    lfa = tmp_path / "sys/firmware/lfa"
    lfa.mkdir(parents=True)
    os.mkfifo(lfa / "inventory")
    command = ["livefw", complete.COMMAND, "components", "--root", str(tmp_path)]
    given = environment | {complete.PATIENCE_VARIABLE: "0.5"}
    done = subprocess.run(command, env=given, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"")


@pytest.mark.parametrize(
    ("told", "seconds"),
    [("10", 10), ("0.5", 0.5), *((each, 2) for each in ("", "0", "-1", "nan", "inf", "1e9", "soon"))],
)
def test_patience_is_what_the_environment_says_if_that_is_a_time(
    told: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(complete.PATIENCE_VARIABLE, told)
    assert complete.patience_s() == seconds


@pytest.mark.fuse
def test_running_machines_are_offered(environment: dict[str, str], tmp_path: Path) -> None:
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse is missing or not allowed")
    place = environment | {"LIVEFW_RUNTIME_DIR": str(tmp_path)}
    command = ["livefw", "machine", "run", "--platform", "fvp", "--machine", "one"]
    with subprocess.Popen(command, env=place, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert "one is ready" in process.stdout.readline()
        try:
            for asked, offered in (("machines", "one"), ("parts", "rmm")):
                assert offered in run("livefw", complete.COMMAND, asked, env=place).split()
        finally:
            process.terminate()


@pytest.mark.parametrize("program", ["generate.py", "completions.py", "sbom.py"])
@pytest.mark.parametrize(("word", "code"), [("--help", 0), ("--nothing", 2)])
def test_an_option_is_no_name_of_what_is_written(program: str, word: str, code: int, tmp_path: Path) -> None:
    command = [sys.executable, "-B", str(PACKAGING / program), word]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, list(tmp_path.iterdir())) == (code, [])
    assert "usage: " in done.stdout + done.stderr


def test_scripts_are_those_of_the_parsers(tmp_path: Path) -> None:
    """`make completions` writes them anew."""
    run(
        sys.executable,
        "-B",
        PACKAGING / "completions.py",
        tmp_path,
        env={**os.environ, "PYTHONPATH": str(PACKAGING.parent / "src")},
    )
    for name in ("livefw.bash", "_livefw", "livefw.fish"):
        assert (SCRIPTS / name).read_text() == (tmp_path / name).read_text(), "make completions"
