# SPDX-License-Identifier: Apache-2.0
"""What a management controller answers, and what is asked of the modelled one."""

import base64
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from livefw.abi import spdm
from livefw.machine.bmc import form
from livefw.machine.bmc.model import Dropped, Model
from livefw.machine.bmc.web import Web
from livefw.providers.base import Progress
from livefw.providers.fake import FakeClock
from livefw.providers.redfish import attest, components, delivery, resources, service_state, tasks
from livefw.providers.redfish.ability import ability
from livefw.providers.redfish.client import _answer
from livefw.providers.redfish.exchange import TIMEOUT, ExchangeError, RegistryMessage, Response, local_path, retry_after
from livefw.providers.redfish.known import KnownBmc
from livefw.providers.redfish.parts import grouped
from livefw.providers.redfish.settings import Bmc
from livefw.providers.redfish.vendors.vendor import ServiceState

from .abi import NONCE
from .target import SEPARATOR, Target, parts, words

_ORIGIN = "https://bmc.example"
_ROOT = "/redfish/v1"
_BASIC = base64.b64encode(b"admin:secret")


def _head(raw: bytes) -> tuple[int, dict[str, str]]:
    """A status, and header fields one a line, as the library below hands them over: text of one byte a character."""
    status, *lines = raw.decode("latin-1").split("\n")
    fields = (line.partition(":") for line in lines)
    return int(status) if status.isascii() and status.isdecimal() and len(status) == 3 else 200, {
        name.strip().lower(): value.strip() for name, _, value in fields
    }


def _read(data: bytes) -> Response:
    head, body = parts(data, 2)
    return _answer(*_head(head), body)


def _sane(messages: tuple[RegistryMessage, ...]) -> tuple[RegistryMessage, ...]:
    assert len(messages) <= 64
    assert all(len(each.key) <= 200 and len(each.text) <= 500 for each in messages)
    return messages


def _kept(*texts: str) -> None:
    """That the history and D-Bus take them: a surrogate that stands alone could not be encoded."""
    "".join(texts).encode()


def _exchange(data: bytes) -> object:
    found = _read(data)
    wait = retry_after(found.headers)
    place = local_path(found.headers.get("location"))
    assert place is None or place.startswith("/")
    assert found.plain is None or len(found.plain) <= 500
    _kept(*(each.line for each in found.messages()))
    return found.status, _sane(found.messages()), wait, place, found.plain


def _exchange_seeds() -> Iterator[bytes]:
    told = {
        "error": {"code": "a.B", "message": "m", "@Message.ExtendedInfo": [{"MessageId": "Base.1.0.X", "Message": "y"}]}
    }
    dates = b"503\nRetry-After: Sun, 29 Nov 2026 02:31:00 GMT\nDate: Sun, 29 Nov 2026 02:30:00 GMT\nLocation: /T/1"
    yield dates + SEPARATOR + json.dumps(told).encode()
    yield b"202\nretry-after: 30" + SEPARATOR + b'{"Messages": ["text", {"Message": "m", "Severity": "OK"}]}'
    yield b"500" + SEPARATOR + b"<html><head><title>t</title></head><script>x</script><p>500 Server Error</p></html>"
    yield b"400" + SEPARATOR + b'{"data": {"description": "d"}, "message": "m", "error": "e"}'


class _Service:
    """A BMC that answers each path from one document; what is not in it answers 404."""

    def __init__(self, documents: dict[str, Any]) -> None:
        self._documents = documents
        self.root = {
            name: {"@odata.id": f"{_ROOT}/{name}"} for name in ("UpdateService", "Tasks", "ComponentIntegrity")
        }
        self.known = KnownBmc()
        self.asked = 0

    def get(self, path: str) -> Response:
        self.asked += 1
        assert self.asked <= 3000, "it reads without end"
        found = self._documents.get(path)
        if isinstance(found, int) and 100 <= found < 600:
            return _answer(found, {}, b"")
        return _answer(200, {}, json.dumps(found).encode()) if found is not None else _answer(404, {}, b"")

    def get_each(self, paths: list[str]) -> list[Response]:
        return [self.get(path) for path in paths]

    def resource(self, path: str) -> dict[str, Any]:
        return self.get(path).body

    def pause(self, seconds: float) -> None:
        assert seconds >= 0

    def within(self, seconds: float) -> AbstractContextManager[None]:
        return nullcontext()


