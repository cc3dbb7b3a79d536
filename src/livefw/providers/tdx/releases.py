# SPDX-License-Identifier: Apache-2.0
"""What is known of module releases that Intel published, read from the files themselves (commit ``7a162249``).

An image does not say its version, and sysfs does not say a module's security version; this table does both.
"""

from typing import NamedTuple

from livefw.abi.tdx import Svn, TdxVersion


class Known(NamedTuple):
    """Security version and SHA-384 of the module pages (Intel publishes the latter as MRSEAM)."""

    svn: Svn
    seamhash: str


KNOWN: dict[TdxVersion, Known] = {
    TdxVersion(1, 5, 1): Known(
        Svn(1, 4), "9790d89a10210ec6968a773cee2ca05b5aa97309f36727a968527be4606fc19e6f73acce350946c9d46a9bf7a63f8430"
    ),
    TdxVersion(1, 5, 5): Known(
        Svn(1, 5), "1cc6a17ab799e9a693fac7536be61c12ee1e0fabada82d0c999e08ccee2aa86de77b0870f558c570e7ffe55d6d47fa04"
    ),
    TdxVersion(1, 5, 6): Known(
        Svn(1, 6), "5b38e33a6487958b72c3c12a938eaa5e3fd4510c51aeeab58c7d5ecee41d7c436489d6c8e4f92f160b7cad34207b00c1"
    ),
    TdxVersion(1, 5, 8): Known(
        Svn(1, 7), "49b66faa451d19ebbdbe89371b8daf2b65aa3984ec90110343e9e2eec116af08850fa20e3b1aa9a874d77a65380ee7e6"
    ),
    TdxVersion(1, 5, 9): Known(
        Svn(1, 8), "bfb360ac8e6233a1bca1433caf7382d95c165b4a77fb00bf1435e5a08f300cdfead5ee68461afd9b6c728dce7534602d"
    ),
    TdxVersion(1, 5, 13): Known(
        Svn(1, 10), "27b67e0b20508f0acfb8a99df4283a7c86ae569d85d556a91d4eb20e56b5d42d5e65b31a3a6996e8e461f104f32fdeec"
    ),
    TdxVersion(1, 5, 16): Known(
        Svn(1, 11), "7bf063280e94fb051f5dd7b1fc59ce9aac42bb961df8d44b709c9b0ff87a7b4df648657ba6d1189589feab1d5a3c9a9d"
    ),
    TdxVersion(2, 0, 2): Known(
        Svn(3, 3), "685f891ea5c20e8fa27b151bf34bf3b50fbaf7143cc53662727cbdb167c0ad8385f1f6f3571539a91e104a1c96d75e04"
    ),
    TdxVersion(2, 0, 4): Known(
        Svn(3, 4), "64cae497e0c6221176fe8d3bc9d0cf25b4c97bb24cc16499f77102451f15bb24249f1aa3e5d3bf8897be74ad6c84e648"
    ),
    TdxVersion(2, 0, 5): Known(
        Svn(3, 4), "6f65e570e3bc418d2576f31aada40f7f7ce1ea810f964aa9bc70066a89ac1fc6e0d6b76d3f86a16405172b2c3e078528"
    ),
    TdxVersion(2, 0, 8): Known(
        Svn(3, 5), "476a2997c62bccc78370913d0a80b956e3721b24272bc66c4d6307ced4be2865c40e26afac75f12df3425b03eb59ea7c"
    ),
}
