# SPDX-License-Identifier: Apache-2.0
"""Entries of a firmware image package that have a public name.

From TF-A v2.8 ``include/tools_share/firmware_image_package.h`` (the GUIDs) and ``tools/fiptool/tbbr_config.c`` (the
option names and their order, which is the order in which fiptool writes entries). What only one platform has is in
`PLATFORM_ENTRIES`: fiptool knows such a name if it was built for that platform.
"""

from typing import Literal, NamedTuple

from livefw.abi.guid import Guid


class EntryName(NamedTuple):
    """One entry: fiptool's option without the dashes, its GUID, and a title for a person."""

    option: str
    guid: Guid
    title: str


def _row(option: str, guid: str, title: str) -> EntryName:
    return EntryName(option, Guid.parse(guid), title)


ENTRIES: tuple[EntryName, ...] = (
    _row("scp-fwu-cfg", "65922703-2f74-e644-8dff-579ac1ff0610", "SCP_BL2U, SCP firmware update"),
    _row("ap-fwu-cfg", "60b3eb37-c1e5-ea41-9df3-19eda11f6801", "BL2U, AP firmware update"),
    _row("fwu", "4f511d11-2be5-4e49-b4c5-83c2f715840a", "NS_BL2U, non-secure updater"),
    _row("fwu-cert", "71408ab2-18d6-874c-8b2e-c6dccd50f096", "firmware update certificate"),
    _row("tb-fw", "5ff9ec0b-4d22-3e4d-a544-c39d81c73f0a", "BL2, trusted boot firmware"),
    _row("scp-fw", "9766fd3d-89be-e849-ae5d-78a140608213", "SCP_BL2, SCP firmware"),
    _row("soc-fw", "47d4086d-4cfe-9846-9b95-2950cbbd5a00", "BL31, EL3 runtime"),
    _row("tos-fw", "05d0e189-53dc-1347-8d2b-500a4b7a3e38", "BL32, trusted OS"),
    _row("tos-fw-extra1", "0b70c29b-2a5a-7840-9f65-0a5682738288", "BL32 extra image 1"),
    _row("tos-fw-extra2", "8ea87bb1-cfa2-3f4d-85fd-e7bba50220d9", "BL32 extra image 2"),
    _row("nt-fw", "d6d0eea7-fcea-d54b-9782-9934f234b6e4", "BL33, non-trusted firmware"),
    _row("rmm-fw", "6c0762a6-12f2-4b56-92cb-ba8f633606d9", "RMM, Realm monitor"),
    _row("fw-config", "5807e16a-8459-47be-8ed5-648e8dddab0e", "FW_CONFIG"),
    _row("hw-config", "08b8f1d9-c9cf-9349-a962-6fbc6b7265cc", "HW_CONFIG"),
    _row("tb-fw-config", "6c0458ff-af6b-7d4f-82ed-aa27bc69bfd2", "TB_FW_CONFIG"),
    _row("soc-fw-config", "9979814b-0376-fb46-8c8e-8d267f7859e0", "SOC_FW_CONFIG"),
    _row("tos-fw-config", "26257c1a-dbc6-7f47-8d96-c4c4b0248021", "TOS_FW_CONFIG"),
    _row("nt-fw-config", "28da9815-93e8-7e44-ac66-1aaf801550f9", "NT_FW_CONFIG"),
    _row("rot-cert", "862d1d72-f860-e411-920b-8be762160f24", "root of trust key certificate"),
    _row("trusted-key-cert", "827ee890-f860-e411-a1b4-777a21b4f94c", "trusted key certificate"),
    _row("scp-fw-key-cert", "024221a1-f860-e411-8d9b-f33c0e15a014", "SCP firmware key certificate"),
    _row("soc-fw-key-cert", "8ab8becc-f960-e411-9ad0-eb4822d8dcf8", "SoC firmware key certificate"),
    _row("tos-fw-key-cert", "9477d603-fb60-e411-85dd-b7105b8cee04", "trusted OS key certificate"),
    _row("nt-fw-key-cert", "8ad5832a-fb60-e411-8aaf-df30bbc49859", "non-trusted firmware key certificate"),
    _row("tb-fw-cert", "d6e269ea-5d63-e411-8d8c-9fbabe9956a5", "trusted boot firmware certificate"),
    _row("scp-fw-cert", "44be6f04-5e63-e411-b28b-73d8eaae9656", "SCP firmware content certificate"),
    _row("soc-fw-cert", "e2b20c20-5e63-e411-9ce8-abccf92bb666", "SoC firmware content certificate"),
    _row("tos-fw-cert", "a49f4411-5e63-e411-8728-3f05722af33d", "trusted OS content certificate"),
    _row("nt-fw-cert", "8ec4c1f3-5d63-e411-a7a9-87ee40b23fa7", "non-trusted firmware content certificate"),
    _row("sip-sp-cert", "776dfd44-8697-4c3b-91eb-c13e025a2a6f", "SiP secure partition certificate"),
    _row("plat-sp-cert", "ddcbbf4a-cad6-11ea-87d0-0242ac130003", "platform secure partition certificate"),
    _row("cca-cert", "36d83d85-761d-4daf-96f1-cd99d6569b00", "CCA content certificate"),
    _row("core-swd-cert", "52222d31-820f-494d-8bbc-ea6825d3c35a", "core secure world key certificate"),
    _row("plat-key-cert", "d43cd902-5b9f-412e-8ac6-92b6d18be60d", "platform key certificate"),
)

