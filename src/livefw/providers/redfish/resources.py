# SPDX-License-Identifier: Apache-2.0
"""What a BMC shows, read once and reduced to what an update needs.

Schemas: UpdateService 1.17, SoftwareInventory 1.14, UpdateServiceCapabilities 1.0, Task 1.7, ComponentIntegrity 1.4
(DMTF DSP8010, 2026.1). Older services lack much of it, and what is missing is None: unknown, not false.
"""

import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from livefw.providers.redfish import exchange, queue
from livefw.providers.redfish.client import RedfishClient
from livefw.providers.redfish.exchange import (
    NOT_NOW,
    ExchangeError,
    Response,
    local_path,
    record,
    require_resource,
    text,
)
from livefw.providers.redfish.expanded import Expansion
from livefw.providers.redfish.queue import Queued
from livefw.providers.redfish.repeated import RepeatedReads
from livefw.providers.redfish.vendors import slots
from livefw.providers.redfish.vendors.table import PLAIN, vendor_of
from livefw.providers.redfish.vendors.vendor import Body, Vendor, VendorOption, at
from livefw.text import whole

_MOST_MEMBERS = 10_000
"""Rows of a page that are believed; an answer has a limit of its own. The largest servers list about 150 pieces of
firmware, and a rack's manager some thousands."""
_MOST_PAGES = 1_000
_MOST_TEXT = 300
_LOOK_S = 300.0
"""For a whole look. A busy BMC takes up to a second for each of 150 members."""


class SoftwareImage(NamedTuple):
    """A SoftwareInventory: one image, running or not."""

    uri: str
    key: str
    """What it is called within its BMC: by its address, because an ``Id`` is unique within its collection only."""
    ident: str
    name: str
    version: str | None = None
    software_id: str | None = None
    related: frozenset[str] = frozenset()
    updateable: bool | None = None
    protected: bool | None = None
    active: bool | None = None
    staged: bool | None = None
    needs_reset: bool | None = None
    lowest: str | None = None
    release: str | None = None
    manufacturer: str | None = None
    activate: str | None = None
    cancel: str | None = None
    staged_version: str | None = None
    """The version that waits, where it has no member of its own."""
    denies_hold: bool = False
    """Whether it says that its vendor's way to hold an image is not for it."""

    @property
    def banked(self) -> bool:
        """Whether it says enough for another image of the same thing to be known as such."""
        return bool(self.software_id and self.related) and (self.active is not None or self.staged is not None)


class OctetPush(NamedTuple):
    """``HttpPushUri``: the bytes of an image, whose target and apply time are properties that clients share.

    A property is None where the service does not have it, and ``busy`` those that another client has reserved.
    """

    uri: str
    targets: bool = False
    reserves_targets: bool = False
    apply_time: str | None = None
    reserves_options: bool = False
    busy: bool = False


class UpdateService(NamedTuple):
    """The UpdateService; a URI is None where the service does not offer what is behind it."""

    enabled: bool | None
    most_bytes: int | None
    formats: tuple[str, ...]
    push: str | None
    simple: str | None
    start: str | None
    activate: str | None
    apply_times: frozenset[str]
    """What SimpleUpdate says it supports; empty if it does not say."""
    targets: frozenset[str] | None
    """UpdateServiceCapabilities.AllowableTargets; None without."""
    staging: frozenset[str] | None
    uri: str = ""
    etag: str = ""
    vendor: Vendor = PLAIN
    octets: OctetPush | None = None
    push_times: frozenset[str] | None = None
    """Apply times that a multipart push supports; None if it does not say."""
    octet_times: frozenset[str] | None = None
    holds: bool = False
    """Whether it lists its vendor's option to hold an image, and ``installs`` that to install one."""
    installs: bool = False
    until_reset: str | None = None
    """Its vendor's action that takes an image until the next reset."""
    protocols: frozenset[str] | None = None
    """How SimpleUpdate fetches an image, and ``simple_targets`` for what; None if it does not say."""
    simple_targets: frozenset[str] | None = None

    @property
    def queues(self) -> bool:
        """Whether an image may wait in a task."""
        times = (self.apply_times, self.push_times or frozenset(), self.octet_times or frozenset())
        settable = self.octets is not None and self.octets.apply_time is not None
        return self.start is not None or settable or any("OnReset" in each for each in times)


