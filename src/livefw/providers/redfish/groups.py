# SPDX-License-Identifier: Apache-2.0
"""The BMCs of the groups of the settings: where their hosts are listed, and what is wrong with the lists.

What is wrong with a list hides none of the others, and a wrong line none of the rest. Two BMCs of one name are an
error: it would not be known which of them an activation is about.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from livefw import programs, reading
from livefw.files.protocol import Files
from livefw.providers import tables
from livefw.providers.component import Reason
from livefw.providers.redfish.host_list import BadHost, ListedHost, one, parse
from livefw.providers.redfish.settings import ANY_HOST, KEYS, TABLE, Bmc, HostGroup, RedfishSettings

SECONDS = 10.0
"""Of a program that lists hosts. Every command that asks a BMC waits for it."""
MOST_BYTES = 8 << 20
"""Of a list: 100,000 hosts with what Ansible knows of each."""
_MOST_NOTES = 16
"""Wrong lines of one group that have a note each."""

BAD_HOST = Reason("bad-host", "group {group}: {place}: {what_is_wrong}", "correct it; livefw policy --check")
MORE_BAD_HOSTS = Reason("bad-host", "group {group}: {count} more lines are wrong")
NO_LIST = Reason("no-host-list", "group {group}: {place}: {what_is_wrong}", "livefw policy --check")

Run = Callable[[Sequence[str]], bytes]


class ResolvedGroups(NamedTuple):
    """All BMCs there are, the names of those of each group, what is wrong, and the groups whose hosts are not known."""

    bmcs: tuple[Bmc, ...]
    groups: dict[str, tuple[str, ...]]
    notes: tuple[Reason, ...] = ()
    unlisted: tuple[tuple[str, Reason], ...] = ()


class NoList(Exception):  # noqa: N818 - says what is wrong without the suffix
    """There is no list of hosts here; the text says why."""


def run(command: Sequence[str]) -> bytes:
    """What a program prints; `NoList`. The settings that name it are trusted, and it has to be, too."""
    try:
        reading.judge(command[0])
    except OSError as error:
        raise NoList(str(error) if isinstance(error, reading.Untrusted) else error.strerror or str(error)) from error
    answer = programs.run(command, seconds=SECONDS, most=MOST_BYTES, errors=False)
    if answer.code != 0:
        raise NoList(answer.broken(seconds=SECONDS))
    return answer.output


def resolve(settings: RedfishSettings, files: Files, *, run: Run = run) -> ResolvedGroups:
    """The BMCs of the settings; `UsageError` where two have one name."""
    found = {bmc.name: bmc for bmc in settings.bmcs}
    places = {bmc.name: f"{TABLE}.bmc[{index}]" for index, bmc in enumerate(settings.bmcs)}
    names: dict[str, tuple[str, ...]] = {}
    notes, unlisted = list[Reason](), list[tuple[str, Reason]]()
    for group in settings.groups:
        path = f"{TABLE}.group.{group.name}"
        if group.name in found:
            raise _collision(group.name, places[group.name], path, files, path)
        of_it: dict[str, None] = {}
        wrong = list[Reason]()
        for each in _listed(group, files, run):
            if isinstance(each, Reason):
                (unlisted.append((group.name, each)) if each.code == NO_LIST.code else wrong.append(each))
                continue
            bmc = group.common._replace(name=each.name, url=group.common.url.replace(ANY_HOST, each.host))
            if not KEYS["url"].valid(bmc.url):
                why = f"{bmc.url} is no address of a BMC"
                wrong.append(BAD_HOST.fill(group=group.name, place=each.place, what_is_wrong=why))
            elif each.name not in found:
                found[each.name], places[each.name], of_it[each.name] = bmc, f"{path}: {each.place}", None
            elif found[each.name] != bmc:  # a host may be listed twice, for example by two groups of Ansible
                raise _collision(each.name, places[each.name], f"{path}: {each.place}", files, path)
        names[group.name] = tuple(of_it)
        notes += wrong[:_MOST_NOTES]
        if len(wrong) > _MOST_NOTES:
            notes.append(MORE_BAD_HOSTS.fill(group=group.name, count=len(wrong) - _MOST_NOTES))
    if both := next((each for each in names if each in found), None):
        raise _collision(both, places[both], f"{TABLE}.group.{both}", files, f"{TABLE}.group.{both}")
    return ResolvedGroups(tuple(found.values()), names, (*notes, *(why for _, why in unlisted)), tuple(unlisted))


def _listed(group: HostGroup, files: Files, run: Run) -> Iterator[ListedHost | Reason]:
    """The hosts of a group, and what is wrong with its lists."""
    sources: list[tuple[str, Callable[[], Iterator[ListedHost | BadHost]]]] = []
    if group.hosts:
        sources.append(("", lambda: (one(text, f"hosts[{index}]") for index, text in enumerate(group.hosts))))
    if file := group.file:
        sources.append((file, lambda: parse(files.trusted(file, MOST_BYTES))))
    if group.command:
        sources.append((group.command[0], lambda: parse(run(group.command))))
    for source, read in sources:
        try:
            rows = read()
        except NoList as error:
            yield NO_LIST.fill(group=group.name, place=source, what_is_wrong=str(error))
            continue
        except OSError as error:
            why = str(error) if isinstance(error, reading.Untrusted) else error.strerror or str(error)
            yield NO_LIST.fill(group=group.name, place=source, what_is_wrong=why)
            continue
        for row in rows:
            place = " ".join(filter(None, (source, row.place)))
            if isinstance(row, BadHost):
                yield BAD_HOST.fill(group=group.name, place=place, what_is_wrong=row.text)
            else:
                yield row._replace(place=place)


def _collision(name: str, first: str, second: str, files: Files, path: str) -> tables.TableError:
    text = f"the name {name} is taken twice: by {first} and by {second}"
    hint = "write a name of its own before a host, as in: NAME HOST"
    return tables.TableError(text, path=path, mechanism=TABLE, hint=hint, file=files.settings_file)