def _document(data: bytes) -> dict[str, Any]:
    """The input as one JSON object; what is none is nothing that a library would hand on."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _resources(data: bytes) -> object:
    client: Any = _Service(_document(data))
    seen = resources.look(client)
    told = []
    found_parts = grouped(seen)
    _kept(ability(found_parts, seen))
    for part in found_parts:
        found = components.component(part, seen, Bmc("rack", _ORIGIN))
        assert found.id.startswith("rack/")
        _kept(found.key, found.name, *(f"{name}{value}" for name, value in found.details))
        _kept(
            *(each.text for each in (*found.reasons, *found.notes)),
            *(each.text for each in (found.current_version,) if each),
        )
        way = components.way(part, seen)
        assert way is None or way.uri.startswith("/")
        for each in delivery.offered(part, seen):
            assert each.uri.startswith("/")
            _kept(json.dumps(dict(each.parameters)), each.name)
        told.append((found, way))
    return told, seen.unread, seen.blind


def _resource_seeds() -> Iterator[bytes]:
    inventory = f"{_ROOT}/UpdateService/FirmwareInventory"

    def member(name: str, **more: object) -> dict[str, object]:
        target = {"target": f"{inventory}/{name}/Activate"}
        common = {
            "@odata.id": f"{inventory}/{name}",
            "Id": name,
            "Version": "1.0",
            "SoftwareId": "s",
            "Updateable": True,
        }
        return (
            common | {"RelatedItem": [{"@odata.id": "/a"}], "Actions": {"#SoftwareInventory.Activate": target}} | more
        )

    update = {
        "@odata.id": f"{_ROOT}/UpdateService",
        "FirmwareInventory": {"@odata.id": inventory},
        "MultipartHttpPushUri": "/push",
        "MaxImageSizeBytes": 100,
        "Actions": {
            "#UpdateService.StartUpdate": {"target": "/start"},
            "#UpdateService.SimpleUpdate": {
                "target": "/s",
                "@Redfish.OperationApplyTimeSupport": {"SupportedValues": ["Immediate"]},
            },
        },
        "Links": {"UpdateServiceCapabilities": {"@odata.id": "/capable"}},
    }
    waiting = {
        "@odata.id": f"{_ROOT}/t/1",
        "TaskState": "Pending",
        "TaskMonitor": "/monitor",
        "Messages": [{"MessageId": "Update.1.2.AwaitToUpdate"}],
        "Payload": {
            "JsonBody": json.dumps(
                {"Targets": [f"{inventory}/b"], "@Redfish.OperationApplyTime": "OnStartUpdateRequest"}
            )
        },
    }
    integrity = {
        "@odata.id": "/i/1",
        "Actions": {"#ComponentIntegrity.SPDMGetSignedMeasurements": {"target": "/m"}},
        "Links": {},
    }
    yield json.dumps(
        {
            f"{_ROOT}/UpdateService": update,
            inventory: {"Members": [member("a", Active=True), {"@odata.id": f"{inventory}/b"}, {"@odata.id": "/gone"}]},
            f"{inventory}/b": member("b", Staged=True, ResetRequiredOnUpdate=False),
            f"{_ROOT}/Tasks": {"Tasks": {"@odata.id": "/tasks"}},
            "/tasks": {"Members": [waiting]},
            f"{_ROOT}/ComponentIntegrity": {"Members": [integrity]},
            "/capable": {"AllowableTargets": [inventory], "AllowableStaging": []},
        }
    ).encode()
    yield json.dumps({f"{_ROOT}/UpdateService": update, inventory: 503}).encode()
    options = {"MultipartHttpPushUriOptions": {"UpdateOptionSupport": ["StageOnly", "StageAndActivate"]}}
    times = {"ApplyTime": "Immediate", "ApplyTime@Redfish.AllowableValues": ["OnReset"]}
    own = {
        "Oem": {"Nvidia": options},
        "HttpPushUri": "/octets",
        "HttpPushUriTargets": [],
        "HttpPushUriTargetsBusy": False,
        "HttpPushUriOptions": {"HttpPushUriApplyTime": times},
    }
    slots = {
        "ActiveFirmwareSlot": {"FirmwareState": "Activated", "Version": "1.0"},
        "InactiveFirmwareSlot": {"FirmwareState": "Staged", "Version": "1.1"},
    }
    bios = member("bios", Oem={"Nvidia": slots}, RelatedItem=[{"@odata.id": f"{_ROOT}/Systems/1/Bios"}])
    yield json.dumps({f"{_ROOT}/UpdateService": update | own, inventory: {"Members": [bios]}}).encode()


class _Monitor:
    """A BMC that tells of a task what it was given to tell, one answer after the other, and then nothing."""

    def __init__(self, answers: list[Response]) -> None:
        self._answers = answers

    def get(self, path: str) -> Response:
        assert path.startswith("/")
        if not self._answers:
            raise ExchangeError(TIMEOUT, sent=True)
        return self._answers.pop(0)


def _task(data: bytes) -> object:
    """A task from the answer to its request to its end, whatever that is; it ends within the time that it is given."""
    pieces = parts(data or b"200", 12)
    first, *rest = (_answer(*_head(head), body) for head, body in zip(pieces[::2], pieces[1::2], strict=True))
    clock, told = FakeClock(), list[Progress]()
    client: Any = _Monitor(rest)
    steps = tasks.follow(client, first, clock=clock, observer=told.append, patience=600.0)
    for _ in range(2000):
        try:
            clock.sleep(next(steps))
        except StopIteration as ended:
            assert all(each.percent is None or 0 <= each.percent <= 100 for each in told)
            end: tasks.TaskOutcome = ended.value
            assert len(end.reason.text if end.reason else "") <= 1000
            _kept(
                *end.log,
                end.warning,
                end.code or "",
                end.reason.text if end.reason else "",
                *(each.text for each in told),
            )
            return end, told
    raise AssertionError("nobody stops watching it")


def _flat(*answers: tuple[bytes, object]) -> bytes:
    return SEPARATOR.join(head + SEPARATOR + json.dumps(body).encode() for head, body in answers)


def _task_seeds() -> Iterator[bytes]:
    task = {"@odata.id": "/t/1", "TaskState": "Running", "PercentComplete": 50}
    done = {"TaskState": "Completed", "TaskStatus": "OK", "Messages": [{"MessageId": "Update.1.2.UpdateSuccessful"}]}
    bad = {"MessageId": "Update.1.2.ActivateFailed", "Message": "m", "Severity": "Critical"}
    yield _flat((b"202\nlocation: /m/1\nretry-after: 5", task), (b"202", task), (b"200", task | done))
    yield _flat(
        (b"202\nlocation: /m/1", task), (b"404", {}), (b"200", task | {"TaskState": "Exception", "Messages": [bad]})
    )
    yield _flat((b"202", task), (b"401", {}), (b"500", {}), (b"503\nretry-after: 99999", {}), (b"204", {}))
    yield _flat((b"400", {"error": {"@Message.ExtendedInfo": [bad | {"MessageId": "Base.1.0.ResetRequired"}]}}))
    job = {"@odata.id": "/j/1", "JobState": "Scheduled", "MessageId": "JCP001", "Message": "m"}
    yield _flat((b"202\nlocation: /j/1", job), (b"200", job | {"JobState": "CompletedWithErrors"}))
    dell = {"TaskState": "Completed", "Oem": {"Dell": {"JobState": "Failed"}}}
    yield _flat((b"202\nlocation: /m/1", task), (b"200", task | dell))
    paused = {"TaskState": "Stopping", "Messages": ["a", {"MessageId": "TaskEvent.1.0.TaskPaused"}]}
    yield _flat((b"202\nlocation: /m/1", task), (b"200", task | paused))


_STATES = ServiceState(
    state=("Oem", "Hpe", "State"),
    percent=("Oem", "Hpe", "FlashProgressPercent"),
    result=("Oem", "Hpe", "Result"),
    done=frozenset({"Complete"}),
    failed=frozenset({"Error"}),
    idle=frozenset({"Idle"}),
)


class _States:
    """A service that tells of its update what it was given to tell, and then nothing."""

    def __init__(self, bodies: list[bytes]) -> None:
        self._bodies = bodies

    def resource(self, path: str) -> dict[str, Any]:
        assert path.startswith("/")
        if not self._bodies:
            raise ExchangeError(TIMEOUT, sent=True)
        return _answer(200, {}, self._bodies.pop(0)).body


def _state(data: bytes) -> object:
    """An update without a task to its end, whatever that is; it ends within the time that it is given."""
    clock, told = FakeClock(), list[Progress]()
    client: Any = _States(parts(data, 6))
    steps = service_state.follow(client, "/u", _STATES, clock=clock, observer=told.append, patience=600.0)
    for _ in range(2000):
        try:
            clock.sleep(next(steps))
        except StopIteration as ended:
            end: tasks.TaskOutcome = ended.value
            assert all(each.percent is None or 0 <= each.percent <= 100 for each in told)
            assert all(len(each.text) <= 100 for each in told)
            _kept(*end.log, end.code or "", end.reason.text if end.reason else "", *(each.text for each in told))
            return end, told
    raise AssertionError("nobody stops watching it")


def _state_seeds() -> Iterator[bytes]:
    def told(state: str, **more: object) -> bytes:
        return json.dumps({"Oem": {"Hpe": {"State": state} | more}}).encode()

    busy = told("Updating", FlashProgressPercent=40)
    for result in ("iLO.2.15.ExtendedInfo", "iLO.2.15.SystemResetRequired"):
        yield SEPARATOR.join((told("Idle"), busy, told("Complete", Result={"MessageId": result})))
    yield SEPARATOR.join((busy, told("Error", Result={"MessageId": "iLO.2.15.X", "Message": "m"})))
    yield SEPARATOR.join((busy, told("Idle")))


class _Signing:
    """A component that answers with a statement in which our nonce stands where the input has the fixed one."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._told = told

    def ask(self, path: str, body: dict[str, Any]) -> Response:
        told = dict(self._told)
        if isinstance(raw := told.get("statement"), str):
            data = raw.encode("latin-1", "replace").replace(NONCE, bytes.fromhex(body["Nonce"]))
            told["SignedMeasurements"] = base64.b64encode(data).decode()
        return _answer(200, {}, json.dumps(told).encode())

    def resource(self, path: str) -> dict[str, Any]:
        found = self._told.get("certificate")
        return found if isinstance(found, dict) else {}


