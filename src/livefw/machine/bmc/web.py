# SPDX-License-Identifier: Apache-2.0
"""A modelled BMC as a web service, without a socket: a request in, a response out.

Resources follow DMTF's schemas of 2026.1; where `Pattern` leaves out what came with 2025.2, they follow older ones.
"""

import base64
import binascii
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from livefw.machine.bmc import documents, form, metadata
from livefw.machine.bmc.accounts import Accounts, BmcAccount
from livefw.machine.bmc.documents import (
    ACCOUNTS,
    INTEGRITY,
    METADATA,
    MONITORS,
    ODATA,
    ROOT,
    SERVICE,
    SESSIONS,
    TASKS,
    collection,
    ref,
    resource,
)
from livefw.machine.bmc.faults import PAGE_MEMBERS, TASK_STATUSES, page
from livefw.machine.bmc.firmware import INVENTORY, Firmware, Pattern
from livefw.machine.bmc.measure import MeasurementSigner
from livefw.machine.bmc.model import Dropped, Model, Rejected
from livefw.machine.bmc.reply import MOST_JSON_BYTES, Answer, WebReply, check_request, json_object, reply_of
from livefw.machine.bmc.tasks import BmcTask
from livefw.machine.bmc.vendors.shape import Shape

MOST_BYTES = 512 << 20
"""Largest image: those for all of a server at once, such as NVIDIA's for an HGX baseboard, have hundreds of MiB."""
START_REQUEST = "OnStartUpdateRequest"
_MOST_SESSIONS = 64


class _Request(NamedTuple):
    """A request that found its route; ``part`` is what the pattern of the path captured, ``by`` who is authorized."""

    web: "Web"
    path: str
    query: str
    part: str
    headers: Mapping[str, str]
    body: bytes
    by: BmcAccount | None

    @property
    def user(self) -> BmcAccount:
        """Who is authorized."""
        if self.by is None:
            raise Rejected(401, "Authentication is required.", "Base.1.19.NoValidSession")
        return self.by


_Handler = Callable[[_Request], Answer]


class _Route(NamedTuple):
    """What answers a method on a path, and the privilege that it takes; empty: not even a login.

    Privileges are those of DMTF's registry (DSP8011, Redfish_1.7.0_PrivilegeRegistry).
    """

    method: str
    path: str
    handler: _Handler
    privilege: str = "Login"


class BmcSession(NamedTuple):
    """A session: its URI, and whose it is."""

    place: str
    user: str

    def document(self) -> dict[str, Any]:
        """Its resource."""
        return resource(self.place, "Session", "User session") | {"UserName": self.user}