PLATFORM_ENTRIES: tuple[EntryName, ...] = (
    # STM32MP1 and STM32MP2, NXP S32G: plat/st/common/include/plat_def_fip_uuid.h
    _row("ddr-fw", "b11249be-92dd-4b10-867c-2c6a4b47a7fb", "STM32MP, S32G: DDR PHY firmware"),
    _row("stm32mp-cfg-cert", "501d8dd2-8bce-49a5-84eb-559a9f2eaeaf", "STM32MP: configuration certificate"),
    # NXP Layerscape: plat/nxp/common/fip_handler/common/plat_def_fip_uuid.h
    _row("ddr-immem-udimm-1d", "5bdbe383-d19f-c706-d491-764f9d232d2d", "NXP: DDR PHY, UDIMM, instructions, 1D"),
    _row("ddr-immem-udimm-2d", "fa0eeb21-e07f-8e65-95d8-2b94f6b8280a", "NXP: DDR PHY, UDIMM, instructions, 2D"),
    _row("ddr-dmmem-udimm-1d", "babbfd7e-5bf0-ebb8-eb71-b18507dde132", "NXP: DDR PHY, UDIMM, data, 1D"),
    _row("ddr-dmmem-udimm-2d", "b69961da-f992-4b9e-0c49-74a5e05cbec3", "NXP: DDR PHY, UDIMM, data, 2D"),
    _row("ddr-immem-rdimm-1d", "42336652-d894-4dc1-91cc-268f7a67f1a2", "NXP: DDR PHY, RDIMM, instructions, 1D"),
    _row("ddr-immem-rdimm-2d", "2e9573ba-b5ca-7cc7-efc9-5eb042ec087a", "NXP: DDR PHY, RDIMM, instructions, 2D"),
    _row("ddr-dmmem-rdimm-1d", "1c5117ed-300d-aeba-8703-1f3785ece144", "NXP: DDR PHY, RDIMM, data, 1D"),
    _row("ddr-dmmem-rdimm-2d", "e90a9078-11d6-8bba-2435-ec10754f56a5", "NXP: DDR PHY, RDIMM, data, 2D"),
    _row("fuse-prov", "ec459042-300d-aeba-8703-1f3785ece144", "NXP: fuse provisioning"),
    _row("fuse-upgrade", "8946ef78-11d6-8bba-2435-ec10754f56a5", "NXP: fuse upgrade"),
    _row("ddr-fw-key-cert", "ac4bb89c-8fb9-11ea-bc55-0242ac120003", "NXP: DDR firmware key certificate"),
    _row("ddr-udimm-fw-cert", "2c7f5254-7092-4840-8c34-874bbfbd9d89", "NXP: DDR UDIMM content certificate"),
    _row("ddr-rdimm-fw-cert", "94c36330-7cf7-4f1d-aacd-b580b2c240a5", "NXP: DDR RDIMM content certificate"),
    # Juno: include/drivers/arm/ethosn_fip.h
    _row("npu-fw-key-cert", "5666d004-ab98-40aa-8988-b72a03a256e2", "Juno: Ethos-N key certificate"),
    _row("npu-fw-cert", "a5c418da-430f-48b1-88cd-93f67889d9ed", "Juno: Ethos-N content certificate"),
    _row("npu-fw", "cfd499b5-a3bc-4a7e-98cb-48a41cb8dae1", "Juno: Ethos-N NPU firmware"),
    # N1SDP, in packages of its SCP and MCP: TF-A docs/perf/psci-performance-n1sdp.rst; no fiptool has a name for these
    _row("n1sdp-bl1", "cfacc2c4-15e8-4668-82be-430a38fad705", "N1SDP: BL1, application processors"),
    _row("n1sdp-mcp", "54464222-a4cf-4bf8-b1b6-cee7dade539e", "N1SDP: MCP firmware"),
    # Secure partitions: plat/arm/board/{fvp,tc}/fdts/*_tb_fw_config.dts; the names are those of the nodes
    _row("op-tee", "486178e0-e7f8-11e3-bc5e-0002a5d5c51b", "OP-TEE as a secure partition"),
    _row("internal-trusted-storage", "dc1eef48-b17a-4ccf-ac8b-dfcff7711b14", "Total Compute: trusted storage"),
    _row("crypto", "d9df52d5-16a2-4bb2-9aa4-d26d3b84e8c0", "Total Compute: crypto service"),
    _row("cactus-primary", "b4b5671e-4a90-4fe1-b81f-fb13dae1dacb", "FVP, Total Compute: test partition 1"),
    _row("cactus-secondary", "d1582309-f023-47b9-827c-4464f5578fc8", "FVP, Total Compute: test partition 2"),
    _row("cactus-tertiary", "79b55c73-1d8c-44b9-8593-61e1770ad8d2", "FVP, Total Compute: test partition 3"),
    _row("ivy", "eaba83d8-baaf-4eaf-8144-f7fdcbe544a7", "FVP, Total Compute: test partition at S-EL0"),
    # RD-N2: plat/arm/board/neoverse_rd/platform/rdn2/fdts/rdn2_stmm_sel0_manifest.dts
    _row("stmm", "378daedc-f06b-4446-8314-40ab933c87a3", "Neoverse RD: StandaloneMM"),
)
"""Names of one platform each; a trust file adds more."""

