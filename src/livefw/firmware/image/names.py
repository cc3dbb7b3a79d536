# SPDX-License-Identifier: Apache-2.0
"""Entries of a firmware image package that have a public name.

From TF-A v2.8 ``include/tools_share/firmware_image_package.h`` (the GUIDs) and ``tools/fiptool/tbbr_config.c`` (the
option names and their order, which is the order in which fiptool writes entries).
"""

from typing import NamedTuple

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

BY_GUID: dict[Guid, EntryName] = {row.guid: row for row in ENTRIES}
BY_OPTION: dict[str, EntryName] = {row.option: row for row in ENTRIES}
ORDER: dict[Guid, int] = {row.guid: index for index, row in enumerate(ENTRIES)}
"""Rank of a known entry in a package that fiptool writes; it puts others behind, in the order of its command line."""


def label(guid: Guid) -> str:
    """fiptool's option name, or the GUID itself if it has none."""
    known = BY_GUID.get(guid)
    return known.option if known else str(guid)
