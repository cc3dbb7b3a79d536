# SPDX-License-Identifier: Apache-2.0
"""A modelled BMC, reached in process and in virtual time, or over TLS on the loopback."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from requests.adapters import HTTPAdapter
from urllib3.response import HTTPResponse

from livefw.activation import fake as whole
from livefw.activation.events import Control, Event, Progressed, drain
from livefw.activation.execution import mechanism
from livefw.activation.inventory.discovery import Candidate
from livefw.activation.mishaps import Mishaps
from livefw.activation.outcome import Result
from livefw.machine.bmc.firmware import Pattern
from livefw.machine.bmc.model import Dropped, Model
from livefw.machine.bmc.server import BmcServer
from livefw.machine.bmc.web import Web
from livefw.providers import fake
from livefw.providers.base import Claim, Component, ImagePackage, Progress
from livefw.providers.fake import FakeClock, FakeFiles
from livefw.providers.redfish.provider import RedfishProvider

URL = "https://bmc.example"
USERS = {"admin": "a word of passage"}
CREDENTIALS = "/etc/livefw/bmc.credentials"
SETTINGS = f'[[redfish.bmc]]\nname = "rack"\nurl = "{URL}"\ncredentials = "{CREDENTIALS}"\n'


class InProcess(HTTPAdapter):  # type: ignore[misc]
    """DMTF's library on one side, the model on the other, and no socket between them."""

    def __init__(self, web: Web) -> None:
        super().__init__()
        self.web = web

    def send(self, request: Any, **named: Any) -> Any:
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else b"".join([body] if isinstance(body, bytes) else body)
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            answer = self.web.handle(request.method, request.path_url, headers, body)
        except Dropped:
            raise ConnectionResetError from None
        raw = HTTPResponse(io.BytesIO(answer.body), answer.headers, answer.status, preload_content=False)
        return self.build_response(request, raw)


@dataclass
class Onlooker:
    patience: float = float("inf")
    told: list[Progress] = field(default_factory=list)

    def progress(self, progress: Progress) -> None:
        self.told.append(progress)

    def hear(self, event: Event, control: Control) -> None:
        if isinstance(event, Progressed):
            self.progress(Progress(event.phase, event.text, event.percent))


class Bench:
    """A BMC, and the product looking at it."""

    def __init__(self, *faults: str, pattern: Pattern | None = Pattern.BOTH, settings: str = "", **model: Any) -> None:
        self.clock = FakeClock()
        self.model = Model(self.clock.now, pattern=pattern, faults=faults, **model)
        self.web = Web(self.model, USERS)
        self.files = FakeFiles(
            {fake.SETTINGS: (SETTINGS + settings).encode(), CREDENTIALS: b"admin\na word of passage\n"}, self.clock
        )
        self.watch = Onlooker()
        self.begin_anew()

    def begin_anew(self) -> None:
        """As another process, which has seen nothing yet."""
        self.provider = RedfishProvider(self.files, self.clock, adapter=lambda bmc: InProcess(self.web))

    def component(self, ident: str = "pmfw-a") -> Component:
        found = self.provider.inspect(f"rack/{ident}")
        assert found
        return found

    def stage(self, ident: str = "pmfw-a", image: bytes = b"version=1.9.0", **package: Any) -> Claim:
        running = self.provider.stage(f"rack/{ident}", ImagePackage("image.bin", image, **package), self.watch.progress)
        assert running.wait(None)
        return running.claim

    def activate(self, ident: str = "pmfw-a") -> Result:
        watch = self.watch
        return whole.activate(
            self.provider,
            f"rack/{ident}",
            files=self.files,
            clock=self.clock,
            patience=watch.patience,
            hear=watch.hear,
        )

    def cancel(self, ident: str = "pmfw-a") -> Result:
        candidate = Candidate(self.provider, self.component(ident))
        return drain(mechanism.cancel(candidate, control=Control(), clock=self.clock, mishaps=Mishaps()))

    def posts(self, ending: str) -> list[bytes]:
        return [body for method, path, body in self.web.log if method == "POST" and path.endswith(ending)]

    @property
    def running(self) -> str:
        return self.model.firmware[0].running


@dataclass
class Served:
    """A modelled BMC on a socket, in real time."""

    server: BmcServer
    web: Web

    @property
    def model(self) -> Model:
        return self.web.model


@pytest.fixture
def make() -> type[Bench]:
    """Makes a `Bench`."""
    return Bench


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Serve modelled BMCs until the test ends."""
    import time

    made: list[Served] = []

    def start(**model: Any) -> Served:
        web = Web(Model(time.monotonic, **{"seconds": 0.1} | model), USERS)
        made.append(Served(BmcServer(web), web))
        return made[-1]

    yield start
    for each in made:
        each.server.close()
