# SPDX-License-Identifier: Apache-2.0
"""The table [tdx] of livefw.toml, and hostile contents of every file that the provider reads."""

import errno
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livefw.errors import UsageError
from livefw.providers.fake import SETTINGS, FakeClock, FakeFiles
from livefw.providers.tables import FILE
from livefw.providers.tdx.platform import CGROUP, CPUINFO, CPUS, DEVICE, NODE, read_platform
from livefw.providers.tdx.provider import TdxProvider
from livefw.providers.tdx.select import ReleaseChoice, TdxPolicy
from livefw.providers.tdx.settings import KEYS, Settings, read_settings
from livefw.providers.tdx.sigstruct import INTEL_SIGNER

OTHER = "ab" * 48


def settings(text: str) -> Settings:
    return read_settings(FakeFiles({SETTINGS: text.encode()}), environment={})


def test_no_file_and_no_table_are_the_defaults() -> None:
    assert read_settings(FakeFiles(), environment={}) == settings("[limits]\n") == Settings()
    assert Settings().policy == TdxPolicy(step=ReleaseChoice.NEWEST)


def test_every_key() -> None:
    text = f"""
        [tdx]
        images = "/srv/tdx"
        step = "smallest"
        strict = true
        allow_debug = true
        assume_svn = true
        mrseam = ["{OTHER}"]
        signers = ["{OTHER}"]
    """
    policy = TdxPolicy(
        step=ReleaseChoice.SMALLEST, strict=True, allow_debug=True, assume_svn=True, mrseam=frozenset({OTHER})
    )
    assert settings(text) == Settings("/srv/tdx", None, policy, frozenset({INTEL_SIGNER, OTHER}))
    assert all(name in text for name in KEYS)


def test_environment_goes_before_the_file() -> None:
    files = FakeFiles({SETTINGS: b'[tdx]\nimages = "/srv/tdx"\n'})
    found = read_settings(files, environment={"LIVEFW_TDX_IMAGES": "/"})
    assert found.images == "/"
    assert found.source is not None


WRONG = {
    "no TOML": ("[tdx", ""),
    "no table": ("tdx = 1", "tdx"),
    "unknown key": ("[tdx]\nimage = '/x'", "tdx.image"),
    "images a number": ("[tdx]\nimages = 1", "tdx.images"),
    "images relative": ("[tdx]\nimages = 'tdx'", "tdx.images"),
    "images with dots": ("[tdx]\nimages = '/srv/../etc'", "tdx.images"),
    "step": ("[tdx]\nstep = 'biggest'", "tdx.step"),
    "strict": ("[tdx]\nstrict = 'yes'", "tdx.strict"),
    "no value of MRSEAM": ("[tdx]\nmrseam = []", "tdx.mrseam: must not be empty"),
    "MRSEAM": (f"[tdx]\nmrseam = ['{OTHER}', '{OTHER[1:]}']", "tdx.mrseam[1]"),
    "signer": ("[tdx]\nsigners = ['AB']", "tdx.signers[0]"),
    "signer a number": ("[tdx]\nsigners = [1]", "tdx.signers[0]"),
}


@pytest.mark.parametrize(("text", "where"), WRONG.values(), ids=WRONG)
def test_wrong_setting_is_named(text: str, where: str) -> None:
    with pytest.raises(UsageError) as raised:
        settings(text)
    assert raised.value.message.startswith(f"{FILE}: {where}")


TREE = {
    f"{DEVICE}/version": b"1.5.06\n",
    f"{DEVICE}/seamldr_version": b"1.5.00\n",
    f"{DEVICE}/num_remaining_updates": b"3\n",
    f"{NODE}/loading": b"0\n",
    f"{NODE}/status": b"idle\n",
    f"{CPUS}/online": b"0-1\n",
    f"{CPUS}/present": b"0-1\n",
    CPUINFO: b"processor\t: 0\ncpu family\t: 6\nmodel\t\t: 143\nbugs\t\t: swapgs\n\n" * 2,
    CGROUP: b"sev 0\ntdx 2\n",
}


def test_files_as_they_should_be() -> None:
    platform = read_platform(FakeFiles(TREE))
    assert platform
    assert platform.version == (1, 5, 6)
    assert (platform.slots, platform.tds, platform.cpus) == (3, 2, frozenset({0x806F0}))
    assert not platform.unreadable
    assert not platform.denied


def test_td_count_that_grew_is_a_td_being_built() -> None:
    for before, appeared in ((None, False), (2, False), (3, False), (1, True)):
        platform = read_platform(FakeFiles(TREE), tds_before=before)
        assert platform
        assert platform.td_appeared == appeared


def test_cpu_that_cannot_be_told_may_be_any() -> None:
    record = TREE[CPUINFO] + b"processor\t: 2\nmodel\t\t: 143\n\n"
    platform = read_platform(FakeFiles(TREE | {CPUINFO: record}))
    assert platform
    assert platform.cpus == frozenset()


def without_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)


def with_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)


@pytest.mark.parametrize(
    ("rights", "denied", "unreadable"),
    [(without_rights, ("seamldr_version",), 0), (with_rights, (), 1)],
    ids=["user", "root"],
)
def test_permission_of_a_user_is_not_the_eacces_of_the_loader(
    monkeypatch: pytest.MonkeyPatch,
    rights: Callable[[pytest.MonkeyPatch], None],
    denied: tuple[str, ...],
    unreadable: int,
) -> None:
    """Root reads EACCES where the CPU does not run VMX; anybody else reads it for want of rights."""
    rights(monkeypatch)
    files = FakeFiles(TREE)
    files.break_for_ever(f"{DEVICE}/seamldr_version", errno.EACCES)
    platform = read_platform(files)
    assert platform
    assert (platform.denied, len(platform.unreadable)) == (denied, unreadable)


@given(st.sampled_from(sorted(TREE)), st.binary(max_size=60) | st.text("0123456789.,-: \ntdx").map(str.encode))
def test_any_content_of_any_file_is_looked_at_without_harm(path: str, content: bytes) -> None:
    files = FakeFiles(TREE | {path: content})
    provider = TdxProvider(files, FakeClock(), Settings())
    component = provider.inspect("module")
    assert component is not None
    assert all(reason.code and reason.text for reason in component.reasons)
    assert component.reasons
    assert all(finding.code and finding.text for finding in provider.diagnose())


@given(st.sampled_from(sorted(TREE)), st.sampled_from(sorted(errno.errorcode)))
def test_any_errno_of_any_file_is_looked_at_without_harm(path: str, code: int) -> None:
    files = FakeFiles(TREE)
    files.break_for_ever(path, code)
    provider = TdxProvider(files, FakeClock(), Settings())
    component = provider.inspect("module")
    assert component is None or component.reasons
    assert component is not None or path == f"{DEVICE}/version"
