# SPDX-License-Identifier: Apache-2.0
"""One session with one BMC, by DMTF's ``redfish`` library over our own transport."""

import json
import logging
import ssl
import threading
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from livefw.clock import Clock, SystemClock
from livefw.providers.component import Reason
from livefw.providers.redfish import exchange, tls_failure
from livefw.providers.redfish.exchange import (
    UNHURRIED,
    ExchangeError,
    Pace,
    Response,
    plain_text,
    require_resource,
)
from livefw.providers.redfish.fan_out import Abandoned, Listener
from livefw.providers.redfish.known import KnownBmc
from livefw.providers.redfish.settings import Bmc, Secret
from livefw.providers.redfish.upload import UploadBody
from livefw.text import whole

NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_MOST_LOGINS = 6
"""Further logins of one client: a BMC may end sessions every five minutes while a task takes half an hour."""
_SLICE_S = 0.25
_MOST_LATE = 2
"""Resources that may time out before no other is asked for."""
_MOST_REFUSED = 2
"""Logins that are refused before no other is tried: BMCs lock a user out after a few of them."""


class RedfishClient:
    """Requests to one BMC. Every method raises `ExchangeError` if there is no usable answer, and else nothing.

    BMCs end sessions by themselves: after a time, for want of space, or because they restart. What only reads is then
    asked once more after another login; for anything else see `renew`.
    """

    def __init__(
        self,
        bmc: Bmc,
        secret: Secret,
        adapter: Any,
        clock: Clock | None = None,
        *,
        pace: Pace | None = None,
        listener: Listener | None = None,
        known: KnownBmc | None = None,
    ) -> None:
        """Log in.

        ``adapter`` is how to reach the BMC, usually a `transport.BoundedAdapter`, whose limits hold unless there is a
        ``pace``; ``clock`` is for `within` and `pause`, and ``listener`` hears the first answer.
        ``known`` is what earlier looks have left; without it, everything is read anew.
        """
        self.known = known or KnownBmc()
        self._looks_again = known is not None
        self.known.looks += 1
        self._clock = clock or SystemClock()
        self._pace = pace
        self._listener = listener or Listener()
        self._adapter = adapter
        self._lanes = getattr(adapter, "lanes", 1)
        self._renewing = threading.Lock()
        self._until = float("inf")
        # The library logs bodies, session tokens among them, and nobody may turn that on.
        logging.getLogger("redfish").disabled = True
        logging.getLogger("redfish.rest.v1").disabled = True
        self._url, self._auth = bmc.url, bmc.auth
        self._prefix = urlsplit(bmc.url).path
        self._library: Any = None
        self._known = False
        self._left, self._refusals = _MOST_LOGINS, 0
        self._ended: list[str] = []
        try:
            self._log_in(bmc, secret, adapter)
        except BaseException:
            self.close()  # there are services that make a session and say that it cannot be used
            adapter.close()
            raise

    def _log_in(self, bmc: Bmc, secret: Secret, adapter: Any) -> None:
        import redfish  # it takes a tenth of a second, and only those with a BMC need it

        # The warnings of the library to its programmers. For the process: `warnings` knows no threads.
        warnings.filterwarnings("ignore", module=r"(redfish|urllib3)\.")
        with _errors_translated():
            self._library = redfish.redfish_client(
                base_url=bmc.url,
                username=secret.user,
                password=secret.password,
                max_retry=0,  # what was not answered may have been done
                check_connectivity=False,
                https_adapter=adapter,
            )
            # Neither proxies nor passwords of ~/.netrc: the settings say who is spoken to, and as whom.
            self._library._session.trust_env = False  # noqa: SLF001 - there is no other way to it
            self._hear_first_answer()
            self._library.login_url = self._login_url()
            self._library.login(auth=bmc.auth)
            self._keep_location()
            if self._library.root_resp.status == 401:  # a service that shows not even its root to strangers
                self._library.get_root_object()

    def _keep_location(self) -> None:
        """Of a session, without what a gateway has put before it: the library would put it there once more."""
        if self._prefix and (place := self._library.get_session_location()):
            self._library.set_session_location(self._within(urlsplit(place).path))

    def _within(self, path: str) -> str:
        """A path as the BMC itself knows it: some gateways rewrite links, and most do not."""
        return path.replace(f"{self._prefix}/redfish/", "/redfish/") if self._prefix else path

    def _hear_first_answer(self) -> None:
        if self._pace:
            self._adapter.seconds = self._pace.first
        self._adapter.reached = self._listener.reached
        self._listener.asking()
        try:
            with _errors_translated():
                self._library.get_root_object()
        except ExchangeError as error:
            if error.code == "timeout" or error.reason == _NOT_CONNECTED:
                seconds = getattr(self._adapter, "seconds", UNHURRIED.first)
                raise ExchangeError(exchange.SILENT.fill(seconds=f"{seconds:g}"), sent=False) from error
            if error.code == "tls":
                raise ExchangeError(tls_failure.with_names(error.reason, self._url), sent=error.sent) from error
            raise
        if self._pace:
            self._adapter.seconds = self._pace.each
        self._listener.answered()

    def _login_url(self) -> str:
        try:
            url = self._library.root.Links.Sessions["@odata.id"]
        except (AttributeError, KeyError, TypeError):
            url = None
        return url if isinstance(url, str) and url.startswith("/redfish/") else "/redfish/v1/SessionService/Sessions"

    @property
    def root(self) -> dict[str, Any]:
        """The service root."""
        with _errors_translated():
            root = self._library.root_resp.dict
            root = json.loads(self._within(json.dumps(root))) if self._prefix else root
        return root if isinstance(root, dict) else {}

    def get(self, path: str) -> Response:
        """Read a resource, or only ask whether it is still what is known of it."""
        before = self.known.answer(path) if self._looks_again else None
        answer = self._read("GET", path, headers={"If-None-Match": before.etag} if before else {})
        if before and answer.status == 304:
            return _answer(200, {**answer.headers}, before.body)
        return answer

    def get_each(self, paths: Sequence[str]) -> list[Response | ExchangeError]:
        """Read several resources, in their order, as many at a time as the way to the BMC allows.

        Once two have timed out, no other is asked for: that BMC has stopped answering.
        """
        found: list[Response | ExchangeError] = [ExchangeError(exchange.NOT_ASKED, sent=False)] * len(paths)
        left = deque(enumerate(paths))
        late: list[ExchangeError] = []
        gone: list[Abandoned] = []

        def work() -> None:
            while left and len(late) < _MOST_LATE and not gone:
                try:
                    index, path = left.popleft()
                except IndexError:  # the other thread was faster
                    return
                try:
                    found[index] = self.get(path)
                except ExchangeError as error:
                    found[index] = error
                    late.extend([error] * (error.code == "timeout"))
                except Abandoned as error:
                    gone.append(error)

        helpers = self._lanes - 1 if len(paths) > self._lanes else 0  # another connection costs two or three exchanges
        threads = [threading.Thread(target=work, daemon=True, name="bmc-lane") for _ in range(helpers)]
        for thread in threads:
            thread.start()
        work()
        for thread in threads:
            thread.join()
        if gone:
            raise gone[0]
        return found

    def resource(self, path: str) -> dict[str, Any]:
        """Read a resource that has to be there."""
        return require_resource(path, self.get(path))

    def ask(self, path: str, body: dict[str, Any]) -> Response:
        """Ask for an action that only reads."""
        return self._read("POST", path, body=body)

    def post(self, path: str, body: dict[str, Any]) -> Response:
        """Ask for an action. It is asked once, whatever happens."""
        return self._exchange("POST", path, body=body)

    def push(self, path: str, body: UploadBody, headers: Mapping[str, str] = NO_HEADERS) -> Response:
        """Send an image, as it is read. It is sent once, whatever happens."""
        self._require_time()
        with _errors_translated():
            library = self._library
            # The library itself would make one string of it all.
            fields = library._get_req_headers({"Content-Type": body.kind, **headers})  # noqa: SLF001
            found = library._session.post(f"{self._url}{path}", data=body, headers=fields)  # noqa: SLF001
            return self._known_answer(found.status_code, found.headers.items(), found.content)

    def patch(self, path: str, body: dict[str, Any], etag: str = "") -> Response:
        """Set properties of a resource, if it still is the one of the ETag."""
        return self._read("PATCH", path, body=body, headers={"If-Match": etag} if etag else None)

    def delete(self, path: str) -> Response:
        """Delete a resource."""
        return self._exchange("DELETE", path)

    def close(self) -> None:
        """Log out; BMCs have few sessions to give, and keep a forgotten one for half an hour."""
        if self._library is None:
            return
        for place in self._ended:
            with suppress(ExchangeError), _errors_translated():  # it may be gone indeed
                self._library.delete(place)
        with suppress(ExchangeError), _errors_translated():
            self._library.logout()
        self._library._session.close()  # noqa: SLF001 - the library does so only if the BMC let it log out

    def renew(self) -> bool:
        """Log in once more after a 401; False if that would be no use: this client was never let in.

        `ExchangeError` if it cannot be, with the code ``locked-out`` once that is for good.
        """
        if not self._known:
            return False
        if self._left <= 0 or self._refusals >= _MOST_REFUSED:
            raise ExchangeError(exchange.LOCKED_OUT, sent=True)
        library = self._library
        if place := library.get_session_location():
            self._ended.append(urlsplit(place).path)
        library.set_session_key(None)  # a token that is void would be refused with the login
        library.set_session_location(None)
        try:
            with _errors_translated():
                library.login(auth=self._auth)
                self._keep_location()
        except ExchangeError as error:
            self._refusals += error.code == "login"
            raise
        self._left -= 1
        return True

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Begin no exchange after so many seconds: each has its limit, but how many there are, the BMC decides."""
        self._until = self._clock.now() + seconds
        try:
            yield
        finally:
            self._until = float("inf")

    def pause(self, seconds: float) -> None:
        """Let time pass before something is asked again; `Abandoned` as soon as nobody waits for it."""
        end = self._clock.now() + seconds
        while (left := end - self._clock.now()) > 0:
            self._listener.require_wanted()
            self._clock.sleep(min(left, _SLICE_S))

    def _read(self, method: str, path: str, **named: Any) -> Response:
        key = self._library.get_session_key()
        answer = self._exchange(method, path, **named)
        if answer.status != 401:
            return answer
        with self._renewing:  # the other thread may have done it meanwhile
            again = self._library.get_session_key() != key or self.renew()
        return self._exchange(method, path, **named) if again else answer

    def _exchange(self, method: str, path: str, **named: Any) -> Response:
        self._require_time()
        with _errors_translated():
            if method == "GET" and (short := getattr(self._adapter, "read", None)):
                fields = self._library._get_req_headers({**named["headers"]})  # noqa: SLF001 - who is logged in
                status, headers, data = short(path, fields)
                if status not in _REDIRECTIONS:  # which the library follows
                    return self._known_answer(status, headers, data, path)
            send = getattr(self._library, method.lower())
            response = send(path, **named)
            return self._known_answer(response.status, response.getheaders(), response.read, path * (method == "GET"))

    def _require_time(self) -> None:
        self._listener.require_wanted()
        if self._clock.now() > self._until:
            raise ExchangeError(exchange.TIMEOUT, sent=False)

    def _known_answer(self, status: int, headers: Iterable[tuple[str, str]], data: bytes, path: str = "") -> Response:
        """The answer; that to a read of a ``path`` is kept."""
        self._known = self._known or status != 401
        fields = {name.lower(): self._within(value) for name, value in headers}
        if self._prefix:
            data = data.replace(f"{self._prefix}/redfish/".encode(), b"/redfish/")
        if path and status == 200 and self._looks_again:
            self.known.keep(path, fields.get("etag", ""), data)
        return _answer(status, fields, data)


_REDIRECTIONS = frozenset({301, 302, 303, 307, 308})


def _answer(status: int, headers: dict[str, str], data: bytes) -> Response:
    """The status is an answer by itself, whatever the body is."""
    if not data.strip():
        return Response(status, headers, {})
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        body = None
    return (
        Response(status, headers, body) if isinstance(body, dict) else Response(status, headers, {}, plain_text(data))
    )


@contextmanager
def _errors_translated() -> Iterator[None]:
    """Every error of the library and of what is below it, as `ExchangeError`."""
    try:
        yield
    except (ExchangeError, Abandoned):
        raise
    except Exception as error:
        raise _translated(error) from error


_NOT_CONNECTED = Reason("unreachable", "it does not respond")
_KNOWN = (
    # name of a class, then why, and whether the request may have reached the BMC
    ("InvalidCredentialsError", Reason("login", "it rejects these credentials"), False),
    ("RedfishPasswordChangeRequiredError", Reason("login", "the password must be changed first"), False),
    ("ConnectTimeoutError", _NOT_CONNECTED, False),
    ("NewConnectionError", Reason("unreachable", "no connection could be made"), False),
    ("NameResolutionError", Reason("unreachable", "its host name cannot be resolved"), False),
    ("JsonDecodingError", exchange.NO_JSON, True),
    ("ServerDownOrUnreachableError", Reason("down", "its service root is not available now"), False),
    ("TimeoutError", Reason("timeout", "the reply took too long"), True),
    ("ReadTimeout", Reason("timeout", "the reply took too long"), True),
)


def _translated(error: BaseException) -> ExchangeError:
    """By the innermost cause that is known; what is not may have reached the BMC."""
    chain: list[BaseException] = []
    _collect(error, chain)
    for found in chain:
        if isinstance(found, ExchangeError):
            return found
        if why := tls_failure.reason_of(found):
            return ExchangeError(why, sent=not isinstance(found, ssl.SSLCertVerificationError))
    for each in chain:
        if type(each).__name__ == "SessionCreationError":
            return ExchangeError(_no_session(str(each)), sent=False)
    names = {base.__name__ for each in chain for base in type(each).__mro__}
    for name, reason, sent in _KNOWN:
        if name in names:
            return ExchangeError(reason, sent=sent)
    return ExchangeError(exchange.BROKEN.fill(error=type(chain[-1]).__name__), sent=True)


_NO_SESSION = Reason(
    "no-session",
    "it creates no session: {why}",
    'close sessions on the BMC, or set auth = "basic" for it in livefw.toml, which needs none',
)


def _no_session(text: str) -> Reason:
    """The library has status and the BMC's own words in two lines."""
    first, _, words = text.partition("\n")
    status = first.partition(":")[0]
    said = ": ".join(filter(None, (status, whole(plain_text(words.encode("utf-8", "replace"))))))
    return _NO_SESSION.fill(why=said or "no reason was given")


_DEEPEST = 16


def _collect(error: BaseException, chain: list[BaseException]) -> None:
    """The error and everything below it, however each library has wrapped it."""
    if error in chain or len(chain) >= _DEEPEST:
        return
    chain.append(error)
    below = (error.__cause__, error.__context__, getattr(error, "reason", None), *error.args)
    for each in below:
        if isinstance(each, BaseException):
            _collect(each, chain)
