# SPDX-License-Identifier: Apache-2.0
"""The settings file: strict, every error with its place; windows by the clock on the wall."""

import re
from contextlib import nullcontext, suppress
from datetime import datetime
from fnmatch import translate
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livefw.activation.policy import document as policy
from livefw.activation.policy import reader
from livefw.activation.policy.document import KEYS, load, matches, parse
from livefw.activation.policy.pattern import read
from livefw.activation.policy.reader import SettingsError
from livefw.activation.policy.window import Window, is_open
from livefw.errors import PermissionDenied, TransportError
from livefw.providers.base import Component, Cost, Rendezvous

RMM = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"
BL31 = "47d4086d-4cfe-9846-9b95-2950cbbd5a00"


EFI = "a662076c-f212-564b-92cb-ba8f633606d9"
"""The same GUID as `RMM`, as UEFI's tools write it."""


def component(ident: str = RMM, name: str = "TF-RMM") -> Component:
    aliases = (EFI,) if ident == RMM else ()
    return Component("lfa", ident, name, None, None, None, Cost(Rendezvous.REQUIRED, None), aliases=aliases)


FULL = f"""
allow = ["lfa:*"]
deny = ["lfa:0509*"]
automatic = ["tf-rmm"]
ignore = ["load"]
never-ignore = ["downgrade", "hook:backup"]
strict = true
accept-unconfirmed = ["scp"]
group-may-ignore = ["window", "load"]
images = "/srv/firmware"
image-keys = "/srv/keys"
signed-images = true
seal = "/etc/livefw/seal.key"
[limits]
load = 1.5
seconds = 30
pause = 2.5
temperature = 70
wear = 90
requests = 64
recovery = 120
[[forbid]]
component = "nvme:*"
from = "1.*"
to = "3.*"
because = "the maker's note 7"
[measure]
enabled = false
cpus = 8
baseline = 0.1
by = "sampler"
[[window]]
days = ["sat", "sun"]
from = "22:00"
to = "04:00"
zone = "Europe/Berlin"
[[order]]
first = "{BL31}"
then = "TF-RMM"
[component."lfa:{RMM}"]
pin = "1.4"
settings = {{ force_cpu_rendezvous = true }}
[component."*"]
settings = {{ auto_activate = false, force_cpu_rendezvous = false }}
[[link]]
component = "scp"
bmc = "rack1"
member = "scp"
[notify]
events = ["failed", "unknown"]
components = ["lfa:*"]
rate = 2
retries = 9
[notify.hook.pager]
events = ["unknown"]
components = ["tf-rmm"]
"""


def test_a_full_file_is_read() -> None:
    found = parse(FULL.encode())
    assert found.limits == (1.5, 30.0, 2.5, 70.0, 90.0, 64.0, 120.0)
    assert found.forbid == (("nvme:*", "1.*", "3.*", "the maker's note 7"),)
    assert found.measure == (False, 8, 0.1, "sampler")
    assert (found.images, found.image_keys, found.signed_images) == ("/srv/firmware", "/srv/keys", True)
    assert found.window == (Window(frozenset({5, 6}), 22 * 60, 4 * 60, ZoneInfo("Europe/Berlin")),)
    assert found.is_automatic(component())
    assert [found.group_may(each) for each in ((), ("load",), ("load", "order"))] == [True, True, False]
    assert found.pin(component()) == "1.4"
    assert found.pin(component(BL31, "")) is None
    assert found.settings(component()) == {"force_cpu_rendezvous": True, "auto_activate": False}
    assert found.settings(component(BL31, "")) == {"force_cpu_rendezvous": False, "auto_activate": False}
    assert found.allows(component())
    assert (found.strict, found.never_ignore) == (True, ("downgrade", "hook:backup"))
    assert not found.allows(component("0509b633-5734-422f-a681-6096e932d93a", ""))


def test_what_nobody_may_have_ignored_no_group_may() -> None:
    found = parse(b"group-may-ignore = true\nnever-ignore = ['downgrade']")
    assert [found.group_may(each) for each in ((), ("load",), ("downgrade",), ("load", "downgrade"))] == [
        True,
        True,
        False,
        False,
    ]


def test_settings_in_settings_without_end() -> None:
    with pytest.raises(SettingsError, match="nested too deeply"):
        parse(b"x = " + b"[" * 100_000, file="some.toml")


def test_a_mechanism_reads_its_own_table() -> None:
    text = b"deny = ['a']\n[tdx]\nstep = 'smallest'"
    assert parse(text, mechanisms=["lfa", "tdx"]).deny == ("a",)
    with pytest.raises(SettingsError, match="tdx: unknown key"):
        parse(text, mechanisms=["lfa"])


def test_every_key_of_the_table_is_in_the_full_file() -> None:
    words = FULL.replace("[[", "[").split()
    assert {row.path.rpartition(".")[2] for row in reader.rows(KEYS)} <= {word.strip("[]") for word in words} | {
        "settings"
    }


