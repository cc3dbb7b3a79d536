# SPDX-License-Identifier: Apache-2.0
"""Images of modelled TDX modules: Intel's wire format, an invented module, an invented vendor's key.

Intel's own images may not be redistributed, so the model makes its own. A module is pseudo-random pages that carry
their version where the model's own loader finds it (a real module keeps its version in metadata that only the module
can be asked for, and an image has it nowhere).
"""

import hashlib
import struct
from dataclasses import dataclass, field

from livefw.abi.tdx import Svn, TdxVersion
from livefw.abi.tdx_image import (
    LAYOUT_1,
    LAYOUT_2,
    PAGE,
    RSA_BYTES,
    Sigstruct,
    cpu_table,
    header1,
    header2,
    rsa_padding,
    signed_part,
    with_checksum,
)

_MODULE = struct.Struct("<16s3H")
_MODULE_MARK = b"modelled module\0"

# The key of a vendor who does not exist. Publishing it is the point: everybody may sign modules for a modelled machine.
_P = int(
    "ddbfaafb651a0e0181e7599d3ab0fcf9b6a1207a2e0c5017b70ce6fc82e67695001a6d45916463a1dad30955f3f2019f"
    "1a775c3b802f96e2d64dcd34efa013b1c1c51238b033df1b55a0bbc704d77719184864e6cd961f102e4f8a6fc8074572"
    "d0432c9b7abd6d972cea2578b63829422b5a8c4351d8abf8337c6001b4941b1a2e0262afac35c11c7f7bb02b6e77241c"
    "115f6be313e4f0182b8dc77e65a47a50989e5c4d1d6620d8f28945ecf35136326dd17b7b9499355a0b273b72c22be009",
    16,
)
_Q = int(
    "c212dc6d778500b162de85f2ea6f4bed8bbcfddd9fc61f0b371728374891655aeec2ba6f32d4ac0cfbde22fb3ddfc172"
    "1a25709650ed4d1d18265bfa102ecbe76cd0506d78dfde07d61adfdd0e534a94d84bde7ec8e3e9b2fbc79d5c99dc7bef"
    "fad45802d77ad7f9525eae2a9fa9af5f9691bc0bc8259fdda12dcf75e1d0cf6795fb35c8ec11bd15fc21156440733da7"
    "379a074375146f31391727fb2fd1dea2edce19829784e5b11c24adb8b606f15a2acabf4cefe3b0360be43294c5699d03",
    16,
)
EXPONENT = 0x10001
MODULUS = (_P * _Q).to_bytes(RSA_BYTES, "little")
SIGNER = hashlib.sha384(MODULUS).hexdigest()
"""Fingerprint of the key, SHA-384 of the modulus as it stands in the signature structure."""


@dataclass(frozen=True, slots=True)
class ModuleSpec:
    """What an image is made from; the defaults make a sound one."""

    version: TdxVersion
    svn: Svn
    cpus: tuple[int, ...]
    """CPUID.1:EAX, steppings as the vendor writes them."""
    pages: int = 3
    layout: int = LAYOUT_2
    debug: bool = False
    handoff_version: int = 0
    min_handoff_version: int = 0
    handoff_pages: int = field(default=13)
    date: int = 0x20260101


def build(spec: ModuleSpec) -> bytes:
    """The image; ValueError if a field does not fit."""
    module = _module(spec)
    return assemble(sign(sigstruct(spec, module)), module, layout=spec.layout)


def _module(spec: ModuleSpec) -> bytes:
    mark = _MODULE.pack(_MODULE_MARK, *spec.version)
    size = spec.pages * PAGE
    if size < PAGE:
        raise ValueError("a module has at least one page")
    return mark + hashlib.shake_128(mark).digest(size - len(mark))


def module_version(module: bytes) -> TdxVersion | None:
    """The version that a modelled module carries, or None if it is no such module."""
    if len(module) < _MODULE.size:
        return None
    mark, *version = _MODULE.unpack_from(module)
    return TdxVersion(*version) if mark == _MODULE_MARK else None


def sigstruct(spec: ModuleSpec, module: bytes) -> Sigstruct:
    """A signature structure for a module, with the constant fields of Intel's, not signed yet."""
    return Sigstruct(
        header_type=6,
        header_length=0xE1,
        header_version=0x10000,
        module_type=1 << 31 if spec.debug else 0,
        vendor=0x8086,
        date=spec.date,
        size=0x200,
        key_size=0x60,
        modulus_size=0x60,
        exponent_size=1,
        reserved=b"",
        modulus=MODULUS,
        exponent=EXPONENT,
        signature=b"",
        seamhash=hashlib.sha384(module).digest(),
        svn_minor=spec.svn.minor,
        svn_major=spec.svn.major,
        attributes=0,
        memory=b"",
        handoff_version=spec.handoff_version,
        min_handoff_version=spec.min_handoff_version,
        no_downgrade=0,
        reserved_989=0,
        handoff_pages=spec.handoff_pages,
        gdt_idt_offset=PAGE // 2,
        fault_wrapper_offset=PAGE // 4,
        reserved_1000=b"",
        cpu_count=len(spec.cpus),
        cpu_table=cpu_table(*spec.cpus),
    )


def sign(structure: Sigstruct) -> bytes:
    """The encoded signature structure with the model vendor's signature; ValueError if a field does not fit."""
    digest = hashlib.sha384(signed_part(structure.encode())).digest()
    signature = _private(rsa_padding(digest))
    return structure._replace(signature=signature.to_bytes(RSA_BYTES, "little")).encode()


def _private(message: int) -> int:
    """The RSA private operation, by the Chinese remainder theorem because that is four times as fast."""
    modulo_p, modulo_q = (pow(message, pow(EXPONENT, -1, prime - 1), prime) for prime in (_P, _Q))
    return modulo_q + _Q * (pow(_Q, -1, _P) * (modulo_p - modulo_q) % _P)


def assemble(structure: bytes, module: bytes, *, layout: int = LAYOUT_2) -> bytes:
    """Join the parts under a header of the given layout, the checksum last; ValueError for an unknown layout."""
    if layout not in (LAYOUT_1, LAYOUT_2):
        raise ValueError(f"no such layout: {layout:#x}")
    header = header1(len(module)) if layout == LAYOUT_1 else header2(len(module))
    return with_checksum(header.encode() + structure.ljust(PAGE, b"\0") + module)
