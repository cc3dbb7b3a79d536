# SPDX-License-Identifier: Apache-2.0
"""Documents of `livefw machine` about modelled drives."""

from typing import TypedDict


class DriveAddressDocument(TypedDict):
    """Where a modelled drive is served."""

    serial: str
    """Its serial number."""
    nqn: str
    """NVMe qualified name of its subsystem."""
    address: str
    """Address of NVMe/TCP."""
    port: int
    """Port of NVMe/TCP."""


class ServedDrivesDocument(TypedDict):
    """Modelled drives that are ready."""

    name: str
    """What the machine is called."""
    pid: int
    """Process that runs it."""
    drives: list[DriveAddressDocument]
    """The drives."""
    image: str
    """A file with firmware that each of them takes."""
    invented: list[str]
    """What is invented about them."""


class MachineRunDrivesDocument(TypedDict):
    """`livefw machine run --platform nvme`, when the drives are ready."""

    machine: ServedDrivesDocument
    """The drives."""


class DriveCommitDocument(TypedDict):
    """A Firmware Commit that a drive was sent."""

    slot: int
    """Its slot; 0 where the drive was to choose."""
    action: int
    """Its action; 3 activates without a reset."""


class ModelledDriveDocument(DriveAddressDocument):
    """A drive, told from inside."""

    model: str
    """Its model."""
    current_version: str
    """Firmware that runs."""
    slots: list[str]
    """Firmware in each slot; empty for none."""
    running_slot: int
    """Slot whose firmware runs."""
    slot_at_reset: int
    """Slot whose firmware runs after a reset."""
    activating: bool
    """Whether an activation is in progress."""
    dead: bool
    """Whether it answers nothing any more."""
    faults: list[str]
    """Faults that were injected."""
    controllers: int
    """Controllers that hosts have connected."""
    commits: list[DriveCommitDocument]
    """Every Firmware Commit, oldest first."""


class ModelledDrivesDocument(TypedDict):
    """Drives, told from inside."""

    description: str
    """One line about them."""
    drives: list[ModelledDriveDocument]
    """The drives."""
    invented: list[str]
    """What is invented about them."""


class MachineShowDrivesDocument(TypedDict):
    """`livefw machine show` of drives."""

    show: ModelledDrivesDocument
    """The drives."""
