# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: ARG002 - which arguments there are is said by the XML
"""The interface ``org.freedesktop.fwupd``, as far as live activation has something to say in it."""

import os
from collections.abc import Callable
from typing import Any

import livefw
from livefw.activation.images.releases import Releases, downgrades, upgrades
from livefw.activation.images.target import is_for
from livefw.activation.inventory.discovery import Candidate, nothing_found
from livefw.archive import cab
from livefw.archive.cab import CabImage
from livefw.daemon.answers.questions import Question
from livefw.daemon.core import Core
from livefw.daemon.fwupd import devices
from livefw.daemon.fwupd.devices import Dictionary, device_id
from livefw.daemon.fwupd.values import ERRORS, PREFIX, InstallFlag, Status, typed
from livefw.daemon.jobs.events import Event, job_error
from livefw.daemon.jobs.runner import JobRequest
from livefw.daemon.snapshot import Snapshot
from livefw.dbus import introspection
from livefw.dbus.connection import Connection
from livefw.dbus.dispatch import DBusError, Face, IncomingCall, Later, UnknownError, variants
from livefw.dbus.peer import FwupdVersions
from livefw.dbus.wire import Variant, encode_body
from livefw.providers.base import Component, is_stager
from livefw.providers.registry import MECHANISMS
from livefw.render.component import label_of_row

_NO_BATTERY = 101
_REQUESTS, _AUTHENTICATION = 1 << 4, 1 << 8
"""Feature flags: the client shows requests, and lets a person authenticate."""
_NO_HARDWARE, _READY = 1 << 3, 1 << 17
"""Plugin flags."""
_MOST_LOOKED_AT = 16 << 20
"""Bytes of an archive whose details are asked for. Everybody may ask, and it is unpacked in the daemon itself, which
has little memory to spare; one to be staged is unpacked by the job, for those who may stage."""
_IGNORED = {InstallFlag.ALLOW_OLDER: "downgrade", InstallFlag.IGNORE_REQUIREMENTS: "requirements"}
"""The check that a client ignores by each flag."""
_PHASES = {"lock": "Busy", cab.PHASE: "InvalidFile"}
"""Errors whose name depends on what was being done."""


class _FwupdClient:
    """What is remembered of one client: its features, and what was activated together with something it asked for."""

    def __init__(self) -> None:
        self.features = 0
        self.along: set[str] = set()