class Integrity(NamedTuple):
    """A ComponentIntegrity that can be asked for signed SPDM measurements."""

    uri: str
    action: str
    protects: frozenset[str]


class Unread(NamedTuple):
    """Something that the BMC links and does not show now: where, and the status or what is wrong with it."""

    uri: str
    status: int
    text: str
    collection: bool = False

    @property
    def passes(self) -> bool:
        """Whether the same may be shown later: the status says so, or there was no answer at all."""
        return self.status in NOT_NOW or self.status == 0

    @property
    def absent(self) -> bool:
        """Whether it may well not exist: a task is deleted while it is looked for, a member is not."""
        return self.status in (404, 410)


class Seen(NamedTuple):
    """One BMC at one moment. ``unread`` is what of its inventory could not be read, ``blind`` the same of its tasks."""

    service: UpdateService
    images: tuple[SoftwareImage, ...]
    queued: tuple[Queued, ...]
    integrity: tuple[Integrity, ...]
    unread: tuple[Unread, ...] = ()
    blind: tuple[Unread, ...] = ()
    ended: frozenset[str] = frozenset()
    """The tasks that have ended well."""
    task_list: str | None = None
    """Where the tasks are."""


class EarlierLook(NamedTuple):
    """What an earlier look has shown, and the members of the inventory that are to be read anew all the same."""

    seen: Seen
    anew: frozenset[str]


def look(client: RedfishClient, known: EarlierLook | None = None) -> Seen:
    """Read all of it, or with ``known`` only that, and what is new; `ExchangeError` if there is no update service, or
    it cannot be read.
    """
    with client.within(_LOOK_S):
        return _look(RepeatedReads(client), client.root, known, Expansion(client.root, client.known))


def _look(client: RepeatedReads, root: dict[str, Any], known: EarlierLook | None, expansion: Expansion) -> Seen:
    """Level by level, because what does not depend on each other is read side by side."""
    uri = _link(root, "UpdateService")
    if uri is None:
        raise ExchangeError(exchange.NO_SERVICE, sent=False)
    body = client.resource(uri)
    service = _service(body, client, uri=uri, vendor=vendor_of(root, body))
    unread, blind = list[Unread](), list[Unread]()
    has_queue = known is None or service.queues or known.seen.queued
    links = {name: _link(root, name) for name in ("Tasks", "ComponentIntegrity")}
    task_list = known.seen.task_list if known else None
    if has_queue and task_list is None:
        task_list = _task_list(client, links["Tasks"], blind)
    places = [each for name in ("FirmwareInventory", "SoftwareInventory") if (each := _link(body, name))]
    kept = {each.uri: each for each in known.seen.images if each.uri not in known.anew} if known else {}
    images: list[SoftwareImage] = []
    for row in _members(client, places, SOFTWARE, unread, skipped=frozenset(kept), expansion=expansion):
        found = kept.get(row["@odata.id"]) if len(row) == 1 else image(row, service.vendor)
        images += [found] if found else []
    if unread and not images:
        # Not an empty inventory, by which everything would count as gone.
        busy = any(each.passes for each in unread)
        why = exchange.BUSY_INVENTORY if busy else exchange.UNREAD_INVENTORY
        raise ExchangeError(why.fill(what_is_wrong=unread[0].text), sent=True)
    tasks = [*_members(client, [task_list] if task_list and has_queue else [], _TASK, blind, optional=True)]
    queued = tuple(filter(None, map(queue.queued, tasks)))
    integrity = known.seen.integrity if known else tuple(_integrity(client, links["ComponentIntegrity"]))
    ended = queue.completed(tasks)
    return Seen(service, tuple(images), queued, integrity, tuple(unread), tuple(blind), ended, task_list)


class MemberKind(NamedTuple):
    """Members of a collection. One that shows any of the ``telling`` fields is expanded; others are only links."""

    telling: frozenset[str]


