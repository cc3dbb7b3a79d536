# SPDX-License-Identifier: Apache-2.0
"""Lists in the width there is, in each form, with the columns and in the order that are asked for."""

import csv
import io
import json
import re
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livefw.activation.history.journal import Journal
from livefw.providers.lfa.fake import RMM, FakeLfa
from livefw.render import columns, history, machines, pending, plan, tdx
from livefw.render import list as listed
from livefw.render.layout import Column, fit
from livefw.render.listing import Listing, View, text
from livefw.text import cut, left_to_right, width

from .test_terminal import at_terminal

GUIDS = [f"{number:08x}-1111-4222-8333-444444444444" for number in range(0x10, 0x40)]
HEBREW = "\u05e7\u05d5\u05e9\u05d7\u05d4"


@pytest.fixture
def many(planted: Callable[[FakeLfa], Any]) -> Any:
    """Components with all kinds of names, of which every third has an image."""
    bench = FakeLfa()
    names = ["", "TF-RMM", "=1+1", "power management firmware of the second socket", "\u8584\u819c\u56fa\u4ef6", HEBREW]
    for number, guid in enumerate(GUIDS):
        pending = str(int(number % 3 == 0))
        bench.add(
            guid,
            name=names[number % len(names)].encode(),
            activation_pending=pending,
            current_version=f"0.{number + 1}",
        )
    return planted(bench)


@pytest.mark.parametrize("columns", [40, 80, 120])
@pytest.mark.parametrize("verb", ["list", "history", "plan"])
def test_an_item_is_one_line_of_a_terminal(many: Any, verb: str, columns: int) -> None:
    journal = Journal.open(many.environment["LIVEFW_STATE"])
    for guid in GUIDS:
        body = {"name": "power management firmware of the second socket", "reason": "because of the ticket 4711"}
        ident = journal.begin(f"lfa:{guid}", {"current_version": "1.0", "pending_version": "1.2"} | body)
        journal.end(ident, f"lfa:{guid}", {"outcome": "failed", "firmware_code": "AUTH_ERROR", "seconds": 2.5})
    journal.close()
    _, shown = at_terminal(many.command(verb)[3:], many.environment | {"COLUMNS": "", "TERM": "dumb"}, columns)
    lines = shown.splitlines()
    rows = [line for line in lines if re.search(r" [0-9a-f]{8}\b", line)]
    assert len(rows) == (len(GUIDS) if verb != "plan" else len(GUIDS[::3])), shown
    assert all(width(line) <= columns for line in lines), [line for line in lines if width(line) > columns]
    ids = {word for line in rows for word in re.findall(r"\b[0-9a-f]{8}\b", line)}
    assert verb == "history" or ids <= {guid[:8] for guid in GUIDS}


def test_the_terminal_is_asked_and_columns_have_the_last_word(many: Any) -> None:
    environment = {name: value for name, value in many.environment.items() if name != "COLUMNS"} | {"TERM": "dumb"}
    words = many.command("list")[3:]
    whole = max(map(width, at_terminal(words, environment, 200)[1].splitlines()))
    assert whole > 80
    assert max(map(width, at_terminal(words, environment, 80)[1].splitlines())) <= 80
    assert max(map(width, at_terminal(words, environment | {"COLUMNS": "60"}, 200)[1].splitlines())) <= 60
    many.environment.pop("COLUMNS")
    assert max(map(width, many.run("list").out.splitlines())) == whole  # a pipe gets all of it


def test_a_short_id_is_taken_by_every_verb(many: Any) -> None:
    ids = many.run("list", "--columns", "id", "--no-headings").out.split()
    assert ids == [guid[:8] for guid in GUIDS]
    for verb in ("show", "plan", "cancel"):
        done = many.run(verb, ids[0])
        assert "there is no component" not in done.err, done.err
        assert done.code in (0, 3, 4), done.err


@pytest.mark.parametrize(
    ("words", "code", "message", "hint"),
    [
        (("list", "--columns", "nmae"), 2, "there is no column 'nmae'", "did you mean name?"),
        (("list", "--sort", "aeg"), 2, "there is no column 'aeg'", "did you mean age?"),
        (("history", "--sort", "x"), 2, "there is no column 'x'", "columns are when, name,"),
        (("list", "--json", "-o", "csv"), 2, "--json or -o csv; not both", ""),
        (("list", "-o", "json", "--columns", "name"), 2, "--columns is for tables and CSV", ""),
    ],
)
def test_a_wrong_column_is_a_usage_error(many: Any, words: tuple[str, ...], code: int, message: str, hint: str) -> None:
    journal = Journal.open(many.environment["LIVEFW_STATE"])
    journal.begin(f"lfa:{GUIDS[0]}", {})
    journal.close()
    done = many.run(*words)
    assert done.code == code
    assert message in done.out + done.err
    assert hint in done.out + done.err


