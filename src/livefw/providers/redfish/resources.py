# SPDX-License-Identifier: Apache-2.0
"""What a BMC shows, read once and reduced to what an update needs.

Schemas: UpdateService 1.17, SoftwareInventory 1.14, UpdateServiceCapabilities 1.0, Task 1.7, ComponentIntegrity 1.4
(DMTF DSP8010, 2026.1). Older services lack much of it, and what is missing is None: unknown, not false.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from livefw.providers.redfish import exchange
from livefw.providers.redfish.client import RedfishClient
from livefw.providers.redfish.exchange import NOT_NOW, ExchangeError, Response, local_path
from livefw.text import whole

_MOST_MEMBERS = 512
"""Members of a collection that are read. The largest servers list about 150 pieces of firmware."""
_MOST_TEXT = 300
_MOST_URI = 2000
_LOOK_S = 300.0
"""For a whole look. A busy BMC takes up to a second for each of 150 members."""


class SoftwareImage(NamedTuple):
    """A SoftwareInventory: one image, running or not."""

    uri: str
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

    @property
    def banked(self) -> bool:
        """Whether it says enough for another image of the same thing to be known as such."""
        return bool(self.software_id and self.related) and (self.active is not None or self.staged is not None)


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


class Queued(NamedTuple):
    """A task that waits to be started; ``targets`` is None if it does not say what it is about."""

    uri: str
    monitor: str | None
    targets: frozenset[str] | None


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


def look(client: RedfishClient) -> Seen:
    """Read all of it; `ExchangeError` if there is no update service, or it cannot be read."""
    with client.within(_LOOK_S):
        return _look(client)


def _look(client: RedfishClient) -> Seen:
    uri = _link(client.root, "UpdateService", client)
    if uri is None:
        raise ExchangeError(exchange.NO_SERVICE, sent=False)
    body = client.resource(uri)
    images, unread, blind = [], list[Unread](), list[Unread]()
    for name in ("FirmwareInventory", "SoftwareInventory"):
        if path := _link(body, name, client):
            images += [found for member in members(client, path, unread) if (found := image(member, client))]
    if unread and not images:
        # Not an empty inventory, by which everything would count as gone.
        busy = any(each.status in NOT_NOW for each in unread)
        why = exchange.BUSY_INVENTORY if busy else exchange.UNREAD_INVENTORY
        raise ExchangeError(why.fill(what_is_wrong=unread[0].text), sent=True)
    unique = {found.uri: found for found in images}
    queued = tuple(_queue(client, blind))
    return Seen(
        _service(body, client), tuple(unique.values()), queued, tuple(_integrity(client)), tuple(unread), tuple(blind)
    )


def members(client: RedfishClient, path: str, unread: list[Unread]) -> Iterator[dict[str, Any]]:
    """Members of a collection that can be read; all that cannot be is added to ``unread``."""
    answer = client.get(path)
    if answer.status in (401, 403):
        raise ExchangeError(exchange.DENIED.fill(path=path, status=answer.status), sent=True)
    rows = answer.body.get("Members") if answer.status == 200 else None
    trouble = _trouble(answer) or ("" if isinstance(rows, list) else "has no Members")
    if not trouble and "error" in answer.body:
        trouble = "is not complete" + _words(answer)
    if trouble:
        unread.append(Unread(path, answer.status, f"{path} {trouble}", collection=True))
    for row in rows[:_MOST_MEMBERS] if isinstance(rows, list) else ():
        uri = local_path(row.get("@odata.id"), client.origin) if isinstance(row, dict) else None
        if uri is None:
            continue
        if len(row) > 1:
            yield row  # the service has expanded it
            continue
        found = client.get(uri)
        if trouble := _trouble(found):
            unread.append(Unread(uri, found.status, f"{uri} {trouble}"))
        else:
            yield {"@odata.id": uri} | found.body


def _trouble(answer: Response) -> str:
    """What is wrong with the answer to a read; empty if it is a resource."""
    if answer.status != 200:
        return f"answered {answer.status}" + _words(answer)
    return "is no JSON" if answer.plain is not None else ""


def _words(answer: Response) -> str:
    said = next((message.line for message in answer.messages()), "")
    return f" ({said[:_MOST_TEXT]})" if said else ""


def image(body: dict[str, Any], client: RedfishClient) -> SoftwareImage | None:
    """A SoftwareInventory; None if it does not even say who it is."""
    uri, ident = local_path(body.get("@odata.id"), client.origin), text(body, "Id")
    if uri is None or ident is None:
        return None
    related = body.get("RelatedItem")
    return SoftwareImage(
        uri=uri,
        ident=ident,
        name=text(body, "Name") or ident,
        version=text(body, "Version"),
        software_id=text(body, "SoftwareId"),
        related=_links(related, client),
        updateable=_flag(body, "Updateable"),
        protected=_flag(body, "WriteProtected"),
        active=_flag(body, "Active"),
        staged=_flag(body, "Staged"),
        needs_reset=_flag(body, "ResetRequiredOnUpdate"),
        lowest=text(body, "LowestSupportedVersion"),
        release=text(body, "ReleaseType"),
        manufacturer=text(body, "Manufacturer"),
        activate=_action(body, "#SoftwareInventory.Activate", client),
        cancel=_action(body, "#SoftwareInventory.Cancel", client),
    )


def _service(body: dict[str, Any], client: RedfishClient) -> UpdateService:
    most, formats = body.get("MaxImageSizeBytes"), body.get("SupportedUpdateImageFormats")
    simple = _record(_record(body, "Actions"), "#UpdateService.SimpleUpdate")
    times = _record(simple, "@Redfish.OperationApplyTimeSupport").get("SupportedValues")
    capable = _capabilities(body, client)
    return UpdateService(
        enabled=_flag(body, "ServiceEnabled"),
        most_bytes=most if isinstance(most, int) and not isinstance(most, bool) and most > 0 else None,
        formats=tuple(_strings(formats)),
        push=local_path(body.get("MultipartHttpPushUri"), client.origin),
        simple=_action(body, "#UpdateService.SimpleUpdate", client),
        start=_action(body, "#UpdateService.StartUpdate", client),
        activate=_action(body, "#UpdateService.Activate", client),
        apply_times=frozenset(_strings(times)),
        targets=_allowable(capable, "AllowableTargets"),
        staging=_allowable(capable, "AllowableStaging"),
    )


def _capabilities(body: dict[str, Any], client: RedfishClient) -> dict[str, Any]:
    uri = _link(_record(body, "Links"), "UpdateServiceCapabilities", client)
    uri = uri or _link(body, "UpdateServiceCapabilities", client)
    return client.get(uri).body if uri else {}


def _queue(client: RedfishClient, blind: list[Unread]) -> Iterator[Queued]:
    """Tasks that wait for StartUpdate: their registry message says so, or the request that made them did."""
    service = _link(client.root, "Tasks", client)
    answer = client.get(service) if service else None
    if service and answer and (trouble := _trouble(answer)):
        blind.append(Unread(service, answer.status, f"{service} {trouble}"))
    path = _link(answer.body, "Tasks", client) if answer else None
    for body in members(client, path, blind) if path else ():
        payload = _record(body, "Payload")
        request = text(payload, "JsonBody", most=20_000) or ""
        waits = any(message.key == "AwaitToUpdate" for message in Response(200, {}, body).messages())
        asked = "OnStartUpdateRequest" in request
        uri = text(body, "@odata.id", most=_MOST_URI)
        if text(body, "TaskState") in _WAITING and (waits or asked) and uri:
            yield Queued(uri, local_path(body.get("TaskMonitor"), client.origin), _payload_targets(request, client))


_WAITING = frozenset({"New", "Pending", "Suspended"})


def _payload_targets(request: str, client: RedfishClient) -> frozenset[str] | None:
    import json

    try:
        rows = json.loads(request)["Targets"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    targets = {local_path(row, client.origin) for row in rows} if isinstance(rows, list) else set()
    return frozenset(each for each in targets if each) if targets and None not in targets else None


def _integrity(client: RedfishClient) -> Iterator[Integrity]:
    path = _link(client.root, "ComponentIntegrity", client)
    for body in members(client, path, []) if path else ():
        action = _action(body, "#ComponentIntegrity.SPDMGetSignedMeasurements", client)
        uri = local_path(body.get("@odata.id"), client.origin)
        if action and uri and body.get("ComponentIntegrityEnabled") is not False:
            protects = _links(_record(body, "Links").get("ComponentsProtected"), client)
            target = local_path(body.get("TargetComponentURI"), client.origin)
            yield Integrity(uri, action, protects | ({target} if target else frozenset()))


# Fields, of which each may be anything.


def text(body: dict[str, Any], name: str, *, most: int = _MOST_TEXT) -> str | None:
    """A text of the service, cut to a sane length; None if there is none."""
    value = body.get(name)
    return whole(value[:most]) if isinstance(value, str) and value else None


def _flag(body: dict[str, Any], name: str) -> bool | None:
    value = body.get(name)
    return value if isinstance(value, bool) else None


def _record(body: dict[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    return value if isinstance(value, dict) else {}


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, list):
        yield from (whole(each[:_MOST_TEXT]) for each in value[:_MOST_MEMBERS] if isinstance(each, str))


def _link(body: dict[str, Any], name: str, client: RedfishClient) -> str | None:
    return local_path(_record(body, name).get("@odata.id"), client.origin)


def _links(rows: object, client: RedfishClient) -> frozenset[str]:
    uris = rows[:_MOST_MEMBERS] if isinstance(rows, list) else ()
    found = (local_path(row.get("@odata.id"), client.origin) for row in uris if isinstance(row, dict))
    return frozenset(each for each in found if each)


def _action(body: dict[str, Any], name: str, client: RedfishClient) -> str | None:
    """The target of an action as the service gives it: paths of actions differ in the field."""
    return local_path(_record(_record(body, "Actions"), name).get("target"), client.origin)


def _allowable(body: dict[str, Any], name: str) -> frozenset[str] | None:
    return frozenset(_strings(body[name])) if isinstance(body.get(name), list) else None
