# SPDX-License-Identifier: Apache-2.0
"""How hosts are divided into waves: at most so many in each, and never two of one failure domain.

Pure functions without any import of Ansible, so that other programs can ask the same question.
"""

from __future__ import annotations

import re

SIZES = [1, 5, "10%", "25%"]
"""The sizes of the waves; the last one is repeated until all hosts have had their turn."""

LARGEST = 50
"""Percent. A larger wave would be no wave: whatever is wrong would reach most hosts at once."""


class WaveError(ValueError):
    """Hosts that cannot be divided as asked for."""


def size_of(size, total):
    """How many hosts a size means: a number, or a percentage of all, which is rounded down, but to one at least."""
    text = str(size).strip()
    found = re.fullmatch(r"([0-9]{1,9})(%?)", text)
    if isinstance(size, bool) or not found or int(found.group(1)) == 0:
        raise WaveError(f"{text!r} is no size of a wave; it is a number of hosts, or a percentage such as 10%")
    number = int(found.group(1))
    if not found.group(2):
        return number
    if number > LARGEST:
        raise WaveError(f"{text} is too much for a wave; at most {LARGEST}% of all hosts can be in one")
    return max(1, total * number // 100)


def domains_of(value):
    """The failure domains of a host: a name or a list of names; empty ones do not count."""
    if value is None:
        return []
    names = value if isinstance(value, (list, tuple)) else [value]
    return [str(name) for name in names if name is not None and str(name) != ""]


def waves_of(hosts, *, sizes=None, domains=None, first=(), without_domain=False):
    """The waves, each a list of hosts.

    Each host is put into the first wave that is not full and comes after every wave that has a host of one of its
    domains. The order of the hosts is kept otherwise, with those in ``first`` before all others. Time is linear in the
    number of hosts.

    ``WaveError`` if a size is none, or if some hosts have a domain and others have none, unless ``without_domain``
    allows that.
    """
    hosts = list(dict.fromkeys(hosts))
    known = {host: domains_of((domains or {}).get(host)) for host in hosts}
    missing = [host for host in hosts if not known[host]]
    if missing and len(missing) < len(hosts) and not without_domain:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        raise WaveError(f"other hosts have a failure domain, but not {shown}")
    most = [size_of(size, len(hosts)) for size in (SIZES if sizes is None else sizes)]
    if not most:
        raise WaveError("there is no size of a wave")
    chosen = set(first)
    waves = []
    latest = {}  # of each domain the last wave that has one of its hosts
    open_from = _Open()
    for host in sorted(hosts, key=lambda each: each not in chosen):
        number = open_from.at(1 + max((latest[each] for each in known[host] if each in latest), default=-1))
        if number == len(waves):
            waves.append([])
        waves[number].append(host)
        if len(waves[number]) == most[min(number, len(most) - 1)]:
            open_from.close(number)
        latest.update(dict.fromkeys(known[host], number))
    return waves


class _Open:
    """Which wave is the first that is not full, from a number on."""

    def __init__(self):
        self._next = {}

    def at(self, number):
        path = []
        while number in self._next:
            path.append(number)
            number = self._next[number]
        for each in path:
            self._next[each] = number
        return number

    def close(self, number):
        self._next[number] = number + 1
