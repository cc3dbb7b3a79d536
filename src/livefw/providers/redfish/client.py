# SPDX-License-Identifier: Apache-2.0
"""One session with one BMC, by DMTF's ``redfish`` library over our own transport."""

import json
import logging
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from livefw.providers.redfish.exchange import Answer, ExchangeError
from livefw.providers.redfish.settings import Bmc, Secret

Part = tuple[str, tuple[str | None, bytes, str]]
"""A part of a form: its name, then file name, content and type."""


class Client:
    """Requests to one BMC. Every method raises `ExchangeError` if there is no usable answer, and else nothing."""

    def __init__(self, bmc: Bmc, secret: Secret, adapter: Any, now: Callable[[], float] = time.monotonic) -> None:
        """Log in.

        ``adapter`` is how to reach the BMC, usually a `transport.BoundedAdapter`; ``now`` is for `within`.
        """
        self._now = now
        self._until = float("inf")
        # The library logs bodies, session tokens among them, and nobody may turn that on.
        logging.getLogger("redfish").disabled = True
        logging.getLogger("redfish.rest.v1").disabled = True
        self.origin = bmc.url
        try:
            self._log_in(bmc, secret, adapter)
        except ExchangeError:
            adapter.close()
            raise

    def _log_in(self, bmc: Bmc, secret: Secret, adapter: Any) -> None:
        import redfish  # it takes a tenth of a second, and only those with a BMC need it

        with _told():
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
            self._library.get_root_object()
            self._library.login_url = self._login_url()
            self._library.login(auth=bmc.auth)

    def _login_url(self) -> str:
        try:
            url = self._library.root.Links.Sessions["@odata.id"]
        except (AttributeError, KeyError, TypeError):
            url = None
        return url if isinstance(url, str) and url.startswith("/redfish/") else "/redfish/v1/SessionService/Sessions"

    @property
    def root(self) -> dict[str, Any]:
        """The service root."""
        with _told():
            root = self._library.root_resp.dict
        return root if isinstance(root, dict) else {}

    def get(self, path: str) -> Answer:
        """Read a resource."""
        return self._exchange("GET", path)

    def resource(self, path: str) -> dict[str, Any]:
        """Read a resource that has to be there."""
        answer = self.get(path)
        if answer.status in (401, 403):
            raise ExchangeError("denied", f"{path} answered {answer.status}", sent=True)
        if answer.status != 200:
            raise ExchangeError("bad-status", f"{path} answered {answer.status}", sent=True)
        return answer.body

    def post(self, path: str, body: dict[str, Any]) -> Answer:
        """Ask for an action. It is asked once, whatever happens."""
        return self._exchange("POST", path, body=body)

    def push(self, path: str, parts: Sequence[Part]) -> Answer:
        """Send a form of several parts."""
        return self._exchange("POST", path, body=list(parts), headers={"Content-Type": "multipart/form-data"})

    def delete(self, path: str) -> Answer:
        """Delete a resource."""
        return self._exchange("DELETE", path)

    def close(self) -> None:
        """Log out; BMCs have few sessions to give, and keep a forgotten one for half an hour."""
        with suppress(ExchangeError), _told():
            self._library.logout()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Begin no exchange after so many seconds: each has its limit, but how many there are, the BMC decides."""
        self._until = self._now() + seconds
        try:
            yield
        finally:
            self._until = float("inf")

    def _exchange(self, method: str, path: str, **named: Any) -> Answer:
        if self._now() > self._until:
            raise ExchangeError("timeout", "there is more to read than time for it", sent=False)
        with _told():
            send = getattr(self._library, method.lower())
            response = send(path, **named)
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, _object(response.read))


def _object(data: bytes) -> dict[str, Any]:
    if not data.strip():
        return {}
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ExchangeError("malformed", "the answer is no JSON", sent=True) from error
    if not isinstance(body, dict):
        raise ExchangeError("malformed", "the answer is no JSON object", sent=True)
    return body


@contextmanager
def _told() -> Iterator[None]:
    """Every error of the library and of what is below it, as `ExchangeError`; their warnings to Python are nobody's."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ExchangeError:
        raise
    except Exception as error:
        raise _translated(error) from error


_KNOWN = (
    # name of a class, then code, text, and whether the request may have reached the BMC
    ("InvalidCredentialsError", "login", "it does not take these credentials", False),
    ("SessionCreationError", "login", "it gives no session", False),
    ("RedfishPasswordChangeRequiredError", "login", "the password has to be changed first", False),
    ("SSLCertVerificationError", "tls", "its certificate is not to be trusted", False),
    ("ConnectTimeoutError", "unreachable", "it does not answer", False),
    ("NewConnectionError", "unreachable", "no connection to it can be made", False),
    ("NameResolutionError", "unreachable", "its name is not known", False),
    ("JsonDecodingError", "malformed", "the answer is no JSON", True),
    ("ServerDownOrUnreachableError", "down", "it has no service root to give now", False),
    ("TimeoutError", "timeout", "the answer took too long", True),
    ("ReadTimeout", "timeout", "the answer took too long", True),
    ("SSLError", "tls", "the TLS connection broke", True),
)


def _translated(error: BaseException) -> ExchangeError:
    """By the innermost cause that is known; what is not may have reached the BMC."""
    chain: list[BaseException] = []
    _collect(error, chain)
    for found in chain:
        if isinstance(found, ExchangeError):
            return found
    names = {name: None for found in chain for name in (base.__name__ for base in type(found).__mro__)}
    for name, code, text, sent in _KNOWN:
        if name in names:
            return ExchangeError(code, text, sent=sent)
    return ExchangeError("broken", f"the connection broke ({type(chain[-1]).__name__})", sent=True)


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