class Web:
    """The service. ``users`` maps names to passwords; they are administrators."""

    def __init__(self, model: Model, users: Mapping[str, str]) -> None:
        self.model = model
        self.log: list[tuple[str, str, bytes]] = []
        """Method, path and (of a large one the beginning of the) body of each request, for tests.

        Passwords are in the bodies of logins and of changes to accounts.
        """
        self.accounts = Accounts(users)
        self._sessions: dict[str, BmcSession] = {}
        self._session_number = 0
        self._boots = 0
        self._locked = False
        self._signer = MeasurementSigner()
        self._last: BmcTask | None = None
        self._fixed = documents.fixed(model.shape.identity)
        self._own = _own_routes(model.shape)

    @property
    def sessions(self) -> int:
        """How many are open."""
        return len(self._sessions)

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> WebReply:
        """Answer one request; header names in lower case. `livefw.machine.bmc.model.Dropped` breaks the connection.

        The body of a reply to HEAD is what GET would have, and is not to be sent.
        """
        path, _, query = path.partition("?")
        path = path.rstrip("/") or "/"
        self.log.append((method, path, bytes(body[:MOST_JSON_BYTES])))
        if "unreachable" in self.model.faults:
            raise Dropped
        self.model.advance()
        if self.model.boots != self._boots:
            self._boots = self.model.boots
            self._sessions.clear()
        try:
            check_request(headers, "" if "paged" in self.model.faults else query)
            answer = self._route(method, path, query, headers, body)
        except Rejected as rejected:
            if rejected.page:
                kind = "text/html" if rejected.page.startswith("<") else "text/plain"
                return WebReply(rejected.status, {"Content-Type": kind}, rejected.page.encode())
            document = documents.error(rejected.key, rejected.text) if rejected.status >= 300 else None
            answer = rejected.status, document, {}
        return reply_of(answer, unless=headers.get("if-none-match") if method in ("GET", "HEAD") else None)

    def _route(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Answer:
        found = self._routes(path)
        methods = sorted([*found, *(["HEAD"] if "GET" in found else [])])
        allowed = {"Allow": ", ".join(methods)}
        route, part = found.get("GET" if method == "HEAD" else method, (None, ""))
        by = self._known(headers)
        if by is None and not (route and not route.privilege):
            raise Rejected(401, "Authentication is required.", "Base.1.19.NoValidSession")
        if route is None and found:
            return 405, documents.error("Base.1.19.OperationNotAllowed", f"{path} cannot do this."), allowed
        if route is None:
            raise Rejected(404, "There is no such resource.", "Base.1.19.ResourceMissingAtURI")
        if by and route.privilege and not by.may(route.privilege):
            raise Rejected(403, f"This takes the privilege {route.privilege}.", "Base.1.19.InsufficientPrivilege")
        if "optional-page" in self.model.faults and path in _OPTIONAL:
            raise Rejected(503, "", page=page("503 Service Unavailable"))
        status, document, extra = route.handler(_Request(self, path, query, part, headers, body, by))
        return status, document, (allowed if route.method == "GET" else {}) | extra

    def _routes(self, path: str) -> dict[str, tuple[_Route, str]]:
        """What answers on a path, by its method."""
        found: dict[str, tuple[_Route, str]] = {}
        if document := self._fixed.get(path):
            found["GET"] = _Route("GET", path, lambda _: (200, document, {})), ""
        for route in (*self._own, *_ROUTES):
            if route.method not in found and (match := re.fullmatch(route.path, path)):
                found[route.method] = route, match[1] if match.lastindex else ""
        return found

    def _known(self, headers: Mapping[str, str]) -> BmcAccount | None:
        if token := headers.get("x-auth-token"):
            session = self._sessions.get(token)
            return session and self.accounts.of(session.user)
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        if scheme != "Basic":
            return None
        try:
            user, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return self.accounts.right(user, password)

    # Sessions and accounts.

    def log_in(self, body: bytes) -> Answer:
        """A new session."""
        wanted = json_object(body)
        self._locked = self._locked and "locked-out" in self.model.faults
        if self._locked:
            raise Rejected(401, "The user is locked.", "Base.1.19.ResourceAtUriUnauthorized")
        account = self.accounts.right(wanted.get("UserName"), wanted.get("Password"))
        if account is None:
            raise Rejected(401, "Wrong user or password.", "Base.1.19.ResourceAtUriUnauthorized")
        if len(self._sessions) >= _MOST_SESSIONS:
            raise Rejected(503, "There are too many sessions.", "Base.1.19.SessionLimitExceeded")
        self._session_number += 1
        token, session = secrets.token_urlsafe(16), BmcSession(f"{SESSIONS}/{self._session_number}", account.name)
        self._sessions[token] = session
        return 201, session.document(), {"X-Auth-Token": token, "Location": session.place}

    def session_list(self) -> dict[str, Any]:
        """The collection of sessions."""
        return collection(SESSIONS, "Session", [each.place for each in self._sessions.values()])

    def session(self, place: str) -> tuple[str, BmcSession]:
        """A session, and its token."""
        for token, known in self._sessions.items():
            if known.place == place:
                return token, known
        raise Rejected(404, "There is no such session.", "Base.1.19.ResourceMissingAtURI")

    def log_out(self, place: str, by: BmcAccount) -> Answer:
        """The end of a session; of one's own, or by who may configure the BMC."""
        token, session = self.session(place)
        if session.user != by.name and not by.may("ConfigureManager"):
            raise Rejected(403, "This is somebody else's session.", "Base.1.19.InsufficientPrivilege")
        del self._sessions[token]
        return 204, None, {}

    def add_account(self, body: bytes) -> Answer:
        """A new account."""
        account = self.accounts.add(json_object(body))
        return 201, account.document(), {"Location": account.place}

    def change_account(self, request: _Request) -> Answer:
        """Change an account; without the privilege for others, one's own password."""
        account, wanted = self.accounts.at(request.path), json_object(request.body)
        own = account.name == request.user.name and set(wanted) <= {"Password"}
        if not own and not request.user.may("ConfigureUsers"):
            raise Rejected(403, "This takes the privilege ConfigureUsers.", "Base.1.19.InsufficientPrivilege")
        self.accounts.change(account, wanted, request.headers.get("if-match"))
        return 200, account.document(), {}

    def remove_account(self, place: str) -> Answer:
        """Remove an account."""
        self.accounts.remove(self.accounts.at(place))
        return 204, None, {}

    # Updates.

    def push(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """A multipart push."""
        try:
            parts = form.parts(headers.get("content-type", ""), body)
            parameters, image = json_object(parts["UpdateParameters"]), parts["UpdateFile"]
        except (ValueError, KeyError) as error:
            raise Rejected(400, f"The push is malformed: {error}.", "Base.1.19.MalformedJSON") from None
        return self._accepted(self.model.update(image, parameters, self.model.shape.multipart))

    def push_octets(self, body: bytes) -> Answer:
        """A push of nothing but the image."""
        return self._accepted(self.model.update(body, {}, self.model.shape.octets))

    def simple_update(self, body: bytes) -> Answer:
        """SimpleUpdate. Nothing is fetched: the image is what its URI says."""
        wanted = json_object(body)
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
        if self.model.shape.state:
            self._last = task
            return 200, documents.error("iLO.2.14.UpdateInProgress", "The update has begun."), {}
        if "unfollowable" in self.model.faults:
            return 202, None, {}
        return 202, task.document(), {} if "no-location" in self.model.faults else self._later(task.monitor)

    def _later(self, place: str) -> dict[str, str]:
        """Where to ask, and when; without the latter for tasks that are over before."""
        return {"Location": place} | ({"Retry-After": "1"} if self.model.seconds > 1 else {})

    def member(self, uri: str) -> tuple[Firmware, dict[str, Any]]:
        """A member of the inventory: of what it is an image, and its resource."""
        if status := self.model.hidden(member=True):
            raise Rejected(status, "Try again.", "Base.1.19.ServiceTemporarilyUnavailable")
        if "member-page" in self.model.faults and uri == self.model.firmware[-1].uris()[-1]:
            raise Rejected(404, "", page=page("404 Not Found"))
        active = "active-untold" not in self.model.faults
        for firmware in self.model.firmware:
            for document in firmware.documents(self.model.pattern, active=active):
                if document["@odata.id"] == uri:
                    return firmware, document | self._slots(firmware)
        raise Rejected(404, "There is no such image.", "Base.1.19.ResourceMissingAtURI")

    def _slots(self, firmware: Firmware) -> dict[str, Any]:
        """What runs and what is staged, where a vendor's member says so (NVIDIA's bmcweb, nvidia_fw_utils.hpp)."""
        if not self.model.shape.slots:
            return {}
        told: dict[str, Any] = {
            "ActiveFirmwareSlot": {"FirmwareState": "Activated", "Version": firmware.running},
            "InactiveFirmwareSlot": {
                "FirmwareState": "Staged" if firmware.staged else "Unknown",
                "Version": firmware.staged or firmware.other,
            },
        }
        for name in reversed(self.model.shape.slots):
            told = {name: told}
        return told

    # Tasks.

    def task_list(self) -> dict[str, Any]:
        """The collection of tasks."""
        return collection(
            TASKS, "Task", [] if self.model.shape.state else [each.place for each in self.model.tasks.values()]
        )

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
            return 202, task.document(), self._later(task.monitor)
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
        names = ["UpdateService", "SessionService", "AccountService", "Systems", "Chassis", "Managers"]
        names += ["ComponentIntegrity"] * self._measured
        links = {name: ref(f"{ROOT}/{name}") for name in names} | {"Tasks": ref(f"{ROOT}/TaskService")}
        identity = self.model.shape.identity
        about = {
            "RedfishVersion": "1.21.0",
            "UUID": documents.UUID,
            "Vendor": identity.vendor,
            "Product": identity.product,
        }
        sessions = {"Links": {"Sessions": ref(SESSIONS)}}
        return resource(ROOT, "ServiceRoot", "Root Service", "RootService") | about | links | sessions

    def service(self) -> dict[str, Any]:
        """The UpdateService."""
        pattern, shape = self.model.pattern, self.model.shape
        starts = pattern in (Pattern.START, Pattern.BOTH)
        times = [each for each in shape.times if each != START_REQUEST] + [START_REQUEST] * starts
        names = ["SimpleUpdate"]
        names += ["StartUpdate"] * starts
        names += ["Activate"] * (pattern in (Pattern.STAGE, Pattern.BOTH))
        actions: dict[str, Any] = {
            f"#UpdateService.{name}": {"target": f"{SERVICE}/Actions/UpdateService.{name}"} for name in names
        }
        support = {"@odata.type": "#Settings.v1_4_0.OperationApplyTimeSupport", "SupportedValues": times}
        if times:
            actions["#UpdateService.SimpleUpdate"]["@Redfish.OperationApplyTimeSupport"] = support
        pushes = {"MultipartHttpPushUri": shape.multipart, "HttpPushUri": shape.octets or shape.form}
        return resource(SERVICE, "UpdateService", "Update Service") | {
            "ServiceEnabled": True,
            "Status": {"State": "Enabled", "Health": "OK"},
            "MaxImageSizeBytes": MOST_BYTES,
            "SupportedUpdateImageFormats": ["PLDMv1_3"],
            **{name: uri for name, uri in pushes.items() if uri},
            "FirmwareInventory": ref(INVENTORY),
            "Actions": actions,
            **shape.service,
            **self._state(),
        }

    def _state(self) -> dict[str, Any]:
        """How the last update goes, where the UpdateService says it (fwupd, fu-redfish-hpe-device.c)."""
        path, last = self.model.shape.state, self._last
        if not path:
            return {}
        told: dict[str, Any] = {"State": "Idle", "FlashProgressPercent": 0}
        if last:
            ended = "Error" if last.state == "Exception" else "Complete"
            told = {"State": ended if last.over else "Updating", "FlashProgressPercent": last.percent}
            told["Result"] = {"MessageId": last.document()["Messages"][-1]["MessageId"]}
        for name in reversed(path):
            told = {name: told}
        return told

    @property
    def _measured(self) -> bool:
        return self.model.shape.measured and "no-measurements" not in self.model.faults

    def inventory(self, query: str) -> dict[str, Any]:
        """The collection of images, or a page of it."""
        if status := self.model.hidden(member=False):
            raise Rejected(status, "Try again.", "Base.1.19.ServiceTemporarilyUnavailable")
        uris = [uri for firmware in self.model.firmware for uri in firmware.uris()]
        if "paged" not in self.model.faults:
            return collection(INVENTORY, "SoftwareInventory", uris)
        skipped = re.search(r"\$skip=(\d{1,9})", query)
        end = int(skipped[1] if skipped else 0) + PAGE_MEMBERS
        found = collection(INVENTORY, "SoftwareInventory", uris[end - PAGE_MEMBERS : end])
        more = {"Members@odata.nextLink": f"{INVENTORY}?$skip={end}"} if end < len(uris) else {}
        return found | {"Members@odata.count": len(uris)} | more

    def integrity(self) -> dict[str, Any]:
        """Who can be asked for measurements."""
        processor = documents.processor_of(self.model.shape.identity)
        place = f"{INTEGRITY}/{processor.rpartition('/')[2]}"
        target = f"{place}/Actions/ComponentIntegrity.SPDMGetSignedMeasurements"
        return resource(place, "ComponentIntegrity", "Integrity of a processor") | {
            "ComponentIntegrityType": "SPDM",
            "ComponentIntegrityTypeVersion": "1.2.0",
            "ComponentIntegrityEnabled": True,
            "TargetComponentURI": processor,
            "Links": {"ComponentsProtected": [ref(processor)]},
            "Actions": {"#ComponentIntegrity.SPDMGetSignedMeasurements": {"target": target}},
        }

    def measure(self, body: bytes) -> Answer:
        """SPDMGetSignedMeasurements."""
        nonce = json_object(body).get("Nonce")
        if not isinstance(nonce, str) or not re.fullmatch(r"[0-9A-Fa-f]{64}", nonce):
            raise Rejected(400, "Nonce must be 32 bytes in hexadecimal.", "Base.1.19.ActionParameterValueFormatError")
        contents = [f"{each.ident} {each.generation}".encode() for each in self.model.firmware]
        faults = self.model.faults
        replayed, forged = "measurement-replayed" in faults, "measurement-forged" in faults
        return 200, self._signer.measure(contents, bytes.fromhex(nonce), replayed=replayed, forged=forged), {}


def _shown(document: Callable[[Web], dict[str, Any]]) -> _Handler:
    return lambda r: (200, document(r.web), {})


_OPTIONAL = (f"{ROOT}/TaskService", INTEGRITY)
_NUMBER = r"\d{1,18}"
_SOFTWARE = rf"({INVENTORY}/[^/]+)"
_ACTIONS = rf"{SERVICE}/Actions/UpdateService\."
_SESSION = rf"({SESSIONS}/{_NUMBER})"
_ACCOUNT = rf"({ACCOUNTS}/{_NUMBER})"
_USERS, _COMPONENTS, _MANAGER = "ConfigureUsers", "ConfigureComponents", "ConfigureManager"
_ROUTES = [
    _Route("GET", "/redfish", lambda _: (200, {"v1": f"{ROOT}/"}, {}), ""),
    _Route("GET", ROOT, _shown(Web.root), ""),
    _Route("GET", re.escape(METADATA), lambda _: (200, metadata.schemas(), {"Content-Type": "application/xml"}), ""),
    _Route("GET", ODATA, lambda r: (200, metadata.service(r.web.root()), {}), ""),
    _Route("GET", SESSIONS, _shown(Web.session_list)),
    _Route("POST", f"{SESSIONS}(?:/Members)?", lambda r: r.web.log_in(r.body), ""),
    _Route("GET", _SESSION, lambda r: (200, r.web.session(r.part)[1].document(), {})),
    _Route("DELETE", _SESSION, lambda r: r.web.log_out(r.part, r.user)),
    _Route("GET", ACCOUNTS, lambda r: (200, r.web.accounts.collection(), {})),
    _Route("POST", ACCOUNTS, lambda r: r.web.add_account(r.body), _USERS),
    _Route("GET", _ACCOUNT, lambda r: (200, r.web.accounts.at(r.part).document(), {})),
    _Route("PATCH", _ACCOUNT, lambda r: r.web.change_account(r)),
    _Route("DELETE", _ACCOUNT, lambda r: r.web.remove_account(r.part), _USERS),
    _Route("GET", SERVICE, _shown(Web.service)),
    _Route("GET", INVENTORY, lambda r: (200, r.web.inventory(r.query), {})),
    _Route("GET", _SOFTWARE, lambda r: (200, r.web.member(r.part)[1], {})),
    _Route("POST", _ACTIONS + "SimpleUpdate", lambda r: r.web.simple_update(r.body), _COMPONENTS),
    _Route("POST", _ACTIONS + "StartUpdate", lambda r: r.web.start_update(), _COMPONENTS),
    _Route(
        "POST",
        _ACTIONS + "Activate",
        lambda r: r.web.activate(json_object(r.body).get("Targets"), r.path),
        _COMPONENTS,
    ),
    _Route(
        "POST",
        _SOFTWARE + r"/Actions/SoftwareInventory\.Activate",
        lambda r: r.web.activate([r.part], r.path),
        _COMPONENTS,
    ),
    _Route("POST", _SOFTWARE + r"/Actions/SoftwareInventory\.Cancel", lambda r: r.web.cancel(r.part), _COMPONENTS),
    _Route("GET", TASKS, _shown(Web.task_list)),
    _Route("GET", f"{INTEGRITY}/[^/]+", _shown(Web.integrity)),
    _Route(
        "POST",
        rf"{INTEGRITY}/[^/]+/Actions/ComponentIntegrity\.SPDMGetSignedMeasurements",
        lambda r: r.web.measure(r.body),
        _COMPONENTS,
    ),
]
"""Method, path and what answers; the first that fits."""


def _own_routes(shape: Shape) -> list[_Route]:
    """What answers where a vendor has it."""
    prefix = re.escape(shape.task.partition("{")[0])
    routes = [
        _Route("GET", rf"{TASKS}/{prefix}({_NUMBER})", lambda r: (200, r.web.task(r.part).document(), {})),
        _Route("GET", rf"{MONITORS}/{prefix}({_NUMBER})", lambda r: r.web.monitor(r.part)),
        _Route("DELETE", rf"{MONITORS}/{prefix}({_NUMBER})", lambda r: r.web.stop(r.part), _MANAGER),
    ]
    if shape.multipart:
        routes.append(_Route("POST", shape.multipart, lambda r: r.web.push(r.body, r.headers), _COMPONENTS))
    if shape.octets:
        routes.append(_Route("POST", shape.octets, lambda r: r.web.push_octets(r.body), _COMPONENTS))
    return routes