class Fwupd(Face):
    """fwupd's clients talk to this."""

    def __init__(self, core: Core, *, version: str, product: str, quit_: Callable[[], None]) -> None:
        self.interface = introspection.load(PREFIX, package="livefw.daemon")
        self._core = core
        self._version = version
        self._versions = FwupdVersions()
        self._product = product
        self._quit = quit_
        self._clients: dict[Connection, _FwupdClient] = {}
        self._status, self._percentage = Status.IDLE, 0
        self._working = Status.IDLE
        core.listeners.append(self._on_event)
        core.disconnected.append(self._forget)

    def error_name(self, kind: str, phase: str) -> str:
        """See `Face`."""
        return _name(kind, phase)

    def properties(self, connection: Connection) -> dict[str, Any]:
        """See `Face`. A client of fwupd insists on its own version; others get the one that is installed."""
        return {
            "DaemonVersion": self._versions.of(connection.peer) or self._version,
            "HostVendor": "livefw",
            "HostProduct": self._product,
            "HostSecurityId": "HSI:INVALID:not-measured",
            "Tainted": False,
            "Interactive": False,
            "OnlyTrusted": True,
            "Status": self._status,
            "Percentage": self._percentage,
            "BatteryLevel": _NO_BATTERY,
            "BatteryThreshold": _NO_BATTERY,
            "Hwids": [],
        }

    # What is there.

    def get_devices(self, call: IncomingCall) -> Any:
        """All devices."""
        return self._from_snapshot(
            call, lambda snapshot: _some(devices.devices(snapshot), nothing_found(snapshot.found.absent).message)
        )

    def get_releases(self, call: IncomingCall, ident: str) -> Any:
        """All images there are for it."""

        def found(snapshot: Snapshot) -> list[Dictionary]:
            return _some(devices.releases(*_here(snapshot, ident)), "there is no image for it on this machine")

        return self._from_snapshot(call, found)

    def get_upgrades(self, call: IncomingCall, ident: str) -> Any:
        """Images to go forward to; one that is staged already is activated, and not installed."""
        waits = "an image waits for fwupdmgr activate, and there is none newer than that"
        return self._open(call, ident, upgrades, "there is no newer image on this machine that could be staged", waits)

    def get_downgrades(self, call: IncomingCall, ident: str) -> Any:
        """Images to go back to."""
        waits = "an image waits for fwupdmgr activate; only a newer one could take its place"
        return self._open(
            call, ident, downgrades, "there is no older image on this machine that could be staged", waits
        )

    def _open(
        self, call: IncomingCall, ident: str, chosen: Callable[[Component, Releases], Releases], why: str, waits: str
    ) -> Any:
        def found(snapshot: Snapshot) -> list[Dictionary]:
            component, all_ = _here(snapshot, ident)
            if not (left := chosen(component, all_)):
                raise _error("NothingToDo", waits if component.pending else why)
            return devices.images(component, left)

        return self._from_snapshot(call, found)

    def get_history(self, call: IncomingCall) -> Any:
        """The last activations, newest first."""
        self._core.ask(call, self, Question("fwupd-history"))
        return Later

    def get_results(self, call: IncomingCall, ident: str) -> Any:
        """The last activation of one device."""
        self._core.ask(call, self, Question("fwupd-history", (ident,)))
        return Later

    def get_plugins(self, call: IncomingCall) -> Any:
        """The mechanisms."""

        def found(snapshot: Snapshot) -> list[Dictionary]:
            present = {c.component.provider for c in snapshot.found.candidates}
            return [
                {
                    "Name": Variant("s", f"livefw_{name}"),
                    "Flags": Variant("t", _READY if name in present else _NO_HARDWARE),
                }
                for name in MECHANISMS
            ]

        return self._from_snapshot(call, found)

    def get_report_metadata(self, call: IncomingCall) -> Any:
        """Our own version, where fwupd's clients show it."""
        return ({"RuntimeVersion(org.livefw.livefwd)": livefw.__version__},)

    def get_remotes(self, call: IncomingCall) -> Any:
        """The directory of images."""
        return self._from_snapshot(call, lambda snapshot: [devices.remote(snapshot)])

    def get_approved_firmware(self, call: IncomingCall) -> Any:
        """None."""
        return ([],)

    def get_host_security_attrs(self, call: IncomingCall) -> Any:
        """What the checks know of the host."""
        self._core.ask(call, self, Question("fwupd-attributes"))
        return Later

    def get_host_security_events(self, call: IncomingCall, limit: int) -> Any:
        """None are kept."""
        return ([],)

    # What can be done.

    def activate(self, call: IncomingCall, ident: str) -> Any:
        """Activate one component."""
        client = self._client(call.connection)

        def use(snapshot: Snapshot) -> None:
            candidate = _find(snapshot, ident)
            if candidate is None:
                raise _error("NotSupported", "only the components below it can be activated")
            component = candidate.component
            if not component.pending:
                if component.key not in client.along:
                    raise _error("NotSupported", "no image waits for its activation")
                client.along.discard(component.key)
                self._core.server.reply(call)
                return
            request = JobRequest((component.key,), call.peer.user, "fwupd")
            interactive = bool(client.features & _AUTHENTICATION)
            self._core.activate(call, request, lambda event: self._ended(call, event), interactive=interactive)

        self._core.snapshots.invalidate()
        self._core.with_snapshot(call, self, use)
        return Later

    def _ended(self, call: IncomingCall, event: Event) -> None:
        error = job_error(event)
        for result in event["document"].get("results", []):
            others = {other["code"] for other in result.get("others", [])}
            if others & {"other-changed", "other-not-pending"}:
                self._core.snapshots.get(lambda snapshot: self._went_along(call.connection, snapshot))
        if error is None:
            if "staging" in event["document"]:
                self._say_what_follows(call.connection, event["document"]["staging"]["component"])
            self._core.server.reply(call)
        else:
            self._core.server.fail(call, _name(error.kind, error.phase), error.text)

    def _say_what_follows(self, connection: Connection, key: str) -> None:
        """Elsewhere installing ends here; not with livefw, which fwupd's clients show at their end."""
        if self._client(connection).features & _REQUESTS:
            self._core.server.signal(connection, PREFIX, "DeviceRequest", "a{sv}", devices.activation_wanted(key))

    def _went_along(self, connection: Connection, snapshot: Snapshot | Exception) -> None:
        """Components that are not pending any more because of another's activation: asking for them is not wrong."""
        if isinstance(snapshot, Snapshot) and not connection.closed:
            done = {c.component.key for c in snapshot.found.candidates if not c.component.pending}
            self._client(connection).along |= done

    def install(self, call: IncomingCall, ident: str, handle: int, options: dict[str, Variant]) -> Any:
        """Stage an image. The handle is the client's own number: what came with the message is what counts."""
        if call.fds != 1:
            raise _error("InvalidFile", "one file descriptor is needed")
        name = _option(options, "filename", "s") or ""
        flags = _option(options, "install-flags", "t") or 0
        ignore = tuple(check for flag, check in _IGNORED.items() if flags & flag)
        interactive = bool(self._client(call.connection).features & _AUTHENTICATION)

        def use(snapshot: Snapshot) -> None:
            request = JobRequest(
                _stageable(snapshot, ident),
                call.peer.user,
                "fwupd",
                ignore=ignore,
                image_name=os.path.basename(name) or "unnamed",
            )
            self._core.stage(call, request, lambda event: self._ended(call, event), interactive=interactive)

        self._core.with_snapshot(call, self, use)
        return Later

    def get_details(self, call: IncomingCall, handle: int) -> Any:
        """What is in an archive, and for which of the devices."""
        if call.fds != 1:
            raise _error("InvalidFile", "one file descriptor is needed")

        def use(snapshot: Snapshot, result: int | Exception) -> None:
            self._core.work(
                call,
                self,
                lambda: encode_body(call.method.gives, (_details(snapshot, _archive(result)),)),
                lambda values: self._core.server.answer(call, lambda call: call.reply_encoded(values)),
            )

        def taken(result: int | Exception) -> None:
            self._core.with_snapshot(call, self, lambda snapshot: use(snapshot, result))

        self._core.uploads.take(call, _MOST_LOOKED_AT, taken)
        return Later

    def set_hints(self, call: IncomingCall, hints: dict[str, str]) -> Any:
        """Nothing depends on them, but every client of fwupd's begins so, and gets the signals from then on."""
        self._client(call.connection)
        return ()

    def set_feature_flags(self, call: IncomingCall, flags: int) -> Any:
        """What the client can do."""
        self._client(call.connection).features = flags
        return ()

    def quit(self, call: IncomingCall) -> Any:
        """End the daemon, for root only and not while an activation runs."""
        if call.peer.uid != 0:
            raise _error("PermissionDenied", "only root may end the daemon")
        if self._core.jobs.busy:
            raise _error("Busy", "an activation is under way")
        self._quit()
        return ()

    def _unsupported(self, call: IncomingCall, *_: object) -> Any:
        raise _error("NotSupported", f"{call.method.name} has no meaning for live activation")

    unlock = verify = verify_update = clear_results = _unsupported
    modify_device = modify_config = inhibit = uninhibit = _unsupported

    # Telling.

    def _forget(self, connection: Connection) -> None:
        self._clients.pop(connection, None)

    def _from_snapshot(self, call: IncomingCall, answer: Callable[[Snapshot], object]) -> Any:
        self._core.answer_from_snapshot(call, self, answer)
        return Later

    def _client(self, connection: Connection) -> _FwupdClient:
        return self._clients.setdefault(connection, _FwupdClient())

    def _on_event(self, event: Event) -> None:
        kind = event["event"]
        if kind == "begins":
            self._working = Status.DEVICE_WRITE if event["verb"] == "stage" else Status.DEVICE_RESTART
            self._show(self._working, 0)
            self._changed(event["component"]["key"], label_of_row(event["component"]["key"], event["component"]))
        elif kind == "progress":
            self._show(self._working, event["percent"] or self._percentage)
        elif kind == "attempt":
            self._show(self._working, 100 if self._working is not Status.IDLE else 0)
        elif kind == "end":
            self._working = Status.IDLE
            self._show(Status.IDLE, 0)
        if kind in ("end", "changed"):
            self._core.snapshots.get(self._signal_devices)

    def _show(self, status: Status, percentage: int) -> None:
        self._status, self._percentage = status, percentage
        values = dict(variants(self, {"Status": status, "Percentage": percentage}))
        self._signal("org.freedesktop.DBus.Properties", "PropertiesChanged", "sa{sv}as", PREFIX, values, [])

    def _changed(self, key: str, name: str) -> None:
        values = {"DeviceId": device_id(key), "Name": name, "Status": self._status, "Percentage": self._percentage}
        self._signal(PREFIX, "DeviceChanged", "a{sv}", typed(values))

    def _signal_devices(self, snapshot: Snapshot | Exception) -> None:
        if isinstance(snapshot, Snapshot):
            for candidate in snapshot.found.candidates:
                self._signal(PREFIX, "DeviceChanged", "a{sv}", devices.device(candidate, snapshot))
        self._signal(PREFIX, "Changed", "")

    def _signal(self, interface: str, member: str, signature: str, *body: Any) -> None:
        for connection in list(self._clients):
            self._core.server.signal(connection, interface, member, signature, *body)