def test_csv_can_be_read_back_and_calculates_nothing(many: Any) -> None:
    done = many.run("list", "-o", "csv")
    rows = list(csv.DictReader(io.StringIO(done.out, newline="")))
    documents = many.run("--json", "list").json["components"]
    assert done.out.count("\r\n") == len(GUIDS) + 1
    assert [row["component"] for row in rows] == [each["key"] for each in documents]
    assert {row["name"] for row in rows} >= {"", "'=1+1", HEBREW}
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]
    assert many.run("list", "-o", "csv", "--columns", "id,name", "--no-headings").out.splitlines()[1] == (
        f"{GUIDS[1][:8]},TF-RMM"
    )


def test_each_line_of_jsonl_is_a_document(many: Any) -> None:
    documents = [json.loads(line) for line in many.run("list", "-o", "jsonl").out.splitlines()]
    assert [each["component"] for each in documents] == many.run("list", "-o", "json").json["components"]
    assert {each["schema"] for each in documents} == {"livefw/1"}
    wrong = many.run("list", "-o", "jsonl", "--sort", "x")
    assert json.loads(wrong.out)["error"]["kind"] == "usage"
    assert wrong.out.count("\n") == 1


def test_names_are_taken_by_other_commands(many: Any) -> None:
    names = many.run("list", "-o", "name").out.splitlines()
    assert names == [f"lfa:{guid}" for guid in GUIDS]


def test_versions_are_sorted_as_numbers_and_in_every_form(many: Any) -> None:
    def versions(*words: str) -> list[str]:
        return str(many.run("list", "--columns", "current", "--no-headings", *words).out).split()

    wanted = [f"0.{number + 1}" for number in range(len(GUIDS))]
    assert versions("--sort", "current") == wanted
    assert versions("--sort=-current") == versions("--sort", "-current") == wanted[::-1]
    documents = many.run("list", "-o", "json", "--sort=-current").json["components"]
    assert [each["current_version"] for each in documents] == wanted[::-1]


@pytest.mark.parametrize(
    ("words", "environment", "colored"),
    [
        ((), {}, True),
        ((), {"NO_COLOR": "1"}, False),
        ((), {"NO_COLOR": ""}, True),
        ((), {"TERM": "dumb"}, False),
        (("--color", "never"), {"CLICOLOR_FORCE": "1"}, False),
        (("--color", "always"), {"NO_COLOR": "1", "TERM": "dumb"}, True),
    ],
)
def test_colour_is_where_a_terminal_has_it(
    ready: Any, words: tuple[str, ...], environment: dict[str, str], *, colored: bool
) -> None:
    told = ready.environment | {"TERM": "xterm", "NO_COLOR": ""} | environment
    _, shown = at_terminal(ready.command("list", "--columns", "name,state", *words)[3:], told)
    assert ("\x1b[32mready\x1b[m" in shown) is colored
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert plain.split() == ["NAME", "STATE", "TF-RMM", "ready"]  # the words are there as well


def test_the_word_that_matters_is_in_colour_where_there_is_no_table(ready: Any) -> None:
    always = ("--color", "always")
    assert re.search(r"(?m)^  state +\x1b\[32mready\x1b\[m$", ready.run("show", RMM, *always).out)
    done = ready.run("activate", RMM, "--yes", "--no-journal", *always).out
    assert re.match(rf"TF-RMM \(lfa:{RMM}\): \x1b\[31m(failed|unknown)\x1b\[m", done)
    assert "\x1b" not in ready.run("--json", "show", RMM, *always).out


def test_a_pipe_gets_colour_only_if_it_is_forced(ready: Any) -> None:
    assert "\x1b" not in ready.run("list").out
    ready.environment["CLICOLOR_FORCE"] = "1"
    assert "\x1b[32mready" in ready.run("list").out


@pytest.mark.parametrize(
    ("names", "legend"),
    [({"driver": "v1"}, "?: the mechanism does not report this version reliably"), ({"driver": "v3"}, "")],
)
def test_what_is_not_obvious_is_explained_where_it_occurs(
    planted: Callable[[FakeLfa], Any], names: dict[str, Any], legend: str
) -> None:
    bench = FakeLfa()
    bench.add(cpu_rendezvous="1", **names)
    root = planted(bench)
    for verb in ("list", "plan"):
        out = root.run(verb).out
        assert (legend in out) if legend else ("?:" not in out)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("--pending",), GUIDS[::3]),
        (("--only", "ready"), GUIDS[::3]),
        (("--only", "held"), None),
        (("--provider", "lfa", "tf-*"), GUIDS[1::6]),
        (("=1*", GUIDS[0][:8]), [GUIDS[0], *GUIDS[2::6]]),
        (("--bmc", "*"), None),  # they are this machine's own
        (("--bmc", "rack*"), None),
        (("nothing*",), None),
    ],
)
def test_a_list_is_narrowed(many: Any, words: tuple[str, ...], shown: list[str] | None) -> None:
    done = many.run("list", "-o", "name", *words)
    assert sorted(done.out.split()) == sorted(f"lfa:{guid}" for guid in shown or ())
    assert done.code == (0 if shown else 2 if words == ("nothing*",) else 3)
    assert bool(done.err) is not bool(shown)


