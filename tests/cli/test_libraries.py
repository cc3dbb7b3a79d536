# SPDX-License-Identifier: Apache-2.0
"""Each package that not everybody needs, missing: every verb that needs it says so, and how it is had."""

import json
import re
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path
from typing import Any

import pytest

from livefw import libraries
from livefw.abi import spdm
from livefw.cli.main import main
from livefw.errors import KINDS, ExitCode, NotInstalled
from livefw.firmware.image import trust
from livefw.providers.lfa.fake import RMM
from livefw.providers.redfish import attest

WITHOUT = """
import sys

class Nowhere:
    @staticmethod
    def find_spec(name, *_):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Nowhere)
sys.argv = ["livefw", *{words!r}]
from livefw.cli.main import command
command()
"""

BMC = '[[redfish.bmc]]\nname = "rack"\nurl = "https://192.0.2.1"\ncredentials = "/etc/livefw/bmc.credentials"\n'

NEEDS = [
    ("msgspec", "machine run --help"),
    ("msgspec", "machine run --platform vera"),
    ("msgspec", "machine platforms"),
    ("msgspec", "machine list"),
    ("msgspec", "machine show DIR"),
    ("msgspec", "machine stage DIR rmm"),
    ("msgspec", "machine log DIR"),
    ("msgspec", "demo"),
    ("cryptography", "machine bmc DIR"),
    ("cryptography", "machine run --platform vera --store STORE"),
    ("cryptography", "machine run --platform vera --bmc"),
    ("cryptography", "image build --image rmm-fw=FILE --keys DIR --new-keys p256 OUT"),
    ("cryptography", "image verify PACKAGE --trust TRUST"),
    ("redfish", "list"),
    ("redfish", "show redfish:rack/bios"),
    ("redfish", "plan"),
    ("redfish", "plan redfish:rack/bios"),
    ("redfish", "activate redfish:rack/bios"),
    ("redfish", "activate --all"),
    ("redfish", "cancel redfish:rack/bios"),
    ("redfish", "stage redfish:rack/bios FILE"),
    ("cabarchive", f"image cab OUT --image FILE --component lfa:{RMM} --version 1.2"),
]


def command(name: str, words: list[str], root: Any) -> subprocess.CompletedProcess[str]:
    program = WITHOUT.format(names=[name], words=root.command(*words)[3:])
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env=root.environment | {"PYTHONPATH": ":".join(path for path in sys.path if path)},
        timeout=60,
    )


@pytest.fixture
def machine(ready: Any, tmp_path: Path) -> Any:
    """With an image and an archive beside it."""
    (tmp_path / "FILE").write_bytes(b"an image")
    (tmp_path / "CAB").write_bytes(b"MSCF" + bytes(100))
    return ready


@pytest.fixture(scope="session")
def signed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A signed package, and whom to trust for it."""
    folder = tmp_path_factory.mktemp("signed")
    (folder / "rmm").write_bytes(b"RMM" * 100)
    words = ["--keys", str(folder / "keys"), "--new-keys", "p256", str(folder / "package")]
    assert main(["image", "build", "--image", f"rmm-fw={folder}/rmm", *words]) == 0
    return folder / "package", folder / "keys" / trust.NAME


@pytest.mark.parametrize(("name", "line"), NEEDS, ids=lambda value: str(value).replace(" ", "_"))
def test_what_needs_it_says_so(machine: Any, signed: tuple[Path, Path], tmp_path: Path, name: str, line: str) -> None:
    if name == "redfish":  # nothing but the BMC: what is there is shown all the same, see below
        for path in machine.path.glob("sys/firmware/lfa/*/*"):
            path.unlink()
        for path in (*machine.path.glob("sys/firmware/lfa/*"), machine.path / "sys/firmware/lfa"):
            path.rmdir()
        settings(machine)
    made = dict(zip(("PACKAGE", "TRUST"), signed, strict=True))
    words = [str(made.get(word, tmp_path / word)) if word.isupper() else word for word in line.split()]
    words = [re.sub("=FILE", f"={tmp_path}/FILE", word) for word in words]
    done = command(name, ["--json", *words], machine)
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["kind"], done.stderr) == (7, "not-installed", "")
    assert f"the Python package {name} is not installed" in error["message"]
    assert error["hint"] == libraries.how(name)


def test_in_words_too(machine: Any) -> None:
    done = command("msgspec", ["machine", "platforms"], machine)
    assert (done.returncode, done.stdout) == (ExitCode.NOT_INSTALLED, "")
    assert done.stderr == (
        "livefw: the Python package msgspec is not installed\n"
        "  hint: pip install msgspec, or Debian's python3-msgspec (from Debian 13 on)\n"
    )


WHERE_IT_MAY = "in a virtual environment (python3 -m venv)"


@pytest.mark.parametrize(
    ("name", "hint", "command"),
    [
        ("redfish", f"pip install 'livefw[redfish]' {WHERE_IT_MAY}", ""),
        (
            "cryptography",
            f"apt install python3-cryptography, or pip install 'livefw[crypto]' {WHERE_IT_MAY}",
            "apt install python3-cryptography",
        ),
        (
            "msgspec",
            f"apt install python3-msgspec (from Debian 13 on), or pip install msgspec {WHERE_IT_MAY}",
            "",
        ),
    ],
)
def test_what_pip_refuses_is_not_recommended(
    name: str, hint: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PEP 668: a marker in the folder of the standard library, and no virtual environment."""
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    (tmp_path / "EXTERNALLY-MANAGED").touch()
    assert libraries.how(name).startswith(f"pip install {libraries.LIBRARIES[name].pip}")  # in the tests' environment
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert (libraries.how(name), libraries.command(name)) == (hint, command)
    (tmp_path / "EXTERNALLY-MANAGED").unlink()
    assert libraries.how(name).startswith(f"pip install {libraries.LIBRARIES[name].pip}")


