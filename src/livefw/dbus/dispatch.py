# SPDX-License-Identifier: Apache-2.0
"""From a message to a method and back: what may be called is what the introspection XML says, and nothing else."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from livefw.dbus import introspection
from livefw.dbus.connection import Connection
from livefw.dbus.introspection import Interface, Method
from livefw.dbus.peer import Peer
from livefw.dbus.wire import NO_REPLY, Message, MessageType, Variant, encode_body
from livefw.errors import LivefwError, kind_of
from livefw.text import harmless

_DBUS = "org.freedesktop.DBus.Error"
_PROPERTIES = "org.freedesktop.DBus.Properties"
STANDARD = (
    "org.freedesktop.DBus",
    "org.freedesktop.DBus.Peer",
    "org.freedesktop.DBus.Introspectable",
    _PROPERTIES,
)
_TEXT_LIMIT = 2_000
"""Characters of an error's text; some quote what firmware said."""


class DBusError(Exception):
    """A call failed; ``name`` is the error's name on the wire."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name
        self.text = text


class UnknownError(DBusError):
    """What was asked about is not there; of such questions strangers can make up as many as they like."""


class IncomingCall:
    """One call that waits for its answer, which is given once."""

    def __init__(self, connection: Connection, message: Message, method: Method) -> None:
        self.connection = connection
        self.method = method
        self.arguments = message.body
        self._message = message
        self._answered = False
        self._kept: list[Callable[[], None]] = []
        connection.count(1)

    @property
    def peer(self) -> Peer:
        """Who calls."""
        return self.connection.peer

    @property
    def open(self) -> bool:
        """Whether somebody still waits."""
        return not self._answered and not self.connection.closed

    @property
    def fds(self) -> int:
        """How many descriptors came with it, which wait in the socket."""
        return self._message.fds

    def keep(self, release: Callable[[], None]) -> None:
        """Have something released when the call is answered or given up."""
        self._kept.append(release)

    def release(self) -> None:
        """Release what was kept."""
        while self._kept:
            self._kept.pop()()

    def give_up(self) -> None:
        """There is nobody left to answer."""
        if not self._answered:
            self._answered = True
            self.release()
            self.connection.count(-1)

    def reply(self, *values: Any) -> None:
        """Answer with the values of the method's signature. `livefw.dbus.connection.Closed`."""
        self._answer(MessageType.RETURN, values, self.method.gives)

    def reply_encoded(self, values: bytes) -> None:
        """As `reply`, with values that `livefw.dbus.wire.encode_body` has encoded."""
        self._answer(MessageType.RETURN, (), self.method.gives, encoded=values)

    def fail(self, name: str, text: str) -> None:
        """Answer with an error."""
        self._answer(MessageType.ERROR, (harmless(text[:_TEXT_LIMIT]),), "s", error_name=name)

    def _answer(
        self,
        kind: MessageType,
        body: tuple[Any, ...],
        signature: str,
        *,
        error_name: str = "",
        encoded: bytes = b"",
    ) -> None:
        if self._answered:
            return
        self.give_up()
        if self.fds and not self.connection.closed:
            self.connection.discard()
        if self.connection.closed or self._message.flags & NO_REPLY:
            return
        self.connection.send(
            Message(
                kind,
                1,
                body,
                signature,
                reply_serial=self._message.serial,
                error_name=error_name,
                encoded=encoded,
            )
        )


Later = None
"""What a handler gives back when it answers later."""


class Face:
    """Base of the objects behind an interface.

    A method ``GetDevices`` is handled by ``get_devices(call, *arguments)``, which gives back the values to answer with,
    or `Later`. `properties` gives the values of all properties for one client.
    """

    interface: Interface

    def properties(self, connection: Connection) -> dict[str, Any]:
        """Values by name; those that are missing are not told."""
        raise NotImplementedError

    def error_name(self, kind: str, phase: str) -> str:
        """What an error of one of our kinds (`livefw.errors.KINDS`) is called in this interface."""
        raise NotImplementedError