_ALL = (*ENTRIES, *PLATFORM_ENTRIES)
BY_GUID: dict[Guid, EntryName] = {row.guid: row for row in _ALL}
BY_OPTION: dict[str, EntryName] = {row.option: row for row in _ALL}
ORDER: dict[Guid, int] = {row.guid: index for index, row in enumerate(ENTRIES)}
"""Rank of a known entry in a package that fiptool writes; it puts others behind, in the order of its command line. One
that is built for a platform puts the names of that platform first among those."""


class PlatformPartition(NamedTuple):
    """A secure partition of a platform: its name, and whether its package belongs to the platform or to the SiP."""

    option: str
    owner: Literal["SiP", "Plat"] = "SiP"


PLATFORMS: dict[str, tuple[PlatformPartition, ...]] = {
    "fvp": (
        PlatformPartition("cactus-primary"),
        PlatformPartition("cactus-secondary", "Plat"),
        PlatformPartition("cactus-tertiary", "Plat"),
        PlatformPartition("ivy", "Plat"),
    ),
    "tc": (
        PlatformPartition("internal-trusted-storage"),
        PlatformPartition("crypto"),
        PlatformPartition("op-tee"),
    ),
    "optee": (PlatformPartition("op-tee"),),
    "rd": (PlatformPartition("stmm"),),
}
"""Secure partitions of TF-A's platforms in the order of their device trees, which is that of sp-pkg1 and up. A build
with another layout (``SP_LAYOUT_FILE``) has others."""


def label(guid: Guid) -> str:
    """fiptool's option name, or the GUID itself if it has none."""
    known = BY_GUID.get(guid)
    return known.option if known else str(guid)
