# SPDX-License-Identifier: Apache-2.0
"""Every key of the settings with values of every kind, at the limits and one step beyond; and a file that changes."""

import os
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest

from livefw.activation.policy import reader
from livefw.activation.policy.document import KEYS, PolicyFollower, parse
from livefw.activation.policy.reader import SettingsError

NO_TEXT = ("1", "1.5", "true", "[]", "{}", "2026-11-23")
NO_LIST = ("1", "true", '"x"', "{}")


class Values(NamedTuple):
    """What a key of one kind takes, and what it does not."""

    taken: tuple[str, ...]
    refused: tuple[str, ...]


VALUES = {
    "patterns": Values(("[]", '["*"]', '["lfa:*", "tf-rmm"]'), (*NO_LIST, "[1]", '["*", ""]', '[["*"]]')),
    "pattern": Values(('"*"', '"tf-rmm"'), (*NO_TEXT, '""', '" "', '"["')),
    "checks": Values(("[]", '["load"]', '["hook:backup"]'), (*NO_LIST, "[1]", '[""]')),
    "boolean or checks": Values(("true", "false", "[]", '["load"]'), ("0", "1", '"true"', '[""]', "[true]", "{}")),
    "boolean": Values(("true", "false"), ("0", "1", '"true"', "[]", "{}")),
    "path": Values(
        ('"/"', '"/srv/firmware"'),
        (*NO_TEXT, '""', '"srv/firmware"', '"./firmware"', '"~/firmware"', '"/srv/../etc"', '"/srv/"', '"/srv//x"'),
    ),
    "number": Values(("0.001", "1", "999999999"), ("0", "-1", "1e9", "nan", "inf", "true", '"1"', "[1]")),
    "seconds": Values(("0.001", "1", "999999999"), ("0", "-0.5", "1e9", "nan", "inf", "true", '"1"', "[1]")),
    "count": Values(("1", "64", "4096"), ("0", "-1", "4097", "1.0", "true", '"8"', "[8]")),
    "count or 0": Values(("0", "1", "1000"), ("-1", "1001", "1.0", "true", '"8"', "[8]")),
    "events": Values(
        ("[]", '["failed"]', '["pending", "settled"]'),
        (*NO_LIST, "[1]", '[""]', '["Failed"]', '["failed", "test"]', '[["failed"]]'),
    ),
    "word": Values(('"auto"', '"tracer"', '"sampler"'), (*NO_TEXT, '""', '"eye"', '"Auto"')),
    "days": Values(
        ('["mon", "tue", "wed", "thu", "fri", "sat", "sun"]', '["wed"]'),
        (*NO_LIST, "[]", "[0]", '["Mon"]', '["monday"]', '["mon", "noday"]', '"mon"'),
    ),
    'time as in "22:00"': Values(
        ('"00:00"', '"23:59"', '"09:30"'),
        (*NO_TEXT, '""', '"24:00"', '"23:60"', '"9:30"', '"09:3"', '"0930"', '"09.30"', '"-1:00"', '"09:30:00"'),
    ),
    "time zone": Values(('"UTC"', '"Europe/Berlin"'), (*NO_TEXT, '""', '"Berlin"', '"/etc/localtime"', '"../UTC"')),
    "version pattern": Values(('"*"', '"1.[0-4]*"'), (*NO_TEXT, '""', '" "', '"["', '"a\\u0000b"')),
    "text": Values(('""', '"the maker\'s note 7"'), (*NO_TEXT, '"a\\u0000b"', '"a\\nb"')),
    "version": Values(('"1"', '"1.4-rc1"'), (*NO_TEXT, '""')),
    "switches": Values(("{}", "{auto_activate = true}"), ("1", '"x"', "[]", "{a = 1}", '{a = "true"}')),
    "component": Values(
        ('"tf-rmm"', '"lfa:6c0762a6"'), (*NO_TEXT, '""', '" "', '"a\\u0000b"', '"lfa:*"', '"tf-?"', '"["')
    ),
    "BMC": Values(('"bmc"', '"rack1-7"'), (*NO_TEXT, '""', '" "', '"rack 1"', '"a\\u0000b"')),
    "member": Values(('"bios"', '"Bios/RMM"'), (*NO_TEXT, '""', '" "', '"BIOS A"', '"a\\u0000b"')),
}
ROWS = {row.path: row.kind for row in reader.rows(KEYS)}
NEEDED = {
    "window[]": {"from": '"22:00"', "to": '"23:00"'},
    "order[]": {"first": '"a"', "then": '"b"'},
    "forbid[]": {"component": '"a"'},
    "link[]": {"component": '"a"', "bmc": '"b"', "member": '"c"'},
}


