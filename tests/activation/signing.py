# SPDX-License-Identifier: Apache-2.0
"""Keys, certificates and signatures as vendors and the LVFS have them, made by openssl."""

import gzip
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

DATA = b"hello"
# An OpenPGP key of nobody, and its signature of DATA: gpg would leave its agent behind.
KEY = """\
-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEXgvhABYJKwYBBAHaRw8BAQdA6F0UiiKmrSQsEM+pwn5DdODBz+vw1MRUFL1Z
ms7mjHe0F1Rlc3QgPHRlc3RAZXhhbXBsZS5vcmc+iJAEExYIADgWIQSHO9u3ETG3
5Nxm59mzPmtrKuw9mwUCXgvhAAIbAwULCQgHAgYVCgkICwIEFgIDAQIeAQIXgAAK
CRCzPmtrKuw9m0+cAP9KSE4pSjLx+Xd3DWAhgNSc5JN3W7EWvxMstpkUtzp6RQEA
99HyNZHjOLU4qbMwAeCYGJe5wZsuuKOKCgfjaoeTLQo=
=8iXJ
-----END PGP PUBLIC KEY BLOCK-----
"""
OPENPGP = """\
-----BEGIN PGP SIGNATURE-----

iHUEABYIAB0WIQSHO9u3ETG35Nxm59mzPmtrKuw9mwUCXgvhAAAKCRCzPmtrKuw9
m5zjAQC/xf6hAg2E7g1rZ9YAjl33dTOdCvXW6zwJ110Vu+VX+QEAp1MLToj0YyMT
TfndKR5CDnLNbU2+v7u8Cxa2WOvomwc=
=U5K8
-----END PGP SIGNATURE-----
"""


def run(*words: object, cwd: Path | None = None, given: bytes | None = None) -> bytes:
    done = subprocess.run(list(map(str, words)), capture_output=True, check=True, cwd=cwd, input=given)
    return done.stdout


class Signing:
    """A certificate authority, a signer with its certificate, and a directory ``keys`` with what is to be trusted."""

    def __init__(self, folder: Path) -> None:
        for program, package in (("openssl", "openssl"), ("gpgv", "gpgv")):
            if shutil.which(program) is None:
                pytest.skip(f"needs {program} (Debian: {package})")
        self.folder, self.keys = folder, folder / "keys"
        new = ("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        for name in ("ca", "other"):
            more = (
                "-x509",
                "-days",
                "3650",
                "-subj",
                f"/CN={name}",
                "-addext",
                "keyUsage=keyCertSign,digitalSignature",
            )
            run(*new, *more, "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem")
        run(*new, "-subj", "/CN=signer", "-keyout", folder / "signer.key", "-out", folder / "signer.csr")
        (folder / "extensions").write_text("keyUsage=digitalSignature\n")
        issue = ("openssl", "x509", "-req", "-in", folder / "signer.csr", "-days", "3650", "-set_serial", "7")
        signed = ("-CA", folder / "ca.pem", "-CAkey", folder / "ca.key", "-extfile", folder / "extensions")
        run(*issue, *signed, "-out", folder / "signer.pem")
        self.keys.mkdir()
        shutil.copy(folder / "ca.pem", self.keys)
        (self.keys / "GPG-KEY-test").write_text(KEY)

    def sign(self, data: bytes, signer: str = "signer") -> str:
        """PKCS#7 of some bytes, in PEM."""
        (self.folder / "data").write_bytes(data)
        keys = ("-signer", self.folder / f"{signer}.pem", "-inkey", self.folder / f"{signer}.key")
        flags = ("-binary", "-outform", "PEM", "-md", "sha256")
        return run("openssl", "smime", "-sign", "-in", self.folder / "data", *keys, *flags).decode()


def catalog(blobs: dict[str, list[dict[str, Any]]]) -> bytes:
    items = [{"Id": name, "Blobs": each} for name, each in blobs.items()]
    return gzip.compress(json.dumps({"JcatVersionMajor": 0, "JcatVersionMinor": 1, "Items": items}).encode(), mtime=0)


def blob(kind: int, data: str, **more: int) -> dict[str, Any]:
    return {"Kind": kind, "Flags": 1, "AppstreamId": "org.example", "Timestamp": 0, "Data": data} | more
