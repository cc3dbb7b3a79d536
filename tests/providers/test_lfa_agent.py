# SPDX-License-Identifier: Apache-2.0
"""``[lfa] agent`` of livefw.toml: what sysfs does not show and an administrator may state."""

import pytest

from livefw.activation import fake
from livefw.activation.outcome import Outcome
from livefw.activation.policy.document import parse
from livefw.errors import UsageError
from livefw.providers.base import Flag
from livefw.providers.fake import SETTINGS, FakeResult
from livefw.providers.lfa.agents import AGENTS
from livefw.providers.lfa.fake import RMM, FakeLfa
from livefw.providers.registry import MECHANISMS, providers

SCP = "65922703-2f74-e644-8dff-579ac1ff0610"


def bench(settings: str, guid: str = RMM) -> FakeLfa:
    """A component of an agent that reports no versions, and whose flag clears when it is activated."""
    made = FakeLfa()
    made.add(guid, current_version="0.0", pending_version="N/A")
    made.files.tree[SETTINGS] = settings.encode()
    made.provider = providers(made.files, made.clock)[0]  # type: ignore[assignment]  # LFA's is the first
    clear = FakeResult(effect=lambda: made.set("activation_pending", "0", guid))
    made.files.answers[made.path("activate", guid)] = [clear]
    return made


@pytest.mark.parametrize(
    ("settings", "guid", "flag", "outcome"),
    [
        # TF-A 2.14 answers success for an RMM that failed, and clears its flag; nothing shows which agent it is
        ("", RMM, Flag.PROVES_NOTHING, Outcome.UNKNOWN),
        ('[lfa]\nagent = "tfa-2.14"', RMM, Flag.PROVES_NOTHING, Outcome.UNKNOWN),
        ('[lfa]\nagent = "tfa-2.15"', RMM, Flag.PROVES, Outcome.ACTIVATED),
        ('lfa = {agent = "tfa-2026"}', RMM, Flag.PROVES, Outcome.ACTIVATED),
        ('[ lfa ]\nagent = "other"', RMM, Flag.PROVES, Outcome.ACTIVATED),
        # of other components it clears the flag after a success, or says that they failed
        ("", SCP, Flag.PROVES, Outcome.ACTIVATED),
        ('accept-unconfirmed = ["lfa:*"]', RMM, Flag.PROVES_NOTHING, Outcome.ACTIVATED),
    ],
)
def test_an_agent_that_is_stated_is_believed(settings: str, guid: str, flag: Flag, outcome: Outcome) -> None:
    made = bench(settings, guid)
    (component,) = made.provider.discover().components
    assert component.flag is flag
    policy = parse(settings.encode(), mechanisms=MECHANISMS)
    result = fake.activate(made.provider, guid, files=made.files, clock=made.clock, policy=policy)
    assert (result.outcome, result.confirmed) == (outcome, "accept" not in settings)


@pytest.mark.parametrize("name", AGENTS)
def test_what_is_stated_is_told(name: str) -> None:
    made = bench(f'[lfa]\nagent = "{name}"')
    (component,) = made.provider.discover().components
    assert component.stated == f"agent {name}"
    assert name in next(each.text for each in made.provider.diagnose() if each.code == "agent-stated")


@pytest.mark.parametrize(
    "settings",
    [
        '[lfa]\nagent = "tfa-2.16"',
        "[lfa]\nagent = 2",
        '[lfa]\nagnet = "other"',
        '[lfa]\nagent = "other"\nx = 1',
        "lfa = 1",
    ],
)
def test_a_mistake_in_it_is_an_error(settings: str) -> None:
    with pytest.raises(UsageError, match="lfa"):
        bench(settings)


def test_settings_that_cannot_be_read_name_no_agent() -> None:
    """Whoever cancels or lists must not be kept from it; the engine says what is wrong."""
    (component,) = bench("[lfa\n").provider.discover().components
    assert component.stated == ""


def test_doctor_says_what_will_show_an_activation() -> None:
    made = bench("")
    made.add(SCP)
    told = [(each.code, each.text) for each in made.provider.diagnose()]
    assert ("evidence", "1 of 2 report their versions, which can confirm an activation") in told
    assert any(code == "unconfirmed" and text.startswith("TF-RMM: ") for code, text in told)
