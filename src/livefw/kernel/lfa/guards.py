# SPDX-License-Identifier: Apache-2.0
"""Which locks a version takes around what. `contextlib.nullcontext` stands where it takes none."""

from contextlib import AbstractAsyncContextManager, nullcontext

from livefw.kernel.lfa.versions import Serialisation
from livefw.kernel.locks import Mutex, RwSemaphore
from livefw.kernel.os import Os

Guard = AbstractAsyncContextManager[None]


class Guards:
    """The locks of one driver instance. The order is transaction, then sequence ids."""

    __slots__ = ("_ids", "_kind", "_phase", "transaction")

    def __init__(self, os: Os, kind: Serialisation) -> None:
        self._kind = kind
        self._phase = Mutex(os)
        self._ids = RwSemaphore(os)
        self.transaction = Mutex(os)

    def priming(self) -> Guard:
        """All calls of one PRIME."""
        return self._phase.held() if self._kind is Serialisation.PHASES else nullcontext()

    def identified_call(self) -> Guard:
        """One call that carries a sequence id, ACTIVATE excepted."""
        return nullcontext() if self._kind is Serialisation.PHASES else self._ids.read()

    def attempt(self) -> Guard:
        """One ACTIVATE attempt, and the rescan if it succeeded; also whatever must not meet an identified call."""
        return self._phase.held() if self._kind is Serialisation.PHASES else self._ids.write()

    def notified_activation(self) -> Guard:
        """A whole activation that waits for others; a write to sysfs tries `transaction` instead."""
        return self.transaction.held() if self._kind is Serialisation.TRANSACTIONS else nullcontext()

    def tree_change(self) -> Guard:
        """The first inventory, and the removal of directories."""
        if self._kind is Serialisation.PHASES:
            return self._phase.held()
        return self.notified_activation()