SOFTWARE = MemberKind(frozenset({"Version", "SoftwareId", "Updateable", "Active", "Staged", "Actions"}))
_TASK = MemberKind(frozenset({"TaskState"}))
_INTEGRITY = MemberKind(frozenset({"Actions", "ComponentIntegrityEnabled"}))


def _members(
    client: RepeatedReads,
    collections: Sequence[str],
    kind: MemberKind,
    unread: list[Unread],
    *,
    skipped: frozenset[str] = frozenset(),
    optional: bool = False,
    expansion: Expansion | None = None,
) -> Iterator[dict[str, Any]]:
    """Members of collections that can be read, in their order; all that cannot be is added to ``unread``.

    Of those that are ``skipped`` there is only the address. `ExchangeError` if a collection cannot be read at all,
    unless it is ``optional``.
    """
    rows: dict[str, dict[str, Any] | None] = {}
    places: set[str] = set()
    for path in collections:
        for listed in _rows(client, path, unread, optional=optional):
            uri = local_path(listed.get("@odata.id"))
            if uri and (place := uri.rstrip("/")) not in places:
                places.add(place)
                rows[uri] = None if kind.telling.isdisjoint(listed) else listed
    wanted = [uri for uri, row in rows.items() if row is None and uri not in skipped]
    answers = dict[str, Response | ExchangeError]()
    if expansion:
        answers |= expansion.read(client, collections, wanted, kind.telling)
        wanted = [uri for uri in wanted if uri not in answers]
    answers |= zip(wanted, client.get_each(wanted), strict=True)
    for uri, row in rows.items():
        if row is not None or uri in skipped:
            yield (row or {}) | {"@odata.id": uri}
        elif (answer := answers.get(uri)) is not None:
            if isinstance(answer, ExchangeError):
                unread.append(Unread(uri, 0, f"{uri}: {answer.text}"))
            elif trouble := _trouble(answer):
                unread.append(Unread(uri, answer.status, f"{uri} {trouble}"))
            else:
                yield answer.body | {"@odata.id": uri}


def _rows(client: RepeatedReads, path: str, unread: list[Unread], *, optional: bool) -> Iterator[dict[str, Any]]:
    """The rows of a collection, page by page."""
    pages: set[str] = set()
    following: str | None = path
    listed = believed = 0
    while following:
        if following in pages or len(pages) >= _MOST_PAGES:
            unread.append(Unread(following, 0, f"{path} has pages without end", collection=True))
            return
        pages.add(following)
        try:
            answer = client.get(following)
        except ExchangeError as error:
            if following == path and not optional:
                raise
            unread.append(Unread(following, 0, f"{following}: {error.text}", collection=True))
            return
        if answer.status in (401, 403) and not optional:
            require_resource(following, answer)
        rows = answer.body.get("Members") if answer.status == 200 else None
        trouble = _trouble(answer) or ("" if isinstance(rows, list) else "has no Members")
        if not trouble and "error" in answer.body:
            trouble = "is not complete" + answer.words
        if not trouble and (nameless := sum(not _has_address(row) for row in rows or ())):
            trouble = f"has {nameless} rows without an address"
        if trouble:
            unread.append(Unread(following, answer.status, f"{following} {trouble}", collection=True))
        if isinstance(rows, list):
            listed += len(rows)
            believed += len(rows[:_MOST_MEMBERS])
            yield from (row for row in rows[:_MOST_MEMBERS] if isinstance(row, dict))
        after = answer.body.get("Members@odata.nextLink") or None
        following = local_path(after)
        if after is not None and following is None:
            unread.append(Unread(path, 0, f"{path} has a next page that is no address of this BMC", collection=True))
        elif following is None and (missing := max(_whole(answer.body), listed) - believed) > 0:
            text = f"{path} has {believed + missing} members, and {missing} of them are missing"
            unread.append(Unread(path, answer.status, text, collection=True))


def _whole(body: Body) -> int:
    """How many members all pages have (DSP0266, "Resource collections"); 0 if it does not say."""
    count = body.get("Members@odata.count")
    return count if isinstance(count, int) and not isinstance(count, bool) else 0