class Dispatcher:
    """Knows every object and interface there is. ``objects`` maps paths to their faces."""

    def __init__(self, objects: dict[str, list[Face]], machine_id: Callable[[], str]) -> None:
        self._objects = objects
        self._machine_id = machine_id
        self._standard = {name: introspection.load(name) for name in STANDARD}
        self._found: dict[tuple[str, str, str], tuple[Face | None, Method]] = {}
        """Of objects that there are: what every object has can be asked of any that a stranger makes up."""
        self._encoded_properties: dict[str, tuple[dict[str, Any], bytes]] = {}

    def handle(self, connection: Connection, message: Message) -> None:
        """Take one message: calls are answered, everything else is passed over. `Closed`."""
        if message.type is not MessageType.CALL:
            if message.fds:
                connection.discard()
            return
        nothing = Method(message.member, "", "")
        try:
            face, method = self._find(message)
        except DBusError as error:
            IncomingCall(connection, message, nothing).fail(error.name, error.text)
            return
        call = IncomingCall(connection, message, method)
        try:
            if message.signature != method.takes:
                text = f"{method.name} takes ({method.takes}) and was given ({message.signature})"
                raise DBusError(f"{_DBUS}.InvalidArgs", text)
            if face is None:
                values = self._answer(call, message)
            else:
                values = getattr(face, snake(method.name))(call, *message.body)
        except DBusError as error:
            call.fail(error.name, error.text)
        except LivefwError as error:
            name = face.error_name(kind_of(error).name, error.phase or "") if face else f"{_DBUS}.Failed"
            call.fail(name, full_text(error))
        else:
            if values is not Later:
                call.reply(*values)

    def _find(self, message: Message) -> tuple[Face | None, Method]:
        """The face, None for what every object has, and the method."""
        asked = (message.path, message.interface, message.member)
        if asked in self._found:
            return self._found[asked]
        faces = self._objects.get(message.path, [])
        if not faces and message.interface not in STANDARD[:3]:
            raise DBusError(f"{_DBUS}.UnknownObject", f"there is no object {message.path}")
        known: list[tuple[Face | None, Interface]] = [(face, face.interface) for face in faces]
        known += [(None, each) for each in self._standard.values()]
        for face, interface in known:
            if message.interface in ("", interface.name) and (method := interface.methods.get(message.member)):
                if faces:
                    self._found[asked] = face, method
                return face, method
        raise DBusError(f"{_DBUS}.UnknownMethod", f"there is no {message.interface}.{message.member} here")

    def _answer(self, call: IncomingCall, message: Message) -> tuple[Any, ...] | None:
        """The standard interfaces; as what handles a method of a `Face`."""
        name = call.method.name
        if name == "Hello":
            return (":1.1",)
        if name == "Ping":
            return ()
        if name == "GetMachineId":
            return (self._machine_id(),)
        if name == "Introspect":
            return (self._introspect(message.path),)
        face = self._face(message.path, message.body[0])
        if name == "Set":
            raise DBusError(f"{_DBUS}.PropertyReadOnly", "no property here can be set")
        values = face.properties(call.connection) if face else {}
        if name == "GetAll":
            call.reply_encoded(self._all(face, values))
            return Later
        found = dict(variants(face, values)) if face else {}
        if message.body[1] not in found:
            raise DBusError(f"{_DBUS}.UnknownProperty", f"there is no property {message.body[1]}")
        return (found[message.body[1]],)

    def _all(self, face: Face | None, values: dict[str, Any]) -> bytes:
        """All properties, encoded: each client begins by asking for them, and most get the same."""
        name = face.interface.name if face else ""
        known, encoded = self._encoded_properties.get(name, (None, b""))
        if known != values:
            encoded = encode_body("a{sv}", (dict(variants(face, values)) if face else {},))
            self._encoded_properties[name] = values, encoded
        return encoded

    def _face(self, path: str, interface: str) -> Face | None:
        for face in self._objects.get(path, []):
            if face.interface.name == interface:
                return face
        if interface in self._standard:
            return None
        raise DBusError(f"{_DBUS}.UnknownInterface", f"there is no interface {interface} at {path}")

    def _introspect(self, path: str) -> str:
        prefix = path.rstrip("/") + "/"
        below = [each[len(prefix) :].split("/")[0] for each in self._objects if each.startswith(prefix) and each != "/"]
        faces = [face.interface for face in self._objects.get(path, [])]
        if not faces and not below:
            raise DBusError(f"{_DBUS}.UnknownObject", f"there is no object {path}")
        return introspection.document([*faces, *self._standard.values()], sorted(set(below)))


def variants(face: Face, values: dict[str, Any]) -> Iterator[tuple[str, Variant]]:
    """Values of properties with the types of the interface."""
    for name, value in values.items():
        yield name, Variant(face.interface.properties[name], value)


def full_text(error: Exception) -> str:
    """An error for a person: what happened, and what to do."""
    if not isinstance(error, LivefwError):
        return f"unexpected {type(error).__name__}: {error}"
    return f"{error.message} ({error.hint})" if error.hint else error.message


@cache
def snake(name: str) -> str:
    """``GetDevices`` as ``get_devices``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
