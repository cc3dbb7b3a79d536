# SPDX-License-Identifier: Apache-2.0
"""The chains of trust of TF-A as tables: which key signs which certificate, and what that vouches for.

TBBR (Arm DEN0006; TF-A v2.8 ``tools/cert_create/src/tbbr`` and ``drivers/auth/tbbr``), dual-root (``.../dualroot``),
where a second root signs what belongs to the platform, and CCA (``.../cca``), which is the one that covers an RMM. A
row says where the key of a certificate comes from (a root of trust, or a key extension of another certificate), which
counter guards it, which keys it hands on and which images it vouches for. Object identifiers: TF-A
``include/tools_share/{tbbr,dualroot,cca}_oid.h``.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from livefw.abi.guid import FVP_SP1, FVP_SP2, Guid
from livefw.firmware.image.names import BY_OPTION, PlatformPartition, label

ARC = "1.3.6.1.4.1.4128.2100."
"""Arm's arc; the tables give the rest of each identifier."""

SP_PACKAGES = 8


class Counter(StrEnum):
    """Non-volatile counters against rollback; the value is cert_create's option without ``-nvctr``."""

    TRUSTED = "tfw"
    NON_TRUSTED = "ntfw"
    CCA = "ccafw"

    @property
    def oid(self) -> str:
        """Identifier of the extension that carries the counter."""
        return ARC + _COUNTER_OIDS[self]


_COUNTER_OIDS = {Counter.TRUSTED: "1", Counter.NON_TRUSTED: "2", Counter.CCA: "3"}


class ChainKey(NamedTuple):
    """A key that one certificate hands on in an extension, by cert_create's option of the key file."""

    option: str
    oid: str


class Hash(NamedTuple):
    """An image that a certificate vouches for, by cert_create's option of the image file."""

    option: str
    oid: str
    optional: bool = False


class CertificateRow(NamedTuple):
    """One certificate of a chain.

    ``name`` is fiptool's and cert_create's option; ``key`` the option of the key that signs it, which is a root of the
    chain, or stands among the keys of ``parent``.
    """

    name: str
    title: str
    key: str
    parent: str | None
    counter: Counter | None
    keys: tuple[ChainKey, ...] = ()
    hashes: tuple[Hash, ...] = ()


def _keys(**oids: str) -> tuple[ChainKey, ...]:
    return tuple(ChainKey(option.replace("_", "-"), ARC + oid) for option, oid in oids.items())


def _hashes(text: str) -> tuple[Hash, ...]:
    """``option:oid`` words; a question mark behind the option means that cert_create may go without the image."""
    words = (word.partition(":") for word in text.split())
    return tuple(Hash(option.rstrip("?"), ARC + oid, option.endswith("?")) for option, _, oid in words)


def _packages(first: int, last: int) -> tuple[Hash, ...]:
    return tuple(Hash(f"sp-pkg{number}", f"{ARC}{1300 + number}", optional=True) for number in range(first, last + 1))


