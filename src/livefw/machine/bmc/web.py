# SPDX-License-Identifier: Apache-2.0
"""A modelled BMC as a web service, without a socket: a request in, a response out.

Resources follow DMTF's schemas of 2026.1; where `Pattern` leaves out what came with 2025.2, they follow older ones.
"""

import base64
import hmac
import json
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from livefw.machine.bmc import form
from livefw.machine.bmc.faults import TASK_STATUSES, page
from livefw.machine.bmc.firmware import INVENTORY, SYSTEM, Firmware, Pattern
from livefw.machine.bmc.measure import MeasurementSigner
from livefw.machine.bmc.model import Model, Rejected
from livefw.machine.bmc.tasks import BmcTask

ROOT = "/redfish/v1"
SERVICE = f"{ROOT}/UpdateService"
SESSIONS = f"{ROOT}/SessionService/Sessions"
TASKS = f"{ROOT}/TaskService/Tasks"
MONITORS = f"{ROOT}/TaskService/TaskMonitors"
INTEGRITY = f"{ROOT}/ComponentIntegrity"
MOST_BYTES = 64 << 20
"""Largest request: the largest firmware image of a server has 64 MiB, a BIOS."""
_MOST_SESSIONS = 64


class WebReply(NamedTuple):
    """What goes back."""

    status: int
    headers: dict[str, str]
    body: bytes


Answer = tuple[int, dict[str, Any] | None, dict[str, str]]


class _Request(NamedTuple):
    """A request that found its route; ``part`` is what the pattern of the path captured."""

    web: "Web"
    path: str
    part: str
    headers: Mapping[str, str]
    body: bytes


_Handler = Callable[[_Request], Answer]


