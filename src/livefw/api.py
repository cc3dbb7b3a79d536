# SPDX-License-Identifier: Apache-2.0
"""The public Python API: `livefw.connect` and the host that it gives. The command and the daemon are built on it.

Nothing here prints, ends the process, starts a thread or installs a signal handler. A host and its streams may be used
in one thread after another, as by `asyncio.to_thread`, but not in two at the same time; `ConnectedHost.stop` and
`ConnectedHost.detach` may be called from anywhere, a signal handler included.
"""

import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from types import TracebackType
from typing import Any, Self, TypeVar
from weakref import ref

from livefw import assemble
from livefw.activation import examination, queries
from livefw.activation.actor import current
from livefw.activation.checks.facts import Facts
from livefw.activation.engine import Engine, Host, Plan
from livefw.activation.events import Control, Event, Finished, Steps
from livefw.activation.history.rows import HistoryPage
from livefw.activation.host import ActivationRequest, OnFailure
from livefw.activation.images import choice
from livefw.activation.images.directory import ImageDirectory
from livefw.activation.images.target import StagingRequest
from livefw.activation.inventory import discovery, old_versions
from livefw.activation.inventory.select import is_pattern
from livefw.activation.policy.document import MEASURED_BY
from livefw.activation.status import ComponentStatus
from livefw.activation.watch.watcher import Watcher, WatchEvent
from livefw.errors import NothingToDo, UsageError
from livefw.files.host import HostFiles
from livefw.providers.base import Component, ImagePackage
from livefw.providers.registry import open_files

_PAGE = 50

E = TypeVar("E")
R = TypeVar("R")


def connect(
    root: str = "/",
    *,
    settings: str | None = None,
    state: str | None = None,
    images: str | None = None,
    measure: bool | str = False,
    record: bool = True,
) -> "ConnectedHost":
    """Open a machine.

    Example:
        >>> with livefw.connect("/") as host:  # doctest: +SKIP
        ...     for component in host.components():
        ...         print(component.key, component.current_version)

    Args:
        root: the root directory of the machine: ``/``, or a folder with a tree of files like it.
        settings: the directory of livefw.toml; by default /etc/livefw for ``/``, and none for any other root.
        state: the directory of the history; by default ``$LIVEFW_STATE``, then /var/lib/livefw.
        images: the directory of images that can be staged; by default as livefw.toml says.
        measure: whether to measure what an activation costs the CPUs, as livefw.toml says; or by what: a value of its
            key ``measure.by``. Where it samples, one process a CPU runs during an activation.
        record: False for no history. An activation is then refused to nobody, and nothing is written down.

    Returns:
        The host. Close it, or use it in a ``with`` statement.

    Raises:
        UsageError: there is no such root, the settings are wrong, or ``measure`` is no way to measure.
        TransportError: the root or the settings cannot be read; `PermissionDenied` for want of a right.
    """
    warnings: list[str] = []
    measured = measure if isinstance(measure, str) else "" if measure else None
    if measured and measured not in MEASURED_BY:
        raise UsageError(f"measure: there is no {measured!r}", hint=", ".join(MEASURED_BY))
    where = assemble.Where(root, state, settings, images)
    how = assemble.How(measured=measured, without_journal=not record)
    opened: list[HostFiles] = []

    def open_once(found: str, *, settings: str | None) -> HostFiles:
        opened.append(open_files(found, settings=settings))
        return opened[-1]

    try:
        made = assemble.host(where, how, opened=open_once, actor=current("api"), say=warnings.append)
    except BaseException:
        for files in opened:
            files.close()
        raise
    return ConnectedHost(made, close=[each.close for each in opened], warnings=warnings)