WRONG = {
    "denny = []": "denny",
    "allow = 'x'": "allow",
    "allow = [1]": "allow",
    "allow = ['']": "allow",
    "limits = 1": "limits",
    "[limits]\nload = 'high'": "limits.load",
    "[limits]\nload = true": "limits.load",
    "[limits]\nseconds = 0": "limits.seconds",
    "[limits]\nseconds = nan": "limits.seconds",
    "[limits]\nsecond = 1": "limits.second",
    "[measure]\ncpus = 0": "measure.cpus",
    "[measure]\nby = 'eye'": "measure.by",
    "[measure]\nby = []": "measure.by",
    "[measure]\nenabled = 1": "measure.enabled",
    "window = {}": "window",
    "[[window]]\nfrom = '22:00'": "window[0].to",
    "[[window]]\nfrom = '22:00'\nto = '24:00'": "window[0].to",
    "[[window]]\nfrom = '22:00'\nto = '٢٢:00'": "window[0].to",
    "[[window]]\nfrom = '2200'\nto = '23:00'": "window[0].from",
    "[[window]]\nfrom = 22\nto = '23:00'": "window[0].from",
    "[[window]]\nfrom='1:00'\nto = '23:00'": "window[0].from",
    "[[window]]\nfrom='01:00'\nto='02:00'\n[[window]]\ndays=['noday']\nfrom='01:00'\nto='02:00'": "window[1].days",
    "[[window]]\ndays = []\nfrom='01:00'\nto='02:00'": "window[0].days",
    "[[window]]\nzone = 'Nowhere/At_All'\nfrom='01:00'\nto='02:00'": "window[0].zone",
    "[[window]]\nzone = '../../etc/passwd'\nfrom='01:00'\nto='02:00'": "window[0].zone",
    "[[order]]\nfirst = 'a'": "order[0].then",
    "[component.x]\npin = 1.4": "component.x.pin",
    "[component.x]\nsettings = {a = 1}": "component.x.settings",
    "[component.x]\nforce = true": "component.x.force",
    "component = []": "component",
    "allow = [": "",
    "strict = 1": "strict",
    "never-ignore = 'load'": "never-ignore",
    "never-ignore = ['']": "never-ignore",
    "ignore = ['load', 'window']\nnever-ignore = ['window']": "never-ignore",
}


@pytest.mark.parametrize("text", WRONG)
def test_an_error_names_the_key(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(text.encode(), file="some.toml")
    assert caught.value.path == WRONG[text]
    assert "some.toml" in caught.value.message


PLACES = {
    "allow = [{}]": "allow",
    "deny = ['tf-rmm', {}]": "deny",
    "automatic = [{}]": "automatic",
    "accept-unconfirmed = [{}]": "accept-unconfirmed",
    "[[order]]\nfirst = {}\nthen = 'x'": "order[0].first",
    "[[order]]\nfirst = 'x'\nthen = {}": "order[0].then",
    "[component.{}]\npin = '1'": "component",
}
"""Wherever a pattern can stand."""
NO_PATTERNS = (
    '""',
    '"  "',
    '"[tf-rmm"',
    '"tf-[!]"',
    '"[]"',
    '"a[b]c[d"',
    '"tf\\u0007rmm"',
    '"tf-rmm\\n"',
    '"tf\\u00a0rmm"',
)
PATTERNS = ('"[[]tf]"', '"[]]"', '"tf-[!]x]*"', '"tf]"', '"?"', '"TF RMM"', '"Ä*"')


@pytest.mark.parametrize("text", PLACES)
@pytest.mark.parametrize("pattern", NO_PATTERNS)
def test_what_can_only_be_a_mistake_is_no_pattern(text: str, pattern: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(text.format(pattern).encode(), file="some.toml")
    assert caught.value.path == PLACES[text]
    assert "pattern" in caught.value.message


@pytest.mark.parametrize("text", PLACES)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_brackets_that_are_closed_are_patterns(text: str, pattern: str) -> None:
    assert parse(text.format(pattern).encode())


@given(st.text(alphabet="[]!a-", max_size=8))
def test_a_bracket_is_closed_where_the_shell_takes_it_for_a_set(pattern: str) -> None:
    # Python's translation escapes a bracket that begins no set.
    opened = r"\[" in re.findall(r"\\.|\[\^?\]?(?:\\.|[^]\\])*\]|.", translate(pattern))
    with pytest.raises(ValueError, match="pattern") if opened or not pattern else nullcontext():
        assert read(pattern) == pattern


@given(st.binary(max_size=200))
def test_any_bytes_are_a_policy_or_an_error_of_the_settings(text: bytes) -> None:
    with suppress(SettingsError):
        found = parse(text)
        # Whatever was read is what may stand in a file, and an empty one leaves all as it is.
        assert all(read(each) == each for each in (*found.allow, *found.deny, *found.automatic))
        assert 0 < found.limits.seconds < 1e9
        assert found == policy.DEFAULT or text.strip()


def test_files(tmp_path: Path) -> None:
    assert load(str(tmp_path)) == policy.DEFAULT
    file = tmp_path / "livefw.toml"
    file.write_text("deny = ['*']")
    assert load(str(tmp_path)).deny == ("*",)
    file.chmod(0o666)
    with pytest.raises(SettingsError, match="other than its owner may write"):
        load(str(tmp_path))
    file.chmod(0o644)
    file.write_bytes(b"#" * (2 << 20))
    with pytest.raises(SettingsError, match="larger"):
        load(str(tmp_path))
    file.unlink()
    file.mkdir()
    with pytest.raises(TransportError) as caught:
        load(str(tmp_path))
    assert not isinstance(caught.value, PermissionDenied)


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        (f"lfa:{RMM}", True),
        (f"lfa:{RMM.upper()}", True),
        (RMM, True),
        ("tf-rmm", True),
        ("lfa:6c07*", True),
        ("*", True),
        ("tdx:*", False),
        ("6c07", False),
        (EFI, True),
        (EFI.upper(), True),
        (f"lfa:{EFI}", True),
        (f"LFA:{EFI.upper()}", True),
        ("lfa:a662*", True),
        (f"tdx:{EFI}", False),
        ("", False),
    ],
)
def test_patterns(pattern: str, meant: bool) -> None:
    assert matches(pattern, component()) is meant