def _find(snapshot: Snapshot, ident: str) -> Candidate | None:
    """The component with this device id, None for a mechanism; `UnknownError`."""
    for candidate in snapshot.found.candidates:
        if device_id(candidate.component.key) == ident:
            return candidate
        if device_id(candidate.component.provider) == ident:
            return None
    raise UnknownError(f"{PREFIX}.NotFound", f"there is no device {ident}")


def _here(snapshot: Snapshot, ident: str) -> tuple[Component, Releases]:
    """The component with this device id and the images for it; a mechanism has none."""
    if (candidate := _find(snapshot, ident)) is None:
        raise _error("NothingToDo", "images are for the components below it")
    return candidate.component, snapshot.releases.get(candidate.component.key, ())


def _stageable(snapshot: Snapshot, ident: str) -> tuple[str, ...]:
    """The key of the component with this id, if it takes images; none for ``*``: the image then says what it is for."""
    found = [candidate for candidate in snapshot.found.candidates if is_stager(candidate.provider, candidate.component)]
    if ident == "*":
        if not found:
            raise _error("NotSupported", "nothing here takes images: they are staged by other means")
        return ()
    candidate = _find(snapshot, ident)
    if candidate is None or candidate not in found:
        raise _error("NotSupported", "this component's images are staged by other means")
    return (candidate.component.key,)


