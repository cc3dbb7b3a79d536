# SPDX-License-Identifier: Apache-2.0
"""Component descriptions: what is filled in, what is refused, and that they come out of a TOML file."""

import tomllib

import msgspec
import pytest

from livefw.abi import guid
from livefw.firmware.spec import (
    DEFAULTS,
    AfterActivation,
    ComponentKind,
    ComponentSpec,
    CpuRendezvous,
    LfaPolicy,
    SpecError,
)

RMM = str(guid.RMM.guid)

WRONG: list[tuple[str, dict[str, object]]] = [
    ("guid", {"guid": "rmm"}),
    ("current_version", {"current_version": "1"}),
    ("current_version", {"current_version": "4294967296.0"}),
    ("pending_version", {"pending_version": "N/A"}),
    ("prime_steps", {"prime_steps": 0}),
    ("activate_steps", {"activate_steps": 1_000_000}),
    ("prime_ms", {"prime_ms": -1.0}),
    ("prime_ms", {"prime_ms": float("nan")}),
    ("activate_ms", {"activate_ms": float("inf")}),
    ("vcpus", {"vcpus": 0}),
    ("realms", {"realms": (LfaPolicy.ALLOW,), "kind": ComponentKind.SP}),
    ("realms", {"realms": (LfaPolicy.ALLOW,) * 5000}),
    ("one_bank", {"one_bank": True, "kind": ComponentKind.SP}),
]


@pytest.mark.parametrize(("field", "fields"), WRONG)
def test_a_wrong_field_is_named(field: str, fields: dict[str, object]) -> None:
    with pytest.raises(SpecError) as caught:
        ComponentSpec(**{"guid": RMM, "kind": ComponentKind.RMM, **fields})  # type: ignore[arg-type]
    assert caught.value.field == field
    assert caught.value.reason
    assert str(caught.value).startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("field", "least", "most"),
    [
        ("prime_steps", 1, 10_000),
        ("activate_steps", 1, 10_000),
        ("prime_ms", 0, 600_000),
        ("activate_ms", 0, 600_000),
        ("vcpus", 1, 10_000),
    ],
)
def test_numbers_are_taken_up_to_their_bounds(field: str, least: int, most: int) -> None:
    for taken in (least, most):
        assert getattr(ComponentSpec(RMM, ComponentKind.RMM, **{field: taken}), field) == taken  # type: ignore[arg-type]
    for wrong in (least - 1, most + 1):
        with pytest.raises(SpecError, match=f"^{field}: {wrong} is not between"):
            ComponentSpec(RMM, ComponentKind.RMM, **{field: wrong})  # type: ignore[arg-type]


def test_realms_are_taken_up_to_their_bound() -> None:
    assert len(ComponentSpec(RMM, ComponentKind.RMM, realms=(LfaPolicy.ALLOW,) * 4096).realms) == 4096
    with pytest.raises(SpecError, match="4097"):
        ComponentSpec(RMM, ComponentKind.RMM, realms=(LfaPolicy.ALLOW,) * 4097)


@pytest.mark.parametrize("field", ["vanishes", "order"])
def test_a_wrong_guid_in_a_change_is_named(field: str) -> None:
    with pytest.raises(SpecError) as caught:
        AfterActivation(**{field: ("x",)})  # type: ignore[arg-type]
    assert caught.value.field == f"after_activation.{field}"


@pytest.mark.parametrize("kind", ComponentKind)
def test_gaps_are_filled_from_the_kind(kind: ComponentKind) -> None:
    assert ComponentSpec(RMM, kind).traits == DEFAULTS[kind]


def test_what_is_said_goes_before_the_kind() -> None:
    spec = ComponentSpec(
        RMM,
        ComponentKind.CONTROLLER,
        capable=False,
        may_reset_cpu=True,
        cpu_rendezvous=CpuRendezvous.REQUIRED,
        prime_steps=7,
        prime_ms=0,
        activate_steps=9,
        activate_ms=1.5,
    )
    traits = spec.traits
    assert (traits.capable, traits.may_reset_cpu, traits.cpu_rendezvous) == (False, True, "required")
    assert (traits.prime_steps, traits.prime_ns, traits.activate_steps, traits.activate_ns) == (7, 0, 9, 1_500_000)


def test_a_component_comes_out_of_toml() -> None:
    text = f"""
        guid = "{RMM}"
        kind = "rmm"
        current_version = "1.0"
        pending_version = "1.1"
        cpu_rendezvous = "required"
        prime_ms = 5
        realms = ["allow", "disallow"]
        [after_activation]
        vanishes = ["{guid.BL33.guid}"]
        [[after_activation.appears]]
        guid = "{guid.FVP_SP1.guid}"
        kind = "sp"
    """
    spec = msgspec.convert(tomllib.loads(text), ComponentSpec)
    assert spec == ComponentSpec(
        RMM,
        ComponentKind.RMM,
        "1.0",
        "1.1",
        cpu_rendezvous=CpuRendezvous.REQUIRED,
        prime_ms=5,
        realms=(LfaPolicy.ALLOW, LfaPolicy.DISALLOW),
        after_activation=AfterActivation(
            appears=(ComponentSpec(str(guid.FVP_SP1.guid), ComponentKind.SP),), vanishes=(str(guid.BL33.guid),)
        ),
    )


def test_a_wrong_field_is_named_through_msgspec_as_well() -> None:
    with pytest.raises(msgspec.ValidationError, match="prime_steps: 0 is not between"):
        msgspec.convert({"guid": RMM, "kind": "rmm", "prime_steps": 0}, ComponentSpec)