def test_order_ranks_and_a_circle_is_told() -> None:
    rmm, bl31, other = component(), component(BL31, "BL31"), component("0" * 36, "")
    ranked = parse(FULL.encode()).ranked([rmm, other, bl31])
    assert ranked == [other, bl31, rmm]
    circle = parse(f"[[order]]\nfirst='{RMM}'\nthen='{BL31}'\n[[order]]\nfirst='{BL31}'\nthen='{RMM}'".encode())
    with pytest.raises(ValueError, match="circle"):
        circle.ranked([rmm, bl31])
    assert circle.ranked([rmm]) == [rmm]
    self_pattern = parse(b"[[order]]\nfirst='*'\nthen='tf-rmm'")
    assert self_pattern.ranked([rmm, bl31]) == [bl31, rmm]


BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = Window(frozenset({4}), 22 * 60, 4 * 60, BERLIN)  # friday night
DAY = Window(frozenset({0, 1}), 9 * 60, 17 * 60, BERLIN)
WHOLE = Window(frozenset({6}), 0, 0, BERLIN)


@pytest.mark.parametrize(
    ("window", "moment", "opened"),
    [
        (NIGHT, "2026-11-20T21:59:59", False),  # a friday
        (NIGHT, "2026-11-20T22:00:00", True),
        (NIGHT, "2026-11-21T03:59:59", True),
        (NIGHT, "2026-11-21T04:00:00", False),
        (NIGHT, "2026-11-21T22:30:00", False),
        (NIGHT, "2026-11-20T03:00:00", False),  # thursday's night is not in it
        (DAY, "2026-11-23T09:00:00", True),
        (DAY, "2026-11-23T17:00:00", False),
        (DAY, "2026-11-25T12:00:00", False),
        (WHOLE, "2026-11-22T00:00:00", True),
        (WHOLE, "2026-11-22T23:59:00", True),
        (WHOLE, "2026-11-23T00:00:00", False),
        # On the last Sunday of March 2026 Berlin's clocks jump from 02:00 to 03:00.
        (Window(frozenset({6}), 150, 240, BERLIN), "2026-03-29T03:00:00", True),
        (Window(frozenset({6}), 150, 180, BERLIN), "2026-03-29T03:00:00", False),
    ],
)
def test_windows(window: Window, moment: str, opened: bool) -> None:
    local = datetime.fromisoformat(moment).replace(tzinfo=BERLIN)
    assert window.contains(local) is opened
    assert window.contains(local.astimezone(ZoneInfo("America/New_York"))) is opened
    assert is_open((window,), local) is opened
    assert is_open((), local)


@given(
    st.frozensets(st.integers(0, 6), min_size=1),
    st.integers(0, 1439),
    st.integers(0, 1439),
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(ZoneInfo("UTC"))),
)
def test_the_next_opening_is_the_next_moment_at_which_it_is_open(
    days: frozenset[int], begin: int, end: int, moment: datetime
) -> None:
    window = Window(days, begin, end, ZoneInfo("UTC"))
    opening = window.next_opening(moment)
    if opening is None:  # it is never closed
        assert (begin, len(days)) == (end, 7)
        return
    assert opening > moment
    assert window.contains(opening)
    assert (opening - moment).total_seconds() <= 8 * 86400