def _option(options: dict[str, Variant], name: str, signature: str) -> Any:
    """An option of a client's, if it has the right type."""
    found = options.get(name)
    return found.value if found and found.signature == signature else None


def _archive(copy: int | Exception) -> tuple[CabImage, ...]:
    """The images in an archive that a client sent."""
    if isinstance(copy, Exception):
        raise copy
    with open(copy, "rb", closefd=False) as file:
        return cab.read(file.read(), most=_MOST_LOOKED_AT)


def _details(snapshot: Snapshot, images: tuple[CabImage, ...]) -> list[Dictionary]:
    """Each image, for each component here that it is for, or for none."""
    values = []
    for image in images:
        here = [each for each in snapshot.found.candidates if is_for(image.guids, each)]
        values += [devices.details(image.about, len(image.payload), each, snapshot) for each in (here or (None,))]
    return values


def _some(found: list[Dictionary], why: str) -> list[Dictionary]:
    """Itself; fwupd's clients expect an error instead of an empty answer."""
    if not found:
        raise _error("NothingToDo", why)
    return found


def _name(kind: str, phase: str) -> str:
    """What one of our errors is called here."""
    return f"{PREFIX}.{_PHASES.get(phase) or ERRORS[kind]}"


def _error(name: str, text: str) -> DBusError:
    return DBusError(f"{PREFIX}.{name}", text)
