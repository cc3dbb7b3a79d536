# SPDX-License-Identifier: Apache-2.0
"""A private key that stays in a PKCS #11 token (HSM, smart card, SoftHSM), used through OpenSSL's program.

OpenSSL's engine ``pkcs11`` (libp11) finds the token's module through p11-kit, or by ``PKCS11_MODULE_PATH``; the key is
named by a URI (RFC 7512), which may have the PIN in ``pin-source``. The command's own environment is handed on.
"""

import subprocess
from dataclasses import dataclass

from livefw.errors import NotInstalled, UsageError
from livefw.firmware.image.certificate import HashKind

_ENGINE = ("-engine", "pkcs11")
_SECONDS = 60.0
"""For one signature; a network HSM answers within a few."""
_MOST = 64 << 10
SCHEME = "pkcs11:"


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A key in a token: its URI, and its public part as SubjectPublicKeyInfo in DER."""

    uri: str
    info: bytes

    def sign(self, data: bytes, kind: HashKind, *, salt: int | None) -> bytes:
        """A signature: RSA-PSS with a salt of that many bytes, or ECDSA if there is no salt; `UsageError`."""
        words = ["dgst", f"-{kind.name.lower()}", *_ENGINE, "-keyform", "engine", "-sign", self.uri]
        if salt is not None:
            padding = ("rsa_padding_mode:pss", f"rsa_pss_saltlen:{salt}", f"rsa_mgf1_md:{kind.name.lower()}")
            words += [word for option in padding for word in ("-sigopt", option)]
        return _openssl(self.uri, words, data)


def find(uri: str) -> TokenKey:
    """The key with this URI; `UsageError` if OpenSSL cannot find or use it."""
    words = ["pkey", *_ENGINE, "-inform", "engine", "-in", uri, "-pubout", "-outform", "DER"]
    return TokenKey(uri, _openssl(uri, words))


def _openssl(uri: str, words: list[str], question: bytes = b"") -> bytes:
    public = uri.partition("?")[0]  # without the PIN
    try:
        done = subprocess.run(["openssl", *words], input=question, capture_output=True, check=False, timeout=_SECONDS)
    except FileNotFoundError:
        raise NotInstalled("the program openssl is not installed", hint="Debian: apt-get install openssl") from None
    except subprocess.TimeoutExpired:
        raise UsageError(f"{public}: no answer of the token within {_SECONDS:g} s") from None
    if done.returncode or not 0 < len(done.stdout) <= _MOST:
        lines = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if not line.startswith("Engine ")]
        why = lines[0].replace(uri, public)[:200] if lines else f"openssl ended with exit code {done.returncode}"
        hint = "the engine is in Debian's libengine-pkcs11-openssl; PKCS11_MODULE_PATH names the token's module"
        raise UsageError(f"{public}: {why}", hint=hint)
    return done.stdout