class ConnectedHost:
    """A machine whose firmware can be activated. `livefw.connect` makes it."""

    def __init__(
        self,
        host: Host,
        *,
        close: Sequence[Callable[[], None]] = (),
        warnings: list[str] | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        """Over a host that was assembled; ``close`` is called at the end. Programs use `livefw.connect`."""
        self._host = host
        self._engine = Engine(host)
        self._requests: tuple[tuple[ref[Generator[Any, None, Any]], Control], ...] = ()
        self._close = tuple(close)
        self._warnings = [] if warnings is None else warnings
        self._warn = warn or self._warnings.append

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the machine, and every stream that has not ended, as `detach` and then to its end."""
        try:
            for stream, _ in self._requests:
                if (open_still := stream()) is not None:
                    open_still.close()
        finally:
            for each in self._close:
                each()
            self._close = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is unusual about the settings that were found, one sentence each."""
        return tuple(self._warnings)

    def stop(self) -> None:
        """Ask nothing more of any mechanism in the requests that are under way.

        What was asked is followed to its end. A request whose mechanism has not been asked raises `Interrupted`. The
        method only sets a flag, so a signal handler and any thread may call it.
        """
        for _, control in self._requests:
            control.stop()

    def detach(self) -> None:
        """As `stop`, and follow nothing to its end: the request continues by itself, and its outcome is ``unknown``.

        The next request, or `settle`, finds out how it ended, and records it.
        """
        for _, control in self._requests:
            control.detach()

    def components(self) -> tuple[Component, ...]:
        """Every component of every mechanism, read now, sorted by key. Empty if there is none.

        Example:
            >>> [component.key for component in host.components() if component.pending]
            ['lfa:6c0762a6-12f2-4b56-92cb-ba8f633606d9']

        Raises:
            TransportError: the files of a mechanism cannot be read.
        """
        paths = self._host.paths
        found = self._host.observe(discovery.take_inventory(self._host.providers))
        marked = old_versions.marked(found, paths.root, self._host.files, state=paths.state)
        return tuple(candidate.component for candidate in marked.candidates)

    def statuses(self) -> Mapping[str, ComponentStatus]:
        """The state of every component by its key, from the checks that `plan` makes, the lock and the history.

        The check ``permission`` and the executables in checks.d are left out.

        Example:
            >>> [status.text for status in host.statuses().values() if status.code is livefw.StatusCode.READY]
            ['ready']

        Raises:
            TransportError: the files of a mechanism cannot be read.
        """
        return examination.examine(self._host, discovery.take_inventory(self._host.providers)).statuses

    def plan(
        self,
        *components: str,
        ignore: Sequence[str] = (),
        expected: Sequence[str] = (),
        strict: bool = False,
        image: str | os.PathLike[str] | ImagePackage | None = None,
    ) -> Plan:
        """What `activate` would do now, and what blocks it. Nothing is changed.

        Example:
            >>> plan = host.plan("tf-rmm")
            >>> [(step.component.name, step.stopped) for step in plan.steps]
            [('TF-RMM', False)]

        Args:
            components: keys, ids, unique beginnings of them, or names; none for everything that is pending.
            ignore: names of checks that are not to block.
            expected: as for `activate`.
            strict: raise `TransportError` if a host that may have more of them did not show all it has.
            image: as for `activate`.

        Raises:
            UsageError: there is no such check, or the order of the settings is circular.
            NoSuchComponent: no component has that name.
            AmbiguousComponent: several have.
            NothingHere: components are named, and the machine has none at all.
            TransportError: the machine or the history cannot be read.
        """
        request = ActivationRequest(components or None, ignore=tuple(ignore), expected=tuple(expected), strict=strict)
        with self._with_image(request, image) as complete:
            return self._engine.plan(complete)

    def activate(
        self,
        *components: str,
        reason: str = "",
        ignore: Sequence[str] = (),
        on_failure: OnFailure = OnFailure.STOP,
        expected: Sequence[str] = (),
        strict: bool = False,
        image: str | os.PathLike[str] | ImagePackage | None = None,
        wait_busy_s: float = 0.0,
    ) -> Generator[Event, None, Finished]:
        """Activate components, one after the other.

        Nothing happens before the first event is taken. The last event is `Finished`; each component ends in an
        `Attempt` with its outcome. Closing the stream, or leaving it by an exception, loses nothing: what has not been
        asked is withdrawn and recorded as ``cancelled``; a request that was made continues, as after `detach`.

        Example:
            >>> for event in host.activate("tf-rmm", reason="CVE-2026-1234"):
            ...     match event:
            ...         case livefw.Attempt(result=result):
            ...             print(result.before.name, result.outcome)
            TF-RMM activated

        Args:
            components: as for `plan`; none for everything that can be activated and that the settings allow.
            reason: why, for the history.
            ignore: names of checks that are not to block.
            on_failure: what to do with the rest after a failure.
            expected: for each component the version that has to be pending; another is refused.
            strict: begin nothing if a host that may have more of them did not show all it has.
            image: activate one component with this image, in one step, where its mechanism can do that: nothing is
                staged before. As for `stage`.
            wait_busy_s: how long to wait for another program that works on this machine.

        Raises:
            UsageError, NoSuchComponent, AmbiguousComponent, NothingHere: as for `plan`.
            Refused: another program activates now, or the history cannot be used.
            PermissionDenied: the lock or the history cannot be written.
            Interrupted: `stop` or `detach` was called before the mechanism of the component was asked.
            TransportError: the machine cannot be read. Once a mechanism was asked, nothing is raised any more.
        """
        request = ActivationRequest(
            components or None,
            reason,
            tuple(ignore),
            on_failure,
            expected=tuple(expected),
            strict=strict,
            wait_busy_s=wait_busy_s,
        )
        control = Control()
        return self._stream(self._activate(request, image, control), control)

    def stage(
        self,
        image: str | os.PathLike[str] | ImagePackage | None = None,
        component: str | None = None,
        *,
        reason: str = "",
        ignore: Sequence[str] = (),
    ) -> Generator[Event, None, Finished]:
        """Hand an image over to a mechanism that keeps it until it is activated. A stream as that of `activate`.

        Example:
            >>> for event in host.stage("pmfw.cab", reason="quarterly update"):  # doctest: +SKIP
            ...     print(event)

        Args:
            image: a file, a URI that the mechanism itself fetches, the version of an image in the image directory, or
                an `ImagePackage` in memory; None for the newest that is newer than what runs.
            component: for which; None if the image is an archive that names its component.
            reason: why, for the history.
            ignore: names of checks that are not to block.

        Raises:
            UsageError: the image cannot be read, or there is no such version, or it is for another component.
            NothingToDo: there is no newer image.
            Refused: the component takes no images; otherwise as for `activate`.
        """
        control = Control()
        return self._stream(self._stage(image, component, reason, tuple(ignore), control), control)

    def cancel(self, component: str, *, reason: str = "") -> Generator[Event, None, Finished]:
        """Have the mechanism abandon what was begun on a component. A stream as that of `activate`.

        While another program activates that component, it is asked beside it; the mechanism decides whether it is too
        late.

        Example:
            >>> [event.result.outcome for event in host.cancel("tf-rmm") if isinstance(event, livefw.Attempt)]
            [<Outcome.REFUSED: 'refused'>]

        Args:
            component: as for `plan`.
            reason: why, for the history.

        Raises:
            Refused: another program works on another component; otherwise as for `activate`.
        """
        control = Control()
        return self._stream(self._engine.cancel(component, reason=reason, control=control), control)

    def settle(self) -> Generator[Event, None, None]:
        """Find out and record what became of requests whose program ended, or stopped following, before their end.

        Every other request does this first. The errors are those of `activate`.

        Example:
            >>> list(host.settle())
            [Reached(point=<Point.LOCKED: 'locked'>, component=None), Reached(point=<Point.SETTLED: ...
        """
        control = Control()
        return self._stream(self._engine.settle(control=control), control)

    def history(
        self,
        component: str | None = None,
        *,
        since: str | None = None,
        until: str | None = None,
        before: int | None = None,
        limit: int = _PAGE,
    ) -> HistoryPage:
        """A page of the history, newest first. Empty if there is none, or nothing of the component in it.

        Example:
            >>> page = host.history("tf-rmm", limit=1)
            >>> page.activations[0].ending.body["outcome"]
            'activated'

        Args:
            component: only of this one: a beginning of its key or id, or its name.
            since: from then on: ``2026-11-23``, ``2026-11-23T04:00``, or ``12h``, ``7d`` ago.
            until: up to then.
            before: `HistoryPage.before` of the page before, for the next older one.
            limit: how many at most.

        Raises:
            UsageError: a time cannot be read.
            TransportError: the history cannot be read; `PermissionDenied` for want of a right.
        """
        try:
            with closing(queries.history(self._host.paths)) as journal:
                wanted = queries.Filter.of(journal, component, since=since, until=until, before=before)
                return journal.page(limit, **wanted._asdict())
        except NothingToDo:
            return HistoryPage([], None)

    def watch(
        self,
        *,
        interval: float = 5.0,
        automatic: bool = False,
        pause: Callable[[float], bool] | None = None,
    ) -> Generator[WatchEvent | Event, None, None]:
        """Look again and again, and report what is different; first, all that is there.

        A machine that cannot be read now is reported, and read again the next time. The settings are those that
        `connect` has read. The stream has no end of its own: `stop` and `detach` end it at the next look, closing it
        ends it at once.

        Example:
            >>> changes = host.watch()
            >>> next(changes).what
            <WatchEventKind.PRESENT: 'present'>
            >>> changes.close()

        Args:
            interval: seconds between two looks.
            automatic: also apply settings and activate what the settings of the machine name as automatic. The events
                of such an activation are reported as those of `activate`.
            pause: waits between two looks for at most so many seconds and returns whether to continue; by default it
                sleeps.
        """
        control = Control()
        return self._stream(self._watch(interval, pause, control, automatic=automatic), control)

    def _watch(
        self, interval: float, pause: Callable[[float], bool] | None, control: Control, *, automatic: bool
    ) -> Generator[WatchEvent | Event, None, None]:
        watcher = Watcher(self._host, automatic=automatic)
        while not control.stopped:
            yield from watcher.look(control)
            if pause is None:
                self._host.clock.sleep(interval)
            elif not pause(interval):
                return

    def _activate(
        self, request: ActivationRequest, image: str | os.PathLike[str] | ImagePackage | None, control: Control
    ) -> Steps[Finished]:
        with self._with_image(request, image) as complete:
            self._engine.require_valid(complete)
            return (yield from self._engine.activate(complete, control=control))

    @contextmanager
    def _with_image(
        self, request: ActivationRequest, image: str | os.PathLike[str] | ImagePackage | None
    ) -> Iterator[ActivationRequest]:
        """The request with an image, whose file stays open. `UsageError` for several components."""
        words = request.words or ()
        if image is None:
            yield request
            return
        if len(words) > 1 or any(map(is_pattern, words)):
            raise UsageError("an image is for one component", hint="name one")
        given = nullcontext(image) if isinstance(image, ImagePackage) else self._opened(image, next(iter(words), None))
        with given as package:
            yield request._replace(package=package)

    def _stage(
        self,
        image: str | os.PathLike[str] | ImagePackage | None,
        component: str | None,
        reason: str,
        ignore: tuple[str, ...],
        control: Control,
    ) -> Steps[Finished]:
        given = nullcontext(image) if isinstance(image, ImagePackage) else self._opened(image, component)
        with given as package:
            request = StagingRequest(package, component, reason, ignore)
            self._engine.require_valid(request)
            return (yield from self._engine.stage(request, control=control))

    def _opened(
        self, image: str | os.PathLike[str] | None, component: str | None
    ) -> AbstractContextManager[ImagePackage]:
        wanted, release, sha256 = None if image is None else os.fspath(image), "", ""
        if wanted is None or not choice.is_place(wanted):
            if component is None:
                raise UsageError(f"{wanted or 'the newest image'}: name the component")
            host = self._host
            images = ImageDirectory(self._warn).images(host.images, host.metadata_keys)
            found = discovery.take_inventory(host.providers)
            wanted, release, sha256 = choice.local_image(
                component, wanted, found, images, host.policy, Facts(host.files)
            )
        return choice.opened(wanted, release, sha256)

    def _stream(self, stream: Generator[E, None, R], control: Control) -> Generator[E, None, R]:
        """The same, known to `close` and `stop` as long as somebody follows it."""
        alive = tuple(each for each in self._requests if each[0]() is not None)
        self._requests = (*alive, (ref(stream), control))
        return stream