def _measured(data: bytes) -> object:
    client: Any = _Signing(_document(data))
    found = attest.attest(client, "/action")
    assert found.trouble, "it believes what nobody has signed"
    return found, attest.compare(found, attest.Attestation((), "key")), attest.compare(None, found)


_PEM = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt
6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==
-----END PUBLIC KEY-----
"""


def _measured_seeds() -> Iterator[bytes]:
    blocks = (spdm.Block(1, 0, b"1" * 48),)
    made = spdm.request(0x12, NONCE) + spdm.response(0x12, blocks, bytes(32)) + bytes(64)
    names = {"SigningAlgorithm": "TPM_ALG_ECDSA_ECC_NIST_P256", "HashingAlgorithm": "TPM_ALG_SHA_384"}
    yield json.dumps(names | {"statement": made.decode("latin-1"), "PublicKey": _PEM}).encode()
    link = {"Certificate": {"@odata.id": "/c"}, "certificate": {"CertificateString": _PEM}}
    yield json.dumps(names | link | {"statement": made.decode("latin-1")}).encode()


def _form(data: bytes) -> object:
    kind, body = parts(data, 2)
    found = form.parts(kind.decode("latin-1"), body)
    assert len(found) <= 16
    assert sum(map(len, found.values())) <= len(body)
    return {name: bytes(value) for name, value in found.items()}


_FORM = (
    b"multipart/form-data; boundary=xyz"
    + SEPARATOR
    + (
        b'--xyz\r\nContent-Disposition: form-data; name="UpdateParameters"\r\n\r\n'
        b'{"Targets": ["/redfish/v1/UpdateService/FirmwareInventory/pmfw-a"]}\r\n'
        b'--xyz\r\nContent-Disposition: form-data; name="UpdateFile"\r\n\r\nversion=1.9.0\r\n--xyz--\r\n'
    )
)


def _request(data: bytes) -> object:
    """Requests to the modelled controller, one after the other, by somebody whom it lets in."""
    clock = FakeClock()
    web = Web(Model(clock.now), {"admin": "secret"})
    told = []
    for line, body in zip(*(iter(parts(data, 6)),) * 2, strict=True):
        method, _, rest = line.decode("latin-1").partition(" ")
        path, _, kind = rest.partition(" ")
        if not path:
            continue
        clock.sleep(3.0)
        headers = {"authorization": f"Basic {_BASIC.decode()}", "content-type": kind}
        try:
            answer = web.handle(method, path, headers, body)
        except Dropped:
            told.append(0)
            continue
        assert 200 <= answer.status < 600
        if answer.body and answer.headers["Content-Type"] == "application/json":
            json.loads(answer.body)
        told.append(answer.status)
    return told


def _request_seeds() -> Iterator[bytes]:
    service, member = f"{_ROOT}/UpdateService", f"{_ROOT}/UpdateService/FirmwareInventory/pmfw-a"
    kind, body = _FORM.split(SEPARATOR)
    push = b"POST " + service.encode() + b"/update-multipart " + kind
    activate = f"POST {member}/Actions/SoftwareInventory.Activate".encode()
    yield SEPARATOR.join((push, body, activate, b"", f"GET {_ROOT}/TaskService/Tasks/1".encode(), b""))
    simple = f"POST {service}/Actions/UpdateService.SimpleUpdate".encode()
    start = f"POST {service}/Actions/UpdateService.StartUpdate".encode()
    yield SEPARATOR.join(
        (simple, b'{"ImageURI": "https://x/version=1.9.0", "Targets": ["%s"]}' % member.encode(), start, b"{}")
    )
    log_in = f"POST {_ROOT}/SessionService/Sessions".encode()
    nonce = b'{"Nonce": "%s"}' % NONCE.hex().encode()
    measure = f"POST {_ROOT}/ComponentIntegrity/CPU0/Actions/ComponentIntegrity.SPDMGetSignedMeasurements".encode()
    yield SEPARATOR.join((log_in, b'{"UserName": "admin", "Password": "secret"}', measure, nonce))
    group = f"POST {service}/Actions/UpdateService.Activate".encode()
    yield SEPARATOR.join(
        (group, b'{"Targets": ["%s"]}' % member.encode(), f"DELETE {_ROOT}/TaskService/TaskMonitors/1".encode())
    )


_NAMES = words(
    '"@odata.id" "Members" "Actions" "target" "Id" "Name" "Version" "SoftwareId" "RelatedItem" "Staged" "Links"'
    ' "Messages" "MessageId" "TaskState" "Payload" "JsonBody" "Targets" "error" "@Message.ExtendedInfo" Update.1.2.'
    " AwaitToUpdate TaskPaused ResetRequired 1e999 null true"
)
TARGETS = (
    Target(
        "bmc-answer",
        _exchange,
        _exchange_seeds,
        words=(SEPARATOR, *words("Retry-After: Date: Location: <script </style>")),
    ),
    Target("bmc-resources", _resources, _resource_seeds, (ExchangeError,), words=_NAMES, growth=512),
    Target("bmc-task", _task, _task_seeds, words=(SEPARATOR, *_NAMES), growth=256),
    Target(
        "bmc-state", _state, _state_seeds, words=(SEPARATOR, *words("Idle Updating Complete Error \\ud800")), growth=256
    ),
    Target("bmc-measurement", _measured, _measured_seeds, words=_NAMES[:3]),
    Target("modelled-bmc-form", _form, lambda: (_FORM,), (ValueError,), words=(SEPARATOR, b"\r\n--", b'name="')),
    Target(
        "modelled-bmc",
        _request,
        _request_seeds,
        words=(SEPARATOR, *words("GET POST DELETE /redfish/v1 UpdateParameters")),
    ),
)
