# SPDX-License-Identifier: Apache-2.0
"""Descriptions: what is accepted, and how what is not is told."""

import msgspec
import pytest

from livefw.errors import UsageError
from livefw.machine.config import MAX_COMPONENTS, ConfigError, decode, load, platforms
from livefw.machine.machine import Machine

GOOD = 'name = "m"\n'
COMPONENT = '[[components]]\nguid = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"\nkind = "rmm"\n'


@pytest.mark.parametrize("platform", platforms())
def test_shipped_platforms_boot_with_something_pending(platform: str) -> None:
    machine = Machine(load(platform))
    assert machine.boot()
    assert machine.tdx or any(machine.platform.is_activation_pending(each) for each in machine.platform.components())


@pytest.mark.parametrize("platform", platforms())
def test_shipped_platforms_say_what_is_made_up(platform: str) -> None:
    invented = load(platform).invented
    assert invented
    assert all(each.strip() == each and each for each in invented)
    assert len({*invented}) == len(invented)


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ("cpus = 4", "$", "name is missing"),
        ('name = "../x"', "$", "name:"),
        (GOOD + "cpus = 0", "$", "between 1 and 4096"),
        (GOOD + "cpus = 4097", "$", "between 1 and 4096"),
        (GOOD + 'cpus = "four"', "$.cpus", "Expected `int`"),
        (GOOD + "cpu = 4", "$.cpu", "unknown key"),
        (GOOD + 'agent = "tfa-1999"', "$", "tfa-2.14, tfa-2.15, tfa-2026, bet1"),
        (GOOD + 'driver = "v9"', "$", "v1, v2, v3, nv3, lw1"),
        (GOOD + 'notification = "pigeon"', "$.notification", "Invalid enum value"),
        (GOOD + COMPONENT + "color = 1", "$.components[0].color", "unknown key"),
        (GOOD + COMPONENT + 'pending_version = "new"', "$.components[0]", "pending_version"),
        (GOOD + COMPONENT + COMPONENT + "prime_ms = -1", "$.components[1]", "prime_ms"),
        (GOOD + COMPONENT.replace("rmm", "toaster"), "$.components[0].kind", "Invalid enum value"),
        (GOOD + COMPONENT.replace("6c07", "zz"), "$.components[0]", "not a GUID"),
        (
            GOOD + COMPONENT + '[components.after_activation]\nappears = [{guid = "x", sort = "rmm"}]',
            "$.components[0].after_activation.appears[0].sort",
            "unknown key",
        ),
        (GOOD + '[[faults]]\nname = "gremlin"', "$", "faults.name"),
        (GOOD + '[[faults]]\nname = "busy"\ntime = 3', "$.faults[0].time", "unknown key"),
        (GOOD + f"[grid]\ncount = {MAX_COMPONENTS + 1}", "$", "components"),
        (GOOD + "[grid]\ncount = -1", "$.grid", "below 0"),
        (GOOD + "[grid]\nprime_ms = -1", "$.grid", "prime_ms"),
        ("name = ", "", "not TOML"),
        ("name = '\xff'".encode("latin-1").decode("latin-1") + "\x00", "", "not TOML"),
    ],
)
def test_errors_name_the_file_and_the_key(text: str, key: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        decode(text.encode(), source="m.toml")
    assert (caught.value.source, caught.value.key) == ("m.toml", key)
    assert reason in caught.value.reason
    assert "m.toml" in caught.value.message


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("cpus = 4", 'name = "mine"'),
        (GOOD + COMPONENT.replace("kind", "# "), "kind is one of bl31, rmm, sp, bl33, controller"),
        (GOOD + COMPONENT.replace("guid", "# "), 'guid = "6c0762a6'),
        (GOOD + "[[faults]]\ntimes = 1", 'name = "auth-error"'),
        (GOOD + COMPONENT + 'naem = "SCP"', "a component is named by the driver"),
        (GOOD + COMPONENT + 'Name = "SCP"', "a component is named by the driver"),
        (GOOD + COMPONENT + "prime_step = 1", "did you mean prime_steps?"),
    ],
)
def test_the_hint_says_what_a_key_holds(text: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        decode(text.encode(), source="m.toml")
    assert caught.value.hint is not None
    assert caught.value.hint.startswith(hint)


def test_deep_nesting_is_an_error_and_no_crash() -> None:
    with pytest.raises(ConfigError):
        decode(b"name = " + b"[" * 100_000, source="m.toml")


@pytest.mark.parametrize("platform", ["no-such", "./no-such.toml", "/", "fvp.toml/"])
def test_what_cannot_be_read_is_the_callers_mistake(platform: str) -> None:
    with pytest.raises(UsageError):
        load(platform)


def test_only_a_grid_has_a_number_of_components() -> None:
    assert len(load("grid").with_components(7).all_components) == 7
    with pytest.raises(UsageError, match="fixed set"):
        load("vera").with_components(7)
    with pytest.raises(UsageError):
        load("grid").with_components(MAX_COMPONENTS + 1)


def test_a_grid_is_the_same_every_time_and_has_no_guid_twice() -> None:
    guids = [spec.guid for spec in load("grid").with_components(1000).all_components]
    assert len(set(guids)) == 1000
    assert guids[:10] == [spec.guid for spec in load("grid").with_components(10).all_components]


def test_a_description_is_frozen_and_plain_data() -> None:
    config = load("vera")
    assert msgspec.convert(msgspec.to_builtins(config), type(config)) == config