class Web:
    """The service. ``users`` maps names to passwords."""

    def __init__(self, model: Model, users: Mapping[str, str]) -> None:
        self.model = model
        self.log: list[tuple[str, str, bytes]] = []
        """Method, path and body of each request, for tests; passwords are in the bodies of logins only."""
        self._users = dict(users)
        self._sessions: dict[str, str] = {}
        self._session_number = 0
        self._boots = 0
        self._locked = False
        self._signer = MeasurementSigner()

    @property
    def sessions(self) -> int:
        """How many are open."""
        return len(self._sessions)

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> WebReply:
        """Answer one request; header names in lower case. `livefw.machine.bmc.model.Dropped` breaks the connection."""
        path = path.partition("?")[0]
        path = path.rstrip("/") or "/"
        self.log.append((method, path, body))
        self.model.advance()
        if self.model.boots != self._boots:
            self._boots = self.model.boots
            self._sessions.clear()
        try:
            status, document, extra = self._route(method, path, headers, body)
        except Rejected as rejected:
            if rejected.page:
                kind = "text/html" if rejected.page.startswith("<") else "text/plain"
                return WebReply(rejected.status, {"Content-Type": kind}, rejected.page.encode())
            document = _error(rejected.key, rejected.text) if rejected.status >= 300 else None
            status, extra = rejected.status, {}
        fields = {"OData-Version": "4.0", "Cache-Control": "no-store", "Content-Type": "application/json"} | extra
        return WebReply(status, fields, b"" if document is None else json.dumps(document, indent=1).encode())

    def _route(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        open_to_all = (method == "GET" and path in ("/redfish", ROOT)) or (method, path) == ("POST", SESSIONS)
        if not open_to_all and not self._known(headers):
            raise Rejected(401, "Authentication is required.", "Base.1.19.NoValidSession")
        other = False
        for verb, pattern, handler in _ROUTES:
            if match := re.fullmatch(pattern, path):
                if verb == method:
                    return handler(_Request(self, path, match[1] if match.lastindex else "", headers, body))
                other = True
        raise Rejected(405 if other else 404, "There is no such resource.", "Base.1.19.ResourceMissingAtURI")

    def _known(self, headers: Mapping[str, str]) -> bool:
        if token := headers.get("x-auth-token"):
            return token in self._sessions
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        if scheme != "Basic":
            return False
        try:
            user, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
        except ValueError:
            return False
        return self._right(user, password)

    def _right(self, user: object, password: object) -> bool:
        known = self._users.get(str(user))
        return known is not None and hmac.compare_digest(known.encode(), str(password).encode())

    # Sessions.

    def log_in(self, body: bytes) -> Answer:
        """A new session."""
        wanted = _object(body)
        self._locked = self._locked and "locked-out" in self.model.faults
        if self._locked:
            raise Rejected(401, "The user is locked.", "Base.1.19.ResourceAtUriUnauthorized")
        if not self._right(wanted.get("UserName"), wanted.get("Password")):
            raise Rejected(401, "Wrong user or password.", "Base.1.19.ResourceAtUriUnauthorized")
        if len(self._sessions) >= _MOST_SESSIONS:
            raise Rejected(503, "There are too many sessions.", "Base.1.19.SessionLimitExceeded")
        self._session_number += 1
        token, place = secrets.token_hex(16), f"{SESSIONS}/{self._session_number}"
        self._sessions[token] = place
        document = _resource(place, "Session.v1_7_2.Session", "User Session") | {"UserName": wanted["UserName"]}
        return 201, document, {"X-Auth-Token": token, "Location": place}

    def session_list(self) -> dict[str, Any]:
        """The collection of sessions."""
        return _collection(SESSIONS, "SessionCollection", list(self._sessions.values()))

    def log_out(self, place: str) -> Answer:
        """The end of a session."""
        for token, known in self._sessions.items():
            if known == place:
                del self._sessions[token]
                return 204, None, {}
        raise Rejected(404, "There is no such session.", "Base.1.19.ResourceMissingAtURI")

    # Updates.

    def push(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """A multipart push."""
        try:
            parts = form.parts(headers.get("content-type", ""), body)
            parameters, image = _object(parts["UpdateParameters"]), parts["UpdateFile"]
        except (ValueError, KeyError) as error:
            raise Rejected(400, f"The push is malformed: {error}.", "Base.1.19.MalformedJSON") from None
        return self._accepted(self.model.update(image, parameters, f"{SERVICE}/update-multipart"))

    def simple_update(self, body: bytes) -> Answer:
        """SimpleUpdate. Nothing is fetched: the image is what its URI says."""
        wanted = _object(body)
        uri = wanted.get("ImageURI")
        if not isinstance(uri, str):
            raise Rejected(400, "ImageURI is missing.", "Base.1.19.ActionParameterMissing")
        place = f"{SERVICE}/Actions/UpdateService.SimpleUpdate"
        return self._accepted(self.model.update(uri.encode(), wanted, place))

    def start_update(self) -> Answer:
        """StartUpdate."""
        return self._accepted(self.model.start(f"{SERVICE}/Actions/UpdateService.StartUpdate"))

    def activate(self, uris: object, place: str) -> Answer:
        """Activate, of the service or of one member."""
        found = [self.model.find(uri) for uri in uris] if isinstance(uris, list) else []
        firmware = [each for each in found if each]
        if len(firmware) != len(found):
            raise Rejected(404, "There is no such target.", "Base.1.19.ResourceMissingAtURI")
        return self._accepted(self.model.activate(firmware, place))

    def cancel(self, uri: str) -> Answer:
        """Cancel."""
        self.model.cancel(self.member(uri)[0])
        return 204, None, {}

    def _accepted(self, task: BmcTask) -> Answer:
        place = f"{MONITORS}/{task.number}"
        if "unfollowable" in self.model.faults:
            return 202, None, {}
        return 202, task.document(), {} if "no-location" in self.model.faults else self._later(place)

    def _later(self, place: str) -> dict[str, str]:
        """Where to ask, and when; without the latter for tasks that are over before."""
        return {"Location": place} | ({"Retry-After": "1"} if self.model.seconds > 1 else {})

    def member(self, uri: str) -> tuple[Firmware, dict[str, Any]]:
        """A member of the inventory: of what it is an image, and its resource."""
        if status := self.model.hidden(member=True):
            raise Rejected(status, "Try again.", "Base.1.19.ServiceTemporarilyUnavailable")
        active = "active-untold" not in self.model.faults
        for firmware in self.model.firmware:
            for document in firmware.documents(self.model.pattern, active=active):
                if document["@odata.id"] == uri:
                    return firmware, document
        raise Rejected(404, "There is no such image.", "Base.1.19.ResourceMissingAtURI")

    # Tasks.

    def task_list(self) -> dict[str, Any]:
        """The collection of tasks."""
        return _collection(TASKS, "TaskCollection", [f"{TASKS}/{number}" for number in self.model.tasks])

    def task(self, number: str) -> BmcTask:
        """A task, unless it is to be forgotten."""
        found, faults = self.model.tasks.get(int(number)), self.model.faults
        if found is None or ("monitor-vanishes" in faults and found.percent > 0):
            raise Rejected(404, "There is no such task.", "Base.1.19.ResourceMissingAtURI")
        if found.over and not faults.isdisjoint(("task-deleted", "task-deleted-page")):
            found_out = page("404 Not Found") if "task-deleted-page" in faults else ""
            raise Rejected(404, "There is no such task.", "Base.1.19.ResourceMissingAtURI", page=found_out)
        if status := next((each for fault, each in TASK_STATUSES.items() if fault in faults), 0):
            raise Rejected(status, "The service failed.")
        return found

    def monitor(self, number: str) -> Answer:
        """Where a task is: 202 until it has ended."""
        task = self.task(number)
        if not task.looked_at and not self.model.faults.isdisjoint(("session-expires", "locked-out")):
            self._sessions.clear()
            self._locked = True
        task.looked_at = True
        if "monitor-pages" in self.model.faults and not task.over:
            raise Rejected(502, "", page=page("502 Bad Gateway"))
        if task.state == "Stopping" or not task.over:
            return 202, task.document(), self._later(f"{MONITORS}/{number}")
        if "monitor-once" in self.model.faults:
            if task.read_after_end:
                raise Rejected(404, "There is no such monitor.", "Base.1.19.ResourceMissingAtURI")
            task.read_after_end = True
            return 204, None, {}
        return 200, task.document(), {}

    def stop(self, number: str) -> Answer:
        """DELETE of a monitor."""
        self.model.delete(self.task(number))
        return 204, None, {}

    # Documents.

    def root(self) -> dict[str, Any]:
        """The service root."""
        names = ["UpdateService", "SessionService", "Systems"]
        names += ["ComponentIntegrity"] * ("no-measurements" not in self.model.faults)
        links = {name: _ref(f"{ROOT}/{name}") for name in names} | {"Tasks": _ref(f"{ROOT}/TaskService")}
        about = {"RedfishVersion": "1.21.0", "UUID": "92384634-2938-2342-8820-489239905423", "Vendor": "livefw"}
        sessions = {"Links": {"Sessions": _ref(SESSIONS)}}
        return (
            _resource(ROOT, "ServiceRoot.v1_17_0.ServiceRoot", "Root Service", "RootService") | about | links | sessions
        )

    def service(self) -> dict[str, Any]:
        """The UpdateService."""
        pattern = self.model.pattern
        times = ["Immediate", "OnReset"] + ["OnStartUpdateRequest"] * (pattern in (Pattern.START, Pattern.BOTH))
        names = ["SimpleUpdate"]
        names += ["StartUpdate"] * (pattern in (Pattern.START, Pattern.BOTH))
        names += ["Activate"] * (pattern in (Pattern.STAGE, Pattern.BOTH))
        actions: dict[str, Any] = {
            f"#UpdateService.{name}": {"target": f"{SERVICE}/Actions/UpdateService.{name}"} for name in names
        }
        support = {"@odata.type": "#Settings.v1_4_0.OperationApplyTimeSupport", "SupportedValues": times}
        actions["#UpdateService.SimpleUpdate"]["@Redfish.OperationApplyTimeSupport"] = support
        return _resource(SERVICE, "UpdateService.v1_17_0.UpdateService", "Update Service") | {
            "ServiceEnabled": True,
            "Status": {"State": "Enabled", "Health": "OK"},
            "MaxImageSizeBytes": MOST_BYTES,
            "SupportedUpdateImageFormats": ["PLDMv1_3"],
            "MultipartHttpPushUri": f"{SERVICE}/update-multipart",
            "FirmwareInventory": _ref(INVENTORY),
            "Actions": actions,
        }

    def inventory(self) -> dict[str, Any]:
        """The collection of images."""
        if status := self.model.hidden(member=False):
            raise Rejected(status, "Try again.", "Base.1.19.ServiceTemporarilyUnavailable")
        uris = [uri for firmware in self.model.firmware for uri in firmware.uris()]
        return _collection(INVENTORY, "SoftwareInventoryCollection", uris)

    def integrity(self) -> dict[str, Any]:
        """Who can be asked for measurements."""
        place = f"{INTEGRITY}/CPU0"
        target = f"{place}/Actions/ComponentIntegrity.SPDMGetSignedMeasurements"
        return _resource(place, "ComponentIntegrity.v1_4_0.ComponentIntegrity", "CPU0 integrity") | {
            "ComponentIntegrityType": "SPDM",
            "ComponentIntegrityTypeVersion": "1.2.0",
            "ComponentIntegrityEnabled": True,
            "TargetComponentURI": f"{SYSTEM}/Processors/CPU0",
            "Links": {"ComponentsProtected": [_ref(f"{SYSTEM}/Processors/CPU0")]},
            "Actions": {"#ComponentIntegrity.SPDMGetSignedMeasurements": {"target": target}},
        }

    def measure(self, body: bytes) -> Answer:
        """SPDMGetSignedMeasurements."""
        nonce = _object(body).get("Nonce")
        if not isinstance(nonce, str) or not re.fullmatch(r"[0-9A-Fa-f]{64}", nonce):
            raise Rejected(400, "Nonce must be 32 bytes in hexadecimal.", "Base.1.19.ActionParameterValueFormatError")
        contents = [f"{each.ident} {each.generation}".encode() for each in self.model.firmware]
        faults = self.model.faults
        replayed, forged = "measurement-replayed" in faults, "measurement-forged" in faults
        return 200, self._signer.measure(contents, bytes.fromhex(nonce), replayed=replayed, forged=forged), {}


def _resource(place: str, kind: str, name: str, ident: str = "") -> dict[str, Any]:
    last = ident or place.rpartition("/")[2]
    return {"@odata.id": place, "@odata.type": f"#{kind}", "Id": last, "Name": name}


def _collection(place: str, kind: str, uris: list[str]) -> dict[str, Any]:
    found = {"@odata.id": place, "@odata.type": f"#{kind}.{kind}", "Name": kind}
    return found | {"Members": [_ref(uri) for uri in uris], "Members@odata.count": len(uris)}


def _ref(uri: str) -> dict[str, str]:
    return {"@odata.id": uri}


def _error(key: str, text: str) -> dict[str, Any]:
    info = {"MessageId": key, "Message": text, "MessageSeverity": "Critical", "Resolution": "None."}
    return {"error": {"code": key, "message": text, "@Message.ExtendedInfo": [info]}}


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body or b"{}")
        json.dumps(document, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise Rejected(400, "The body is not a JSON object.", "Base.1.19.MalformedJSON")
    return document


def _shown(document: Callable[[Web], dict[str, Any]]) -> _Handler:
    return lambda r: (200, document(r.web), {})


def _fixed(path: str, kind: str, name: str, **more: Any) -> tuple[str, str, _Handler]:
    document = _resource(path, kind, name) | more
    return "GET", path, lambda _: (200, document, {})


def _listed(path: str, kind: str, *uris: str) -> tuple[str, str, _Handler]:
    document = _collection(path, kind, list(uris))
    return "GET", path, lambda _: (200, document, {})


_NUMBER = r"\d{1,18}"
_SOFTWARE = rf"({INVENTORY}/[^/]+)"
_ACTIONS = rf"{SERVICE}/Actions/UpdateService\."
_PROCESSOR = f"{SYSTEM}/Processors/CPU0"
_ROUTES: list[tuple[str, str, _Handler]] = [
    ("GET", "/redfish", lambda _: (200, {"v1": f"{ROOT}/"}, {})),
    ("GET", ROOT, _shown(Web.root)),
    _fixed(f"{ROOT}/SessionService", "SessionService.v1_1_9.SessionService", "Sessions", Sessions=_ref(SESSIONS)),
    ("GET", SESSIONS, _shown(Web.session_list)),
    ("POST", SESSIONS, lambda r: r.web.log_in(r.body)),
    ("DELETE", rf"({SESSIONS}/\d+)", lambda r: r.web.log_out(r.part)),
    _listed(f"{ROOT}/Systems", "ComputerSystemCollection", SYSTEM),
    _fixed(
        SYSTEM,
        "ComputerSystem.v1_23_0.ComputerSystem",
        "Modelled server",
        PowerState="On",
        Bios=_ref(f"{SYSTEM}/Bios"),
        Processors=_ref(f"{SYSTEM}/Processors"),
    ),
    _fixed(f"{SYSTEM}/Bios", "Bios.v1_2_3.Bios", "BIOS"),
    _listed(f"{SYSTEM}/Processors", "ProcessorCollection", _PROCESSOR),
    _fixed(_PROCESSOR, "Processor.v1_20_0.Processor", "CPU0", ProcessorType="CPU"),
    ("GET", SERVICE, _shown(Web.service)),
    ("GET", INVENTORY, _shown(Web.inventory)),
    ("GET", _SOFTWARE, lambda r: (200, r.web.member(r.part)[1], {})),
    ("POST", f"{SERVICE}/update-multipart", lambda r: r.web.push(r.body, r.headers)),
    ("POST", _ACTIONS + "SimpleUpdate", lambda r: r.web.simple_update(r.body)),
    ("POST", _ACTIONS + "StartUpdate", lambda r: r.web.start_update()),
    (
        "POST",
        _ACTIONS + "Activate",
        lambda r: r.web.activate(_object(r.body).get("Targets"), r.path),
    ),
    (
        "POST",
        _SOFTWARE + r"/Actions/SoftwareInventory\.Activate",
        lambda r: r.web.activate([r.part], r.path),
    ),
    (
        "POST",
        _SOFTWARE + r"/Actions/SoftwareInventory\.Cancel",
        lambda r: r.web.cancel(r.part),
    ),
    _fixed(f"{ROOT}/TaskService", "TaskService.v1_2_2.TaskService", "Tasks", ServiceEnabled=True, Tasks=_ref(TASKS)),
    (
        "GET",
        TASKS,
        _shown(Web.task_list),
    ),
    ("GET", rf"{TASKS}/({_NUMBER})", lambda r: (200, r.web.task(r.part).document(), {})),
    ("GET", rf"{MONITORS}/({_NUMBER})", lambda r: r.web.monitor(r.part)),
    ("DELETE", rf"{MONITORS}/({_NUMBER})", lambda r: r.web.stop(r.part)),
    _listed(INTEGRITY, "ComponentIntegrityCollection", f"{INTEGRITY}/CPU0"),
    ("GET", f"{INTEGRITY}/CPU0", _shown(Web.integrity)),
    (
        "POST",
        rf"{INTEGRITY}/CPU0/Actions/ComponentIntegrity\.SPDMGetSignedMeasurements",
        lambda r: r.web.measure(r.body),
    ),
]
"""Method, path and what answers; the first that fits."""