def test_the_state_directory_is_not_taken_for_a_state(many: Any, tmp_path: Any) -> None:
    done = many.run("list", "--state", "ready", cwd=tmp_path)
    assert (done.code, f"livefw --root {many.path} list --only ready" in done.err) == (2, True)
    assert not (tmp_path / "ready").exists()


LISTINGS: dict[str, Listing] = {
    "tdx candidates": tdx.LISTING,
    "machine list": machines.LISTING,
    "list": listed.LISTING,
    "plan": plan.LISTING,
    "history": history.LISTING,
    "history --pending": pending.LISTING,
}


@pytest.mark.parametrize("name", LISTINGS)
def test_no_two_columns_of_a_listing_have_one_name(name: str) -> None:
    names = [each.name for each in LISTINGS[name].columns]
    assert len(set(names)) == len(names)
    assert any(each.rank == 0 for each in LISTINGS[name].columns)


CELL = st.text(st.characters(codec="utf-8", categories=("L", "M", "N", "P", "S", "Zs")), max_size=40).filter(
    str.isprintable
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[Listing, list[dict[str, str]]]:
    """A listing whose last column is an id, and items for it."""
    count = draw(st.integers(1, 5))
    made = tuple(
        Column(
            f"C{number}",
            itemgetter(f"c{number}"),
            rank=draw(st.integers(0, 4)),
            least=draw(st.sampled_from([0, 1, 6, 18])),
            optional=draw(st.booleans()),
        )
        for number in range(count)
    )
    ident = Column("ID", itemgetter("id"))
    items = draw(
        st.lists(
            st.fixed_dictionaries(
                {f"c{number}": CELL for number in range(count)} | {"id": st.from_regex("[0-9a-f]{8}", fullmatch=True)}
            ),
            min_size=1,
            max_size=5,
        )
    )
    return Listing("items", "item", (*made, ident), name=itemgetter("id")), items


@given(tables(), st.integers(12, 100))
def test_a_table_fits_and_keeps_its_ids(made: tuple[Listing, list[dict[str, str]]], limit: int) -> None:
    listing, items = made
    lines = text(listing, {"items": items}, View(limit=limit)).split("\n")
    assert len(lines) == len(items) + 1
    for item, line in zip(items, lines[1:], strict=True):
        assert line.endswith(item["id"])
    kept = [each for each in listing.columns if each.heading in lines[0].split()]
    least = sum(
        max(2, *(width(left_to_right(each.text(item))) for item in items)) if not each.least else 6 for each in kept
    )
    if least + 2 * (len(kept) - 1) <= limit:
        assert all(width(line) <= limit for line in lines)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(1, 200), st.data())
def test_what_is_left_out_is_the_least_important(widths: list[int], limit: int, data: st.DataObject) -> None:
    made = [
        Column(str(number), lambda _: "", rank=data.draw(st.integers(0, 5)), least=data.draw(st.sampled_from([0, 8])))
        for number in range(len(widths))
    ]
    shown = fit(made, widths, limit)
    gone = [made[number].rank for number in range(len(widths)) if number not in shown]
    assert 0 not in gone
    assert max((made[number].rank for number in shown), default=0) <= min(gone, default=9)
    assert all(shown[number] <= widths[number] for number in shown)
    assert all(shown[number] == widths[number] for number in shown if not made[number].least)


@given(CELL, st.integers(1, 50))
def test_what_is_cut_says_so_and_is_no_wider(cell: str, limit: int) -> None:
    shown = cut(cell, limit)
    assert width(shown) <= limit
    assert shown == cell or (shown.endswith("\u2026") and cell.startswith(shown[:-1]))


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("TF-RMM", "TF-RMM"),
        ("\u8584\u819c", "\u8584\u819c"),
        (f"{HEBREW[0]} 1.2", "\\u05e7 1.2"),
        ("\u0661", "\\u0661"),
    ],
)
def test_no_name_turns_round_the_versions_beside_it(cell: str, shown: str) -> None:
    assert left_to_right(cell) == shown


def test_a_list_of_many_is_a_line_for_each() -> None:
    component: Mapping[str, Any] = {
        "key": f"lfa:{RMM}",
        "provider": "lfa",
        "short_id": RMM[:8],
        "name": "TF-RMM",
        "host": None,
        "current_version": "1.0",
        "pending": False,
        "pending_version": None,
        "pending_since": None,
        "unreliable": [],
        "cost": {"rendezvous": "required", "resets_cpu": False},
        "state": {"code": "ready", "text": "ready"},
    }
    shown = text(listed.LISTING, {"components": [component] * 300}, View(limit=80))
    assert len(shown.splitlines()) == 301
    assert columns.legend([component]) == []
