# SPDX-License-Identifier: Apache-2.0
"""scripts/setup.sh on a machine that has next to nothing, and a stand-in for apt-get."""

import shutil
import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
TEXT = ("cat", "cut", "grep", "head", "sed", "sha256sum", "sort", "tail", "tee")
FILES = ("basename", "dirname", "find", "mkdir", "mv", "pwd", "realpath", "rm", "touch")
HAS = (*TEXT, *FILES, "env", "false", "getent", "sh", "timeout", "true", "uname")
APT = """#!/bin/sh
case " $* " in
    *" install "*) echo "$*" | sed 's/.*--no-install-recommends //' >>"$ASKED" ;;
    *" update "*) exit 0 ;;
esac
case " $* " in *" $REFUSED "*) exit 100 ;; esac
"""


def set_up(folder: Path, *, refused: str = "none", uid: int = 0) -> tuple[list[list[str]], str]:
    """Set up the packages; what apt-get was asked to install, each time, and what was said."""
    programs, asked = folder / "bin", folder / "asked"
    programs.mkdir(exist_ok=True)
    for name in HAS:
        found = shutil.which(name)
        assert found, name
        (programs / name).symlink_to(found)
    for name, script in {"apt-get": APT, "id": f"#!/bin/sh\necho {uid}\n"}.items():
        (programs / name).write_text(script, encoding="ascii")
        (programs / name).chmod(0o755)
    asked.touch()
    environment = {
        "PATH": str(programs),
        "HOME": str(folder),
        "VENV": str(folder / "venv"),
        "LIVEFW_TEST_CACHE": str(folder / "cache"),
        "ASKED": str(asked),
        "REFUSED": refused,
    }
    command = ["sh", str(CHECKOUT / "scripts/setup.sh"), "packages"]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [line.split() for line in asked.read_text().splitlines()], done.stderr


PYTHON = """#!/bin/sh
case "$*" in "-m venv --clear "*) mv "$HOME/made" "$4" ;; esac
"""
PIP = """#!/bin/sh
echo "$*" >>"$HOME/pip"
[ "$1" = install ] && [ "$2" = -qq ]
"""


def without_environment(folder: Path, **others: str) -> None:
    """A machine on which the virtual environment has to be made; ``others`` are further programs, by their paths."""
    for path, script in {
        "bin/python3": PYTHON,
        "made/bin/pip": PIP,
        "made/bin/python": "#!/bin/sh\nexit 1\n",
        **others,
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(script, encoding="ascii")
        (folder / path).chmod(0o755)


def asked_of(program: Path) -> list[str]:
    """The words after the last path of each command, in its order."""
    return [line.rpartition("/")[2] for line in program.read_text(encoding="ascii").splitlines()]


def test_virtual_environment_is_made_where_there_is_none(tmp_path: Path) -> None:
    """What pip fetches for tests is then there, whatever was set up first."""
    without_environment(tmp_path)
    _, said = set_up(tmp_path)
    assert (tmp_path / "venv/run.stamp").exists()
    assert (tmp_path / "pip").read_text(encoding="ascii").splitlines()[0].endswith("-r requirements/run.txt")
    assert "pip: not found" not in said


UV = """#!/bin/sh
echo "$*" >>"$HOME/uv"
case "$*" in *requirements/build.txt) exit 1 ;; esac
"""


def test_uv_of_an_earlier_set_up_fills_it_and_pip_what_uv_does_not_find(tmp_path: Path) -> None:
    without_environment(tmp_path, **{"cache/uv/bin/uv": UV})
    set_up(tmp_path)
    assert asked_of(tmp_path / "uv")[:3] == ["run.txt", "build.txt", "crypto.txt"]
    assert all("--require-hashes --only-binary=:all:" in each for each in (tmp_path / "uv").read_text().splitlines())
    assert asked_of(tmp_path / "pip")[0] == "build.txt"


def test_all_packages_are_installed_at_once(tmp_path: Path) -> None:
    ((*names,), *others), said = set_up(tmp_path)
    assert others == []
    assert {"fuse3", "dkms", "dh-dkms", "libvirt-dev", "build-essential", "openssh-client"} < {*names}
    assert said.count("livefw set-up: installing ") == 1


def test_one_that_is_not_to_be_had_takes_no_other_with_it(tmp_path: Path) -> None:
    (names, *others), said = set_up(tmp_path, refused="nix-bin")
    assert others == [[name] for name in names]
    assert "apt-get could not install nix-bin\n" in said


def test_a_user_is_told_what_is_missing(tmp_path: Path) -> None:
    asked, said = set_up(tmp_path, uid=1000)
    assert asked == []
    assert "without fish the tests of completion are skipped; on Debian: apt-get install fish\n" in said
    assert "the virtual machine" in said
