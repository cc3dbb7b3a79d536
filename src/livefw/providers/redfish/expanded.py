# SPDX-License-Identifier: Apache-2.0
"""Members of a collection by one request, where the BMC offers ``$expand`` (DSP0266, "The $expand query parameter").

The collection as it is says what its members are. An expanded one only saves requests: a member that it does not show
as a whole is read alone, and so is everything once it has shown one member otherwise than the member itself does.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from livefw.providers.redfish.exchange import ExchangeError, Response, local_path
from livefw.providers.redfish.known import KnownBmc
from livefw.providers.redfish.repeated import RepeatedReads

_WORTH = 4
"""Members from which on it is worth the two requests that it takes, the first time three."""
_MOST_PAGES = 1_000
_REQUIRED = frozenset({"@odata.id", "@odata.type", "Id", "Name"})
"""What every resource has (DSP0266, "Common properties")."""
_TROUBLE = frozenset({"error", "@Message.ExtendedInfo"})


class Expansion:
    """How one BMC is asked, if at all, and what is known of how well it answers."""

    def __init__(self, root: dict[str, Any], known: KnownBmc) -> None:
        self._query = _query(root)
        self._known = known

    def read(
        self, client: RepeatedReads, collections: Sequence[str], wanted: Sequence[str], telling: frozenset[str]
    ) -> dict[str, Response]:
        """Those of the ``wanted`` members that the collections show as a whole, with any of the ``telling`` fields."""
        if not self._query or not self._known.expands or len(wanted) < _WORTH:
            return {}
        found = {}
        for row in (row for path in collections for row in _rows(client, path + self._query)):
            uri = local_path(row.get("@odata.id"))
            if uri and row.keys() >= _REQUIRED and not telling.isdisjoint(row) and _TROUBLE.isdisjoint(row):
                found[uri] = Response(200, {}, row)
        shown = {uri: found[uri] for uri in wanted if uri in found}
        worth = 2 * len(shown) > len(wanted)
        self._known.expands = worth and (self._known.compared or self._same(client, shown, telling))
        return shown if self._known.expands else {}

    def _same(self, client: RepeatedReads, shown: dict[str, Response], telling: frozenset[str]) -> bool:
        """Whether a member says of itself what the collection shows of it; asked once for each BMC."""
        uri = next(reversed(shown))
        (alone,) = client.get_each([uri])
        if isinstance(alone, ExchangeError) or alone.status != 200:
            return False
        self._known.compared = all(alone.body.get(name) == shown[uri].body.get(name) for name in telling)
        return self._known.compared


def _query(root: dict[str, Any]) -> str:
    """What to ask the BMC with this service root; empty if it does not offer it (ServiceRoot 1.3, ExpandQuery)."""
    features = root.get("ProtocolFeaturesSupported")
    offered = features.get("ExpandQuery") if isinstance(features, dict) else None
    if not isinstance(offered, dict):
        return ""
    kind = "." if offered.get("NoLinks") is True else "*" if offered.get("ExpandAll") is True else ""
    return kind and f"?$expand={kind}{'($levels=1)' if offered.get('Levels') is True else ''}"


def _rows(client: RepeatedReads, path: str) -> Iterator[dict[str, Any]]:
    """Rows of all pages that can be read."""
    pages: set[str] = set()
    following: str | None = path
    while following and following not in pages and len(pages) < _MOST_PAGES:
        pages.add(following)
        try:
            answer = client.get(following)
        except ExchangeError:
            return
        rows = answer.body.get("Members") if answer.status == 200 else None
        yield from (row for row in rows if isinstance(row, dict)) if isinstance(rows, list) else ()
        following = local_path(answer.body.get("Members@odata.nextLink"))