@dataclass(frozen=True, slots=True)
class TrustChain:
    """A chain of trust. ``partitions`` says which GUID the package of a secure partition has, for sp-pkg1 and up, None
    for one that this platform does not have; ``names`` are those that a trust file adds."""

    name: str
    roots: tuple[str, ...]
    rows: tuple[CertificateRow, ...]
    partitions: tuple[Guid | None, ...] = (FVP_SP1.guid, FVP_SP2.guid)
    names: tuple[tuple[str, Guid], ...] = ()

    def with_partitions(self, partitions: tuple[Guid | None, ...]) -> "TrustChain":
        """The same chain on a platform with other secure partitions (at most eight)."""
        return replace(self, partitions=partitions)

    def with_platform(self, partitions: Iterable[PlatformPartition]) -> "TrustChain":
        """The same chain for the secure partitions of a platform, numbered as by TF-A's ``sp_mk_generator.py``.

        One follows the other; in a dual-root chain those that the platform owns begin at sp-pkg5.
        """
        numbered: list[Guid | None] = [None] * SP_PACKAGES
        next_of = {"SiP": 0, "Plat": SP_PACKAGES // 2}
        for partition in partitions:
            owner = partition.owner if self.name == DUAL_ROOT.name else "SiP"
            numbered[next_of[owner]] = BY_OPTION[partition.option].guid
            next_of[owner] += 1
        while numbered and numbered[-1] is None:
            numbered.pop()
        return self.with_partitions(tuple(numbered))

    def label(self, guid: Guid) -> str:
        """What an image is called: a name that the trust file adds, a public one, or the GUID."""
        return next((name for name, known in self.names if known == guid), None) or label(guid)

    def row(self, name: str) -> CertificateRow:
        """The certificate of that name; KeyError if the chain has none."""
        return {row.name: row for row in self.rows}[name]

    def image_guid(self, option: str) -> Guid | None:
        """GUID of an image by option name; None for a partition that this platform does not have."""
        if option.startswith("sp-pkg"):
            index = int(option.removeprefix("sp-pkg")) - 1
            return self.partitions[index] if index < len(self.partitions) else None
        return BY_OPTION[option].guid

    def covers(self, guid: Guid) -> tuple[CertificateRow, Hash] | None:
        """The certificate that vouches for an image and the extension it does it in."""
        for row in self.rows:
            for entry in row.hashes:
                if self.image_guid(entry.option) == guid:
                    return row, entry
        return None

    def path(self, row: CertificateRow) -> tuple[CertificateRow, ...]:
        """The certificates from the root of trust down to this one."""
        return (*(self.path(self.row(row.parent)) if row.parent else ()), row)

    @property
    def known_oids(self) -> frozenset[str]:
        """All extensions that the chain gives a meaning to."""
        keys = {key.oid for row in self.rows for key in row.keys}
        hashes = {entry.oid for row in self.rows for entry in row.hashes}
        return frozenset(keys | hashes | {counter.oid for counter in Counter})


_BOOT = "tb-fw:201 tb-fw-config?:202 hw-config?:203 fw-config?:204"

TBBR = TrustChain(
    "tbbr",
    ("rot-key",),
    (
        CertificateRow(
            "tb-fw-cert", "Trusted Boot FW Certificate", "rot-key", None, Counter.TRUSTED, (), _hashes(_BOOT)
        ),
        CertificateRow(
            "trusted-key-cert",
            "Trusted Key Certificate",
            "rot-key",
            None,
            Counter.TRUSTED,
            _keys(trusted_world_key="302", non_trusted_world_key="303"),
        ),
        CertificateRow(
            "scp-fw-key-cert",
            "SCP Firmware Key Certificate",
            "trusted-world-key",
            "trusted-key-cert",
            Counter.TRUSTED,
            _keys(scp_fw_key="701"),
        ),
        CertificateRow(
            "scp-fw-cert",
            "SCP Firmware Content Certificate",
            "scp-fw-key",
            "scp-fw-key-cert",
            Counter.TRUSTED,
            (),
            _hashes("scp-fw:801"),
        ),
        CertificateRow(
            "soc-fw-key-cert",
            "SoC Firmware Key Certificate",
            "trusted-world-key",
            "trusted-key-cert",
            Counter.TRUSTED,
            _keys(soc_fw_key="501"),
        ),
        CertificateRow(
            "soc-fw-cert",
            "SoC Firmware Content Certificate",
            "soc-fw-key",
            "soc-fw-key-cert",
            Counter.TRUSTED,
            (),
            _hashes("soc-fw:603 soc-fw-config?:604"),
        ),
        CertificateRow(
            "tos-fw-key-cert",
            "Trusted OS Firmware Key Certificate",
            "trusted-world-key",
            "trusted-key-cert",
            Counter.TRUSTED,
            _keys(tos_fw_key="901"),
        ),
        CertificateRow(
            "tos-fw-cert",
            "Trusted OS Firmware Content Certificate",
            "tos-fw-key",
            "tos-fw-key-cert",
            Counter.TRUSTED,
            (),
            _hashes("tos-fw:1001 tos-fw-extra1?:1002 tos-fw-extra2?:1003 tos-fw-config?:1004"),
        ),
        CertificateRow(
            "nt-fw-key-cert",
            "Non-Trusted Firmware Key Certificate",
            "non-trusted-world-key",
            "trusted-key-cert",
            Counter.NON_TRUSTED,
            _keys(nt_fw_key="1101"),
        ),
        CertificateRow(
            "nt-fw-cert",
            "Non-Trusted Firmware Content Certificate",
            "nt-fw-key",
            "nt-fw-key-cert",
            Counter.NON_TRUSTED,
            (),
            _hashes("nt-fw:1201 nt-fw-config?:1202"),
        ),
        CertificateRow(
            "sip-sp-cert",
            "SiP owned Secure Partition Content Certificate",
            "trusted-world-key",
            "trusted-key-cert",
            Counter.TRUSTED,
            (),
            _packages(1, SP_PACKAGES),
        ),
        CertificateRow(
            "fwu-cert",
            "Firmware Update Certificate",
            "rot-key",
            None,
            None,
            (),
            _hashes("scp-fwu-cfg?:102 ap-fwu-cfg?:101 fwu?:103"),
        ),
    ),
)

_BY_NAME = {row.name: row for row in TBBR.rows}

DUAL_ROOT = TrustChain(
    "dualroot",
    ("rot-key", "prot-key"),
    (
        *(
            _BY_NAME[name]
            for name in (
                "tb-fw-cert",
                "scp-fw-key-cert",
                "scp-fw-cert",
                "soc-fw-key-cert",
                "soc-fw-cert",
                "tos-fw-key-cert",
                "tos-fw-cert",
                "fwu-cert",
            )
        ),
        _BY_NAME["trusted-key-cert"]._replace(keys=_keys(trusted_world_key="302")),
        _BY_NAME["sip-sp-cert"]._replace(hashes=_packages(1, 4)),
        CertificateRow(
            "plat-sp-cert",
            "Platform owned Secure Partition Content Certificate",
            "prot-key",
            None,
            Counter.NON_TRUSTED,
            _keys(prot_key="1102"),
            _packages(5, SP_PACKAGES),
        ),
        CertificateRow(
            "nt-fw-cert",
            "Non-Trusted Firmware Content Certificate",
            "prot-key",
            None,
            Counter.NON_TRUSTED,
            _keys(prot_key="1102"),
            _hashes("nt-fw:1201 nt-fw-config?:1202"),
        ),
    ),
)

CCA = TrustChain(
    "cca",
    ("rot-key", "swd-rot-key", "prot-key"),
    (
        CertificateRow(
            "cca-cert",
            "CCA Content Certificate",
            "rot-key",
            None,
            Counter.CCA,
            (),
            _hashes("soc-fw:603 soc-fw-config?:604 rmm-fw:1106 " + _BOOT),
        ),
        CertificateRow(
            "core-swd-cert",
            "Core Secure World Key Certificate",
            "swd-rot-key",
            None,
            Counter.TRUSTED,
            _keys(swd_rot_key="1103", core_swd_key="1104"),
        ),
        CertificateRow(
            "tos-fw-cert",
            "SPMC Content Certificate",
            "core-swd-key",
            "core-swd-cert",
            Counter.TRUSTED,
            (),
            _hashes("tos-fw:1001 tos-fw-config?:1004"),
        ),
        CertificateRow(
            "sip-sp-cert",
            "SiP owned Secure Partition Content Certificate",
            "core-swd-key",
            "core-swd-cert",
            Counter.TRUSTED,
            (),
            _packages(1, 4),
        ),
        CertificateRow(
            "plat-key-cert",
            "Platform Key Certificate",
            "prot-key",
            None,
            Counter.NON_TRUSTED,
            _keys(prot_key="1102", plat_key="1105"),
        ),
        CertificateRow(
            "plat-sp-cert",
            "Platform owned Secure Partition Content Certificate",
            "plat-key",
            "plat-key-cert",
            Counter.NON_TRUSTED,
            (),
            _packages(5, SP_PACKAGES),
        ),
        CertificateRow(
            "nt-fw-cert",
            "Non-Trusted Firmware Content Certificate",
            "plat-key",
            "plat-key-cert",
            Counter.NON_TRUSTED,
            (),
            _hashes("nt-fw:1201 nt-fw-config?:1202"),
        ),
    ),
)

CCA_2_8 = replace(
    CCA,
    name="cca-2.8",
    rows=tuple(row._replace(counter=Counter.TRUSTED) if row.counter is Counter.CCA else row for row in CCA.rows),
)
"""The CCA chain up to TF-A v2.8, which had no counter of its own for it."""

CHAINS: dict[str, TrustChain] = {chain.name: chain for chain in (TBBR, DUAL_ROOT, CCA, CCA_2_8)}
