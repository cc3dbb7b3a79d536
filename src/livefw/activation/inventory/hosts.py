# SPDX-License-Identifier: Apache-2.0
"""Which of several hosts, such as management controllers, have to be asked for what words select."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase

from livefw.activation.inventory.discovery import Inventory, take_inventory, unseen
from livefw.activation.inventory.select import is_pattern
from livefw.activation.policy.document import Policy
from livefw.errors import NoSuchComponent, NothingHere, NothingToDo, TransportError
from livefw.providers.base import Provider, Source, is_linker, is_multi_host

_WILD = frozenset("*?[")


def take_named(providers: Sequence[Provider], words: Iterable[str] | None, policy: Policy) -> Inventory:
    """The inventory as far as it matters for the components that words select; all of it without words.

    Hosts of components that the policy wants activated before others are asked too.

    Raises:
        NotInstalled: a package is missing, without which no host that a word names can be asked.
        TransportError: every host that a word names is silent; or as `take_inventory`.
    """
    if words is None:
        return take_inventory(providers)
    chosen = tuple(words)
    before = [each.first for each in policy.order]
    found = take_inventory(providers, hosts=named(providers, (*chosen, *before)))
    troubles = {source.host: source.trouble for source in found.sources if source.silent}
    for word in chosen if troubles else ():
        wanted = named(providers, (word,))
        if wanted and wanted <= troubles.keys() and (why := troubles[min(wanted)]):
            raise unseen(why)
    return found


@contextmanager
def naming_silent_hosts(found: Inventory) -> Iterator[None]:
    """Where a word selects nothing, say also which hosts did not show all: it may be behind one of them.

    Raises:
        TransportError: there is no such component among what a host showed of all it has.
    """
    try:
        yield
    except (NoSuchComponent, NothingToDo) as error:
        if isinstance(error, NothingHere) or not (silent := texts(found.incomplete)):
            raise
        if isinstance(error, NoSuchComponent) and not all(source.silent for source in found.incomplete):
            text = f"{error.message} among what could be read: {'; '.join(silent)}"
            raise TransportError(text, hint=error.hint, phase="discover") from error
        raise type(error)("; ".join([error.message, *silent]), hint=error.hint) from error


def missed(found: Inventory, providers: Sequence[Provider], words: Sequence[str] | None) -> tuple[Source, ...]:
    """The hosts that did not show all they have, and may have more of what words select.

    Without words everything is meant. A word that is no pattern means one component, which is found or is an error.
    """
    if words is None:
        return found.incomplete
    patterns = [word for word in words if is_pattern(word)]
    meant = named(providers, patterns)
    return tuple(source for source in found.incomplete if meant is None or source.host in meant)


def require_all(missing: Sequence[Source]) -> None:
    """`TransportError` unless every host showed all it has."""
    if missing:
        text = "; ".join(texts(missing))
        raise TransportError(f"nothing was begun: {text}", hint="without --strict the rest is done", phase="discover")


def texts(sources: Iterable[Source]) -> list[str]:
    """Why hosts did not show all they have, each in a sentence."""
    return [source.trouble.text for source in sources if source.trouble]


def silent_texts(found: Inventory) -> list[str]:
    """Which hosts did not answer, each in a sentence."""
    return [source.trouble.text for source in found.sources if source.silent and source.trouble]


def matching(providers: Iterable[Provider], pattern: str) -> frozenset[str]:
    """The hosts with a name, or in a group with a name, that the pattern matches, whatever the case of letters."""
    found: set[str] = set()
    for each in providers:
        if is_multi_host(each):
            known = {name: (name,) for name in each.hosts} | dict(each.host_groups)
            found.update(*(names for name, names in known.items() if fnmatchcase(name.lower(), pattern.lower())))
    return frozenset(found)


def named(providers: Sequence[Provider], words: Iterable[str]) -> frozenset[str] | None:
    """The hosts that may have what words select: components, or patterns of them. None for any host."""
    hosts: set[str] = set()
    for word in words:
        found = _named(providers, word.strip().casefold())
        if found is None:
            return None
        hosts.update(found)
    return frozenset(hosts)


def _named(providers: Sequence[Provider], word: str) -> Collection[str] | None:
    prefix, colon, rest = word.partition(":")
    if colon and not _WILD.isdisjoint(prefix):
        return None
    mechanism = next((each for each in providers if colon and each.name == prefix), None)
    if mechanism is not None and not is_multi_host(mechanism):
        return mechanism.linked_hosts if is_linker(mechanism) else ()
    ident = rest if mechanism else word
    host, slash, _ = ident.partition("/")
    known = [name for each in providers if is_multi_host(each) for name in each.hosts]
    if slash:
        found = [name for name in known if fnmatchcase(name, host)]
        return found if found or mechanism else None  # ids of members may have a slash, too
    if mechanism is None or not _WILD.isdisjoint(host):
        return None
    return [name for name in known if name.startswith(host)]
