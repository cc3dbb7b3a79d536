# SPDX-License-Identifier: Apache-2.0
"""Peers and real firmware for the image tests.

``fiptool`` and ``cert_create`` come from Debian's arm-trusted-firmware-tools and are found on PATH. Real firmware
comes from a cache (LIVEFW_TEST_CACHE, by default ~/.cache/livefw), which ``tests/image/fetch.sh`` fills; nothing is
fetched here. Where fetching was tried in vain the tests that want it fail as expected, with the reason, which is not a
skip: no mirror decides whether the tests pass.
"""

import hashlib
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from livefw.abi.guid import FVP_SP1, FVP_SP2, Guid
from livefw.firmware.image import build
from livefw.firmware.image.chain import CCA_2_8, DUAL_ROOT, TBBR
from livefw.firmware.image.names import BY_OPTION, PlatformPartition
from livefw.firmware.image.verify import TrustAnchor

Run = Callable[..., str]
"""Runs a program with arguments and returns what it wrote; fails the test if it fails."""


def _program(name: str, package: str = "arm-trusted-firmware-tools") -> Run:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed (Debian package {package})")

    def run(*arguments: object) -> str:
        done = subprocess.run([path, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def fiptool() -> Run:
    return _program("fiptool")


@pytest.fixture
def cert_create() -> Run:
    return _program("cert_create")


@pytest.fixture
def mkeficapsule() -> Run:
    return _program("mkeficapsule", "u-boot-tools")


@pytest.fixture
def iucode_tool() -> Run:
    return _program("iucode_tool", "iucode-tool")


@pytest.fixture
def sgdisk() -> Run:
    return _program("sgdisk", "gdisk")


@pytest.fixture
def binman() -> Run:
    """Runs Python source in which ``fip_util`` is binman's module; apart, because it is GPL and changes sys.path."""
    probe = subprocess.run([sys.executable, "-c", "import binman.fip_util"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("binman is not installed (PyPI binary-manager)")

    def run(source: str, *arguments: object) -> str:
        program = [sys.executable, "-c", f"import sys\nfrom binman import fip_util\n{source}", *map(str, arguments)]
        done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def firmware() -> Callable[[str], Path]:
    """Path of a file of the unpacked Debian firmware packages."""
    cache = Path(os.environ.get("LIVEFW_TEST_CACHE", "~/.cache/livefw")).expanduser()

    def find(name: str) -> Path:
        path = cache / "fw" / name
        missing = cache / "unavailable"
        if not path.is_file() and missing.is_file():
            pytest.xfail(missing.read_text())  # tried, and no fault of what is tested
        if not path.is_file():
            pytest.skip(f"{name} is not in the test cache {cache} (tests/image/fetch.sh)")
        return path

    return find


@pytest.fixture
def create_tbbr(cert_create: Run) -> Callable[..., TrustAnchor]:
    """Runs cert_create on image files by option, into a folder; returns what a machine that believes it has.

    It makes the certificates that vouch for these images. One key, kept in ``keys`` or else in the folder, serves all
    places of the chain, because making RSA keys takes seconds.
    """

    def create(
        folder: Path,
        images: Mapping[str, Path],
        *,
        algorithm: str,
        bits: int | None,
        hash_name: str,
        counter: int = 31,
        keys: Path | None = None,
    ) -> TrustAnchor:
        key, info = ((keys or folder) / name for name in ("key.pem", "key.der"))
        if not key.exists():
            _make_key(key, info, algorithm, bits)
        covering = filter(None, (TBBR.covers(BY_OPTION[option].guid) for option in images))
        rows = {row.name for end, _ in covering for row in TBBR.path(end)}
        words = [word for option, path in images.items() for word in (f"--{option}", path)]
        words += [word for name in rows for word in (f"--{name}", folder / name)]
        words += [word for option in build.key_options(TBBR) for word in (f"--{option}", key)]
        cert_create("-a", algorithm, "-s", hash_name, "--tfw-nvctr", counter, "--ntfw-nvctr", 223, *words)
        return TrustAnchor(TBBR, {"rot-key": hashlib.sha256(info.read_bytes()).digest()})

    return create


def _make_key(key: Path, info: Path, algorithm: str, bits: int | None) -> None:
    made = (
        rsa.generate_private_key(public_exponent=65537, key_size=bits)
        if bits
        else ec.generate_private_key(ec.BrainpoolP256R1() if "brainpool" in algorithm else ec.SECP256R1())
    )
    plain = serialization.NoEncryption()
    key.write_bytes(made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    info.write_bytes(build.public_info(made))


@pytest.fixture
def recorded() -> tuple[dict[str, bytes], TrustAnchor]:
    """Certificates of the CCA chain by cert_create, and what a machine that believes them has (data/cca/README.md)."""
    files, hashes = _recorded("cca")
    partitions = (FVP_SP1.guid, FVP_SP2.guid, *(Guid(bytes([number]) * 16) for number in (3, 4, 5)))
    roots = {name: hashes[name] for name in CCA_2_8.roots}
    return files, TrustAnchor(CCA_2_8.with_partitions(partitions), roots)


@pytest.fixture
def recorded_dual_root() -> tuple[dict[str, bytes], TrustAnchor]:
    """The same of the dual-root chain, on a platform with one secure partition of each owner."""
    files, hashes = _recorded("dualroot")
    chain = DUAL_ROOT.with_platform([PlatformPartition("op-tee"), PlatformPartition("ivy", "Plat")])
    return files, TrustAnchor(chain, {name: hashes[name] for name in chain.roots})


def _recorded(name: str) -> tuple[dict[str, bytes], dict[str, bytes]]:
    folder = Path(__file__).parent / "data" / name
    lines = [line.split() for line in (folder / "README.md").read_text().splitlines()]
    hashes = {words[0]: bytes.fromhex(words[1]) for words in lines if len(words) == 2 and len(words[1]) == 64}
    files = {file.stem: ssl.PEM_cert_to_DER_cert(file.read_text()) for file in folder.glob("*.pem")}
    assert {name: hashlib.sha256(data).digest() for name, data in files.items()}.items() <= hashes.items()
    return files, hashes
