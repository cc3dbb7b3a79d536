# SPDX-License-Identifier: Apache-2.0
"""The LFA provider: a few files, and what is known about the drivers behind them."""

from __future__ import annotations

import errno

from livefw import errors
from livefw.providers.component import Component, Discovery, Reason
from livefw.providers.lfa import agents, tree
from livefw.text import errno_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from livefw.clock import Clock
    from livefw.files.protocol import Files
    from livefw.providers import base


class LfaProvider:
    """Components of ``/sys/firmware/lfa`` below whatever root the files have."""

    name = tree.PROVIDER

    def __init__(self, files: Files, clock: Clock, *, agent: agents.AgentRow = agents.NOT_STATED) -> None:
        """``agent`` is the one that the settings name."""
        self._files = files
        self._clock = clock
        self._agent = agent

    def discover(self) -> Discovery:
        """See `base.Provider`."""
        try:
            names = self._files.names(tree.ROOT)
        except OSError as error:
            if error.errno in tree.GONE:
                return Discovery((), absent=_NO_TREE)
            raise _unreadable(error) from error
        patience = tree.Patience(self._clock)
        entries = (tree.read_entry(self._files, name, patience) for name in sorted(names) if tree.is_guid(name))
        components = tuple(tree.component(entry, self._agent) for entry in entries if entry)
        return Discovery(components, absent=None if components else _EMPTY_TREE)

    def inspect(self, ident: str) -> Component | None:
        """See `base.Provider`."""
        entry = self._read(ident)
        return tree.component(entry, self._agent) if entry else None

    def aliases(self, ident: str) -> tuple[str, ...]:
        """The mixed-endian spelling that UEFI tools show for the same GUID."""
        from livefw.abi.guid import Guid  # not needed to list

        return (Guid.parse(ident).efi,)

    def activate(self, ident: str, observer: base.Observer) -> base.Running:
        """See `base.Provider`."""
        return self._request("activate", ident, observer)

    def cancel(self, ident: str, observer: base.Observer) -> base.Running:
        """See `base.Provider`."""
        return self._request("cancel", ident, observer)

    def cancels_by_itself(self, ident: str) -> bool:
        """See `base.cancels_by_itself`."""
        from livefw.providers.lfa import drivers  # not needed to list

        candidates = drivers.guess(drivers.DriverEvidence(self._names(ident)))
        return bool(candidates) and all(driver.cancels_by_itself for driver in candidates)

    def configure(self, ident: str, setting: str, *, on: bool) -> None:
        """See `base.Provider`."""
        from livefw.providers.lfa import settings  # not needed to list

        settings.write(self._files, ident, setting, on=on)

    def mark(self) -> str:
        """See `base.Provider`: the sequence number of the newest record of the kernel log."""
        from livefw.files import kmsg  # not needed to list

        position = kmsg.cursor(self._files)
        return "" if position is None else str(position)

    def recall(self, ident: str, mark: str) -> base.Memory:
        """See `base.Provider`."""
        from livefw.providers.lfa import log  # not needed to list

        in_parts = tree.in_parts(self._files, ident)
        return log.recall(self._files, ident, mark, others=self._others(ident), in_parts=in_parts)

    def diagnose(self) -> list[base.Finding]:
        """See `base.Provider`."""
        from livefw.providers.lfa.diagnose import diagnose  # not needed to list

        return diagnose(self._files, self._clock, agent=self._agent)

    def driver(self) -> str:
        """See `base.Driven`."""
        from livefw.providers.lfa.diagnose import driver_versions  # not needed to list

        return driver_versions(self._files, self._clock)

    def replay(self, ident: str, action: str) -> str:
        """See `base.Provider`."""
        return f"echo 1 > {tree.ROOT}/{ident}/{action}"

    def _names(self, ident: str) -> frozenset[str]:
        """The files of a component; none if they cannot be listed, which a write to one of them will report."""
        try:
            return frozenset(self._files.names(f"{tree.ROOT}/{ident}"))
        except OSError:
            return frozenset()

    def _request(self, action: str, ident: str, observer: base.Observer) -> base.Running:
        from livefw.providers.lfa import drivers, last_error, request  # not needed to list

        names = self._names(ident)
        candidates = drivers.guess(drivers.DriverEvidence(names))
        trust, why = drivers.trust(candidates)
        order = request.WriteRequest(
            action=request.Action(action),
            guid=ident,
            trust=trust,
            trust_reason=why,
            patience=drivers.patience(candidates),
            failures=frozenset().union(*(driver.failures for driver in candidates)),
            keeps_last_error=last_error.FILE in names,
            others=self._others(ident),
            agent=self._agent,
            repeats_wrongly=drivers.repeats_wrongly(
                drivers.guess(drivers.DriverEvidence(names, device=drivers.device(self._files)))
            ),
            in_parts=action == "activate" and tree.in_parts(self._files, ident),
        )
        try:
            return request.RunningWrite(order, self._files, self._clock, observer)
        except OSError as error:
            raise errors.TransportError(
                f"the write could not be started: {errno_text(error)}; nothing was tried",
                mechanism=tree.PROVIDER,
                component=f"{tree.PROVIDER}:{ident}",
                phase=action,
                errno=error.errno,
                replay=self.replay(ident, action),
            ) from error

    def _others(self, ident: str) -> frozenset[str]:
        """The components that are listed beside this one; none where that cannot be seen."""
        try:
            return frozenset(name for name in self._files.names(tree.ROOT) if tree.is_guid(name)) - {ident}
        except OSError:
            return frozenset()

    def _read(self, ident: str) -> tree.TreeEntry | None:
        return tree.read_entry(self._files, ident, tree.Patience(self._clock)) if tree.is_guid(ident) else None


def _unreadable(error: OSError) -> errors.TransportError:
    denied = error.errno in (errno.EACCES, errno.EPERM)
    kind = errors.PermissionDenied if denied else errors.TransportError
    return kind(
        f"{tree.ROOT} cannot be read: {errno_text(error)}",
        hint="run it as root" if denied else "",
        mechanism=tree.PROVIDER,
        phase="discover",
        errno=error.errno,
        replay=f"ls {tree.ROOT}",
    )


_WHY = "livefw doctor shows what is missing"
_NO_TREE = Reason("no-tree", f"there is no {tree.ROOT}", _WHY)
_EMPTY_TREE = Reason("empty-tree", f"{tree.ROOT} lists no component", _WHY)
