# SPDX-License-Identifier: Apache-2.0
"""Whether a signature structure is one that P-SEAMLDR will take: constants, hash of the module, signature, key.

P-SEAMLDR looks at all of this after the running module has been shut down, when a refusal costs every TD on the
machine, and the kernel looks at none of it (public P-SEAMLDR source, handler of SEAMLDR.INSTALL). So we look first.
"""

import hashlib

from livefw.abi.tdx_image import RSA_BYTES, Sigstruct, rsa_padding, signed_part

INTEL_SIGNER = "c8572f548869a0beca19376b81c2dffc2a23b5a5f71da0b87579b43f408daa1a33bad9c149eb56c634f883737968a34c"
"""SHA-384 of the RSA modulus in all modules that Intel published up to February 2026."""

CONSTANTS = {
    "header_type": 6,
    "header_length": 0xE1,
    "header_version": 0x10000,
    "vendor": 0x8086,
    "size": 0x200,
    "key_size": 0x60,
    "modulus_size": 0x60,
    "exponent_size": 1,
    "exponent": 0x10001,
    "attributes": 0,
}
"""Fields with one permitted value (public P-SEAMLDR, ``seam_sigstruct.h``)."""


def signer(structure: Sigstruct) -> str:
    """Fingerprint of the key: SHA-384 of the modulus as it stands in the structure."""
    return hashlib.sha384(structure.modulus).hexdigest()


def signature_holds(structure: Sigstruct) -> bool:
    """Whether the signature verifies with the key beside it: RSA-3072, PKCS#1 v1.5, SHA-384 (RFC 8017, 8.2.2).

    Only public values take part, so that plain integer arithmetic is as safe as a library here.
    """
    modulus = int.from_bytes(structure.modulus, "little")
    signature = int.from_bytes(structure.signature, "little")
    if modulus.bit_length() != RSA_BYTES * 8 or signature >= modulus:
        return False
    digest = hashlib.sha384(signed_part(structure.encode())).digest()
    return pow(signature, structure.exponent, modulus) == rsa_padding(digest)


def objections(structure: Sigstruct, module: bytes, *, signers: frozenset[str]) -> list[str]:
    """Everything that blocks loading ``module`` under this structure; empty if nothing does.

    Which CPUs, which security version and whether debug modules are wanted is for the caller to judge.
    """
    found = [
        f"{name.replace('_', ' ')} is {value:#x} instead of {wanted:#x}"
        for name, wanted in CONSTANTS.items()
        if (value := getattr(structure, name)) != wanted
    ]
    if any(structure.reserved):
        found.append("reserved bytes 40 to 127 are not zero")
    offsets = {"GDT and IDT": structure.gdt_idt_offset, "fault wrapper": structure.fault_wrapper_offset}
    found += [f"{name} lies outside the module" for name, offset in offsets.items() if offset >= len(module)]
    try:
        if not structure.cpus:
            found.append("it names no CPU")
    except ValueError as error:
        found.append(str(error))
    if structure.seamhash != hashlib.sha384(module).digest():
        found.append("the SHA-384 of the module is not the one that was signed")
    if found:
        return found  # a signature over nonsense says nothing, and a hostile exponent is not computed with
    if (key := signer(structure)) not in signers:
        found.append(f"signed by an unknown key, SHA-384 {key}")
    if not signature_holds(structure):
        found.append("the signature does not verify")
    return found