def _has_address(row: object) -> bool:
    return isinstance(row, dict) and local_path(row.get("@odata.id")) is not None


def _trouble(answer: Response) -> str:
    """What is wrong with the answer to a read; empty if it is a resource."""
    if answer.status != 200:
        return f"answered {answer.status}" + answer.words
    return "" if answer.body else "is no JSON object"


def image(body: dict[str, Any], vendor: Vendor = PLAIN) -> SoftwareImage | None:
    """A SoftwareInventory; None if it does not even say who it is."""
    uri = local_path(body.get("@odata.id"))
    if uri is None:
        return None
    uri = sys.intern(uri)
    ident = text(body, "Id") or uri.rstrip("/").rpartition("/")[2]
    related, version = body.get("RelatedItem"), text(body, "Version")
    reading = slots.read(body, vendor.slots)
    waits = whole(reading.waits[:_MOST_TEXT])
    return SoftwareImage(
        uri=uri,
        key=sys.intern(key_of(uri)),
        ident=ident,
        name=text(body, "Name") or ident,
        version=version,
        software_id=text(body, "SoftwareId"),
        related=_links(related),
        updateable=_flag(body, "Updateable"),
        protected=_flag(body, "WriteProtected"),
        active=True if version and reading.runs == version else _flag(body, "Active"),
        staged=True if waits else _flag(body, "Staged"),
        needs_reset=True if reading.for_reset else _flag(body, "ResetRequiredOnUpdate"),
        lowest=text(body, "LowestSupportedVersion"),
        release=text(body, "ReleaseType"),
        manufacturer=text(body, "Manufacturer"),
        activate=_action(body, "#SoftwareInventory.Activate"),
        cancel=_action(body, "#SoftwareInventory.Cancel"),
        staged_version=waits or None,
        denies_hold=vendor.hold is not None and at(body, vendor.hold.denied) is False,
    )


_SERVICE_ROOT = "/redfish/v1/"
_UPDATE_SERVICE = f"{_SERVICE_ROOT}UpdateService/"


def key_of(uri: str) -> str:
    """The last part of the address, with its collection unless that is FirmwareInventory; elsewhere, more of it."""
    within = uri.rstrip("/")
    for prefix in (f"{_UPDATE_SERVICE}FirmwareInventory/", _UPDATE_SERVICE, _SERVICE_ROOT):
        if within.startswith(prefix):
            return within.removeprefix(prefix)
    return within.removeprefix("/")


def _service(body: dict[str, Any], client: RepeatedReads, *, uri: str, vendor: Vendor) -> UpdateService:
    most, formats = body.get("MaxImageSizeBytes"), body.get("SupportedUpdateImageFormats")
    simple = record(record(body, "Actions"), "#UpdateService.SimpleUpdate")
    capable = _capabilities(body, client)
    octets = _octet_push(body) if vendor.takes_octets else None
    protocols = simple.get("TransferProtocol@Redfish.AllowableValues")
    return UpdateService(
        enabled=_flag(body, "ServiceEnabled"),
        most_bytes=most if isinstance(most, int) and not isinstance(most, bool) and most > 0 else None,
        formats=tuple(_strings(formats)),
        push=local_path(body.get("MultipartHttpPushUri")),
        simple=_action(body, "#UpdateService.SimpleUpdate"),
        start=_action(body, "#UpdateService.StartUpdate"),
        activate=_action(body, "#UpdateService.Activate"),
        apply_times=_times(simple) or frozenset(),
        targets=_allowable(capable, "AllowableTargets"),
        staging=_allowable(capable, "AllowableStaging"),
        uri=uri,
        etag=text(body, "@odata.etag") or "",
        vendor=vendor,
        octets=octets,
        push_times=_times(body, of="MultipartHttpPushUri"),
        octet_times=_octet_times(body),
        holds=_lists(body, vendor.hold),
        installs=_lists(body, vendor.install),
        until_reset=local_path(at(body, vendor.push_until_reset)) if vendor.push_until_reset else None,
        protocols=frozenset(_strings(protocols)) if isinstance(protocols, list) else None,
        simple_targets=_allowable(simple, "Targets@Redfish.AllowableValues"),
    )


