# SPDX-License-Identifier: Apache-2.0
"""Modelled machines that run, in a table."""

from livefw.render.layout import Column
from livefw.render.listing import Listing
from livefw.text import printable

LISTING = Listing(
    field="machines",
    item="machine",
    columns=(
        Column("MACHINE", lambda item: printable(item["name"])),
        Column("PROCESS", lambda item: str(item["pid"]), rank=2),
        Column("PLATFORM", lambda item: printable(item["platform"]), rank=3, least=12),
        Column("MOUNTED ON", lambda item: printable(item["mount"]) or "-", least=20),
        Column("STORE", lambda item: printable(item["store"] or "-"), rank=1, least=16),
    ),
    name=lambda item: printable(item["name"]),
)