def named(path: str) -> str:
    """A path of the table with a name in place of the words that stand for one."""
    return path.replace("PATTERN", "x").replace("NAME", "x")


def document(path: str, value: str) -> str:
    """A file that gives a key this value, and others where the table needs them."""
    table, _, key = path.rpartition(".")
    keys = NEEDED.get(table, {}) | {key: value}
    head = f"[[{table[:-2]}]]" if table.endswith("[]") else f"[{named(table)}]" if table else ""
    return "\n".join([head, *(f"{name} = {text}" for name, text in keys.items())])


def test_each_key_is_of_a_kind_that_is_tried() -> None:
    assert set(ROWS.values()) == set(VALUES)


@pytest.mark.parametrize("path", ROWS)
def test_what_a_key_takes_decides(path: str) -> None:
    found = [parse(document(path, value).encode()) for value in VALUES[ROWS[path]].taken]
    assert all(found.count(each) == 1 for each in found)


@pytest.mark.parametrize("path", ROWS)
def test_what_a_key_does_not_take_is_an_error_that_names_it(path: str) -> None:
    for value in VALUES[ROWS[path]].refused:
        with pytest.raises(SettingsError) as caught:
            parse(document(path, value).encode(), file="some.toml")
        assert (caught.value.path, caught.value.file) == (named(path).replace("[]", "[0]"), "some.toml"), value


# A calendar: 23 November 2026 is a Monday.
WEEK = {
    day: date(2026, 11, 23) + timedelta(days=number)
    for number, day in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))
}


@pytest.mark.parametrize("day", WEEK)
@pytest.mark.parametrize(
    ("begin", "end", "opened"),
    [
        ("09:00", "17:00", ((0, 9), (0, 12), (0, 16))),
        ("22:00", "04:00", ((0, 22), (0, 23), (1, 0), (1, 3))),
        ("00:00", "00:00", tuple((0, hour) for hour in (0, 3, 9, 12, 16, 22, 23))),
    ],
)
def test_a_window_of_one_day_is_open_on_that_day_and_in_its_night(
    day: str, begin: str, end: str, opened: tuple[tuple[int, int], ...]
) -> None:
    (window,) = parse(f'[[window]]\ndays = ["{day}"]\nfrom = "{begin}"\nto = "{end}"\nzone = "UTC"'.encode()).window
    midnight = datetime.combine(WEEK[day], datetime.min.time(), ZoneInfo("UTC"))
    for days in range(-3, 4):
        for hour in (0, 3, 4, 8, 9, 12, 16, 17, 21, 22, 23):
            moment = midnight + timedelta(days=days, hours=hour)
            wanted = (days, hour) in opened or (begin == end and days == 0)
            assert window.contains(moment) is wanted, (days, hour)


def _loop(file: Path) -> None:
    file.symlink_to(file)


def _written(file: Path) -> None:
    file.write_text("deny = []")


def _open(file: Path) -> None:
    file.write_text("deny = []")
    file.parent.chmod(0o777)


def _nothing(_: Path) -> None:
    pass


STATES: dict[str, Callable[[Path], None]] = {
    "missing": _nothing,
    "a file": _written,
    "cannot be read": _loop,
    "a directory": Path.mkdir,
    "anybody may write above it": _open,
}


@pytest.mark.parametrize("after", STATES)
@pytest.mark.parametrize("before", STATES)
def test_every_change_of_the_file_is_noticed_once(tmp_path: Path, before: str, after: str) -> None:
    """Also from missing to unreadable: the one means the defaults, the other that nothing may be activated."""
    file = tmp_path / "etc/livefw.toml"

    def become(state: str) -> None:
        file.parent.mkdir(mode=0o755, exist_ok=True)
        file.parent.chmod(0o755)
        if file.is_dir():
            file.rmdir()
        elif os.path.lexists(file):
            file.unlink()
        STATES[state](file)

    become(before)
    follower = PolicyFollower(str(file.parent))
    assert not follower.changed()
    if before != after:
        become(after)
        assert follower.changed()
    assert not follower.changed()


def test_a_directory_that_appears_is_noticed(tmp_path: Path) -> None:
    follower, nowhere = PolicyFollower(str(tmp_path / "etc")), PolicyFollower("")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/livefw.toml").write_text("")
    assert [follower.changed(), follower.changed(), nowhere.changed()] == [True, False, False]