def _octet_push(body: dict[str, Any]) -> OctetPush | None:
    uri = local_path(body.get("HttpPushUri"))
    if uri is None:
        return None
    busy = [_flag(body, f"HttpPushUri{name}Busy") for name in ("Targets", "Options")]
    return OctetPush(
        uri,
        targets="HttpPushUriTargets" in body,
        reserves_targets=busy[0] is not None,
        apply_time=text(_push_time(body), "ApplyTime"),
        reserves_options=busy[1] is not None,
        busy=True in busy,
    )


def _push_time(body: dict[str, Any]) -> dict[str, Any]:
    return record(record(body, "HttpPushUriOptions"), "HttpPushUriApplyTime")


def _octet_times(body: dict[str, Any]) -> frozenset[str] | None:
    values = _push_time(body).get("ApplyTime@Redfish.AllowableValues")
    return frozenset(_strings(values)) if isinstance(values, list) else _times(body, of="HttpPushUri")


def _times(body: dict[str, Any], of: str = "") -> frozenset[str] | None:
    """The apply times that something says it supports; None if it does not say."""
    values = record(body, f"{of}@Redfish.OperationApplyTimeSupport").get("SupportedValues")
    return frozenset(_strings(values)) if isinstance(values, list) else None


def _lists(body: Body, option: VendorOption | None) -> bool:
    return option is not None and option.value in _strings(at(body, option.listed))


def _capabilities(body: dict[str, Any], client: RepeatedReads) -> dict[str, Any]:
    uri = _link(record(body, "Links"), "UpdateServiceCapabilities")
    uri = uri or _link(body, "UpdateServiceCapabilities")
    try:
        return client.get(uri).body if uri else {}
    except ExchangeError:
        return {}  # what it can do is then tried


def _task_list(client: RepeatedReads, service: str | None, blind: list[Unread]) -> str | None:
    """Where the tasks are; None if the service has none, or does not show them now."""
    try:
        answer = client.get(service) if service else None
    except ExchangeError as error:
        blind.append(Unread(service or "", 0, f"{service}: {error.text}"))
        return None
    if service and answer and (trouble := _trouble(answer)):
        blind.append(Unread(service, answer.status, f"{service} {trouble}"))
    return _link(answer.body, "Tasks") if answer else None


def _integrity(client: RepeatedReads, path: str | None) -> Iterator[Integrity]:
    for body in _members(client, [path] if path else [], _INTEGRITY, [], optional=True):
        action = _action(body, "#ComponentIntegrity.SPDMGetSignedMeasurements")
        uri = local_path(body.get("@odata.id"))
        if action and uri and body.get("ComponentIntegrityEnabled") is not False:
            protects = _links(record(body, "Links").get("ComponentsProtected"))
            target = local_path(body.get("TargetComponentURI"))
            yield Integrity(uri, action, protects | ({target} if target else frozenset()))


# Fields, of which each may be anything.


def _flag(body: dict[str, Any], name: str) -> bool | None:
    value = body.get(name)
    return value if isinstance(value, bool) else None


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, list):
        yield from (whole(each[:_MOST_TEXT]) for each in value[:_MOST_MEMBERS] if isinstance(each, str))


def _link(body: dict[str, Any], name: str) -> str | None:
    return local_path(record(body, name).get("@odata.id"))


def _links(rows: object) -> frozenset[str]:
    uris = rows[:_MOST_MEMBERS] if isinstance(rows, list) else ()
    found = (local_path(row.get("@odata.id")) for row in uris if isinstance(row, dict))
    return frozenset(sys.intern(each) for each in found if each)


def _action(body: dict[str, Any], name: str) -> str | None:
    """The target of an action as the service gives it: paths of actions differ in the field."""
    return local_path(record(record(body, "Actions"), name).get("target"))


def _allowable(body: dict[str, Any], name: str) -> frozenset[str] | None:
    if not isinstance(body.get(name), list):
        return None
    return frozenset(place.rstrip("/") for each in _strings(body[name]) if (place := local_path(each)))
