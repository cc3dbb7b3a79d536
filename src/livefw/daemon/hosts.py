# SPDX-License-Identifier: Apache-2.0
"""The machine, opened anew for each piece of work that the daemon does on it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import TypeVar

from livefw import assemble
from livefw.activation.engine import Host
from livefw.activation.history.held import held_in
from livefw.activation.policy import document as policy
from livefw.assemble import How, Where
from livefw.dbus.loop import Loop, Worker
from livefw.files.host import HostFiles
from livefw.providers.registry import open_files, providers

T = TypeVar("T")


class Hosts:
    """Makes a host for each look, in any thread. A root that was mounted anew is seen anew.

    What the settings decide is kept as long as their file stays the same: to find it out takes a fifth of a look.
    """

    def __init__(self, where: Where) -> None:
        self.where = where
        self._known: tuple[tuple[int, ...], Host] | None = None

    @contextmanager
    def files(self) -> Iterator[HostFiles]:
        """The machine's files alone. Errors as for `open_files`."""
        with closing(open_files(self.where.root, settings=self.where.settings)) as files:
            yield files

    @contextmanager
    def open(self) -> Iterator[Host]:
        """The machine with the policy that holds now. Errors as for `livefw.assemble.host`."""
        with self.files() as files:
            yield self._host(files)

    @contextmanager
    def lenient(self) -> Iterator[Host]:
        """As `open`; where something is wrong with the settings, without them."""
        with ExitStack() as stack:

            def opened(root: str, *, settings: str | None) -> HostFiles:
                return stack.enter_context(closing(open_files(root, settings=settings)))

            yield assemble.host(self.where, How(lenient=True, seen_by="daemon"), opened=opened)

    def _host(self, files: HostFiles) -> Host:
        if self._known:
            stamp, host = self._known
            if policy.file_stamp(host.paths.settings) == stamp:
                held = held_in(host.paths.state, host.paths.root)
                return host._replace(files=files, providers=providers(files, host.clock, held=held))
        stamp = policy.file_stamp(self.where.paths.settings)
        host = assemble.host(self.where, How(seen_by="daemon"), files=files)
        self._known = stamp, host
        return host


class MachineThread:
    """Work on the machine in a thread of its own, one piece after the other."""

    def __init__(self, loop: Loop, hosts: Hosts) -> None:
        self._worker = Worker(loop)
        self._hosts = hosts

    def do(self, work: Callable[[Host], T], done: Callable[[T | Exception], None]) -> None:
        """Do some work; the loop calls ``done`` with the result, or with what was raised."""
        self._worker.do(0, lambda: self._do(work), done)

    def _do(self, work: Callable[[Host], T]) -> T:
        with self._hosts.open() as host:
            return work(host)