def settings(root: Any) -> None:
    path = root.file("/etc/livefw/livefw.toml")
    path.parent.mkdir(parents=True)
    path.write_text(BMC)


def test_what_is_there_is_shown_beside_a_bmc_that_cannot_be_asked(machine: Any) -> None:
    settings(machine)
    done = command("redfish", ["list"], machine)
    assert (done.returncode, "TF-RMM" in done.stdout) == (0, True)
    assert "BMC rack at https://192.0.2.1: the Python package redfish is not installed" in done.stderr
    done = command("redfish", ["--json", "list"], machine)
    (note,) = json.loads(done.stdout)["notes"]
    assert (note["code"], note["hint"]) == ("not-installed", "pip install 'livefw[redfish]'")


@pytest.mark.parametrize("name", libraries.LIBRARIES)
def test_doctor_names_what_is_missing_and_what_that_costs(machine: Any, name: str) -> None:
    done = command(name, ["--json", "doctor"], machine)
    (mine,) = [row for row in json.loads(done.stdout)["findings"] if row["code"] == "not-installed"]
    assert (done.returncode, mine["provider"], mine["severity"]) == (0, "livefw", "info")
    assert mine["text"] == f"the Python package {name} is not installed: no {libraries.LIBRARIES[name].purpose}"
    assert mine["hint"] == libraries.how(name)


def test_doctor_calls_it_an_error_where_it_is_needed(machine: Any) -> None:
    settings(machine)
    done = command("redfish", ["--json", "doctor"], machine)
    missing = [row for row in json.loads(done.stdout)["findings"] if row["code"] == "not-installed"]
    told = [(row["provider"], row["severity"]) for row in missing]
    assert (done.returncode, told) == (1, [("redfish", "error"), ("livefw", "info")])


@pytest.mark.parametrize("line", ["list", "doctor", "plan", "history", "policy", "conformance", "machine --help"])
def test_what_does_not_need_them_works_without_any(machine: Any, line: str) -> None:
    program = WITHOUT.format(names=[*libraries.LIBRARIES], words=["--root", str(machine.path), *line.split()])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, env=machine.environment)
    assert done.returncode == (3 if line == "history" else 0), done.stderr


def test_a_modelled_bmc_needs_no_modelled_machine(machine: Any, tmp_path: Path) -> None:
    program = WITHOUT.format(names=["msgspec", "redfish"], words=["machine", "bmc", str(tmp_path / "DIR")])
    environment = machine.environment | {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment
    ) as served:
        assert served.stdout
        assert "a modelled BMC is ready" in served.stdout.readline()
        served.terminate()


def test_an_attestation_says_that_it_was_not_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    def verify(*_: object) -> None:
        raise ModuleNotFoundError("No module named 'cryptography'", name="cryptography")

    monkeypatch.setattr(spdm, "parse", lambda *_, **__: None)
    monkeypatch.setattr(attest, "_verify", verify)
    answer = {"SignedMeasurements": "", "SigningAlgorithm": "TPM_ALG_ECDSA_ECC_NIST_P256", "Certificate": {}}
    client: Any = type(
        "Client",
        (),
        {
            "origin": "https://bmc.example",
            "ask": lambda *_: type("Answer", (), {"status": 200, "body": answer | {"PublicKey": ""}}),
        },
    )()
    assert "the Python package cryptography is not installed" in attest.attest(client, "/measure").trouble


def test_a_package_that_is_broken_is_not_called_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cabarchive.py").write_text("import no_such_thing_at_all\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "cabarchive", raising=False)
    with pytest.raises(NotInstalled, match="cabarchive cannot be imported: No module named 'no_such_thing_at_all'"):
        libraries.load("cabarchive")


def test_a_module_of_ours_that_is_missing_is_our_defect() -> None:
    assert libraries.cause(ModuleNotFoundError("x", name="livefw.nothing")) is None


def test_every_package_that_users_may_install_is_known() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    ours = ("test", "docs", "fuzz", "peers")
    extras = {name: rows for name, rows in project["optional-dependencies"].items() if name not in ours}
    told = {row.pip.strip("'") for row in libraries.LIBRARIES.values()}
    assert told == {re.split("[<>=]", row)[0] for row in project["dependencies"]} | {
        f"livefw[{name}]" for name in extras
    }
    assert {re.split("[<>=]", row)[0].replace("-", "_") for rows in extras.values() for row in rows} < {
        *libraries.LIBRARIES
    }
    assert KINDS[NotInstalled].exit_code == ExitCode.NOT_INSTALLED
