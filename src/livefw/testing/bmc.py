# SPDX-License-Identifier: Apache-2.0
"""A modelled BMC that serves Redfish on the loopback interface, for clients of one's own."""

import os
import secrets
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from livefw import libraries
from livefw.errors import UsageError
from livefw.machine.bmc.faults import FAULTS
from livefw.machine.bmc.firmware import Firmware, Pattern
from livefw.machine.bmc.model import Model
from livefw.machine.bmc.vendors.table import SHAPES


class ModelBmc:
    """A modelled BMC, in real time, over HTTPS with a certificate of its own. A context manager that ends it.

    Attributes:
        url: where it serves, such as ``https://127.0.0.1:43211``.
        user: the only account.
        password: its password, another one each time.
        certificate: the certificate in PEM, by which a client can verify the BMC.
        model: the state of the BMC (`livefw.machine.bmc.model.Model`), with its firmware and tasks.
    """

    def __init__(
        self,
        *,
        vendor: str = "livefw",
        pattern: str | None = None,
        task_seconds: float = 0.1,
        faults: Iterable[str] = (),
        firmware: Iterable[Firmware] | None = None,
        latency: float = 0.0,
    ) -> None:
        """Start to serve.

        Args:
            vendor: whose BMC it looks like, one of `livefw.machine.bmc.vendors.table.SHAPES`.
            pattern: how an image waits for its activation, one of `livefw.machine.bmc.firmware.Pattern`; by default the
                vendor's.
            task_seconds: how long each task takes.
            faults: names of `BMC_FAULTS`.
            latency: how many seconds each answer takes.
            firmware: what can be updated, by default what the vendor has (livefw: two of a CPU, and a BIOS).

        Raises:
            livefw.errors.UsageError: there is no such vendor, pattern or fault; the message lists what is available.
            livefw.errors.NotInstalled: the Python package cryptography is missing.
        """
        libraries.load("cryptography")
        from livefw.machine.bmc.server import BmcServer
        from livefw.machine.bmc.settings import USER
        from livefw.machine.bmc.web import Web

        if vendor not in SHAPES:
            raise UsageError(f"there is no vendor {vendor!r}; there are {', '.join(SHAPES)}")
        if pattern is not None and pattern not in set(Pattern):
            raise UsageError(f"there is no pattern {pattern!r}; there are {', '.join(Pattern)}")
        if unknown := sorted(set(faults := list(faults)) - set(FAULTS)):
            raise UsageError(f"there is no fault {', '.join(unknown)}; there are {', '.join(FAULTS)}")
        self.user, self.password = USER, secrets.token_urlsafe(18)
        self.model = Model(
            time.monotonic,
            pattern=None if pattern is None else Pattern(pattern),
            seconds=task_seconds,
            faults=faults,
            firmware=firmware,
            shape=SHAPES[vendor],
        )
        self._web = Web(self.model, {self.user: self.password})
        self._server = BmcServer(self._web, latency=latency)
        self._closed = False
        self.url, self.certificate = self._server.url, self._server.pem.certificate

    @property
    def requests(self) -> tuple[tuple[str, str, bytes], ...]:
        """Method, path and body of each request so far. Bodies of logins contain the password."""
        return tuple(self._web.log)

    @property
    def sessions(self) -> int:
        """Number of open sessions."""
        return self._web.sessions

    def stage(self, firmware: str, version: str) -> None:
        """Stage an image, as if a client had pushed it. `UsageError` if there is no such firmware."""
        self._find(firmware).staged = version

    def running(self, firmware: str) -> str:
        """The version that really runs, whatever the inventory says. `UsageError` if there is no such firmware."""
        return self._find(firmware).running

    def _find(self, ident: str) -> Firmware:
        for each in self.model.firmware:
            if each.ident == ident:
                return each
        known = ", ".join(each.ident for each in self.model.firmware)
        raise UsageError(f"there is no firmware {ident!r}; there are {known}")

    def write_settings(self, root: str | os.PathLike[str]) -> Path:
        """Write ``etc/livefw/livefw.toml`` with certificate and credentials below a directory.

        With them livefw finds the BMC: ``livefw --root ROOT --settings ROOT/etc/livefw list``.

        Returns:
            the directory of the settings.

        Raises:
            livefw.errors.TransportError: a file cannot be written.
        """
        from livefw.machine.bmc.settings import write

        written = write(os.path.abspath(root), self.url, self.certificate, self.password)
        return Path(written["settings"]).parent

    def close(self) -> None:
        """Serve no more. No effect the second time."""
        if not self._closed:
            self._closed = True
            self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
