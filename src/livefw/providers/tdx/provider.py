# SPDX-License-Identifier: Apache-2.0
"""The TDX provider: one component, the module that guards the confidential guests of an Intel machine."""

from typing import TYPE_CHECKING

from livefw.clock import Clock
from livefw.errors import UsageError
from livefw.files.protocol import Files
from livefw.providers.base import Component, Discovery, Finding, Memory, Observer, Offer, Running, Severity
from livefw.providers.component import Reason
from livefw.providers.tdx import outlook
from livefw.providers.tdx.images import ImagesError, load
from livefw.providers.tdx.outlook import IDENT, PROVIDER, Outlook
from livefw.providers.tdx.platform import NODE
from livefw.providers.tdx.settings import Settings, read_settings

if TYPE_CHECKING:
    from livefw.providers.steps import Work


class TdxProvider:
    """The TDX module below whatever root the files have.

    ``settings`` are those of the machine unless they are given.
    """

    name = PROVIDER

    def __init__(self, files: Files, clock: Clock, settings: Settings | None = None) -> None:
        self._files = files
        self._clock = clock
        self._settings = settings
        self._tds: int | None = None
        self._seen: Outlook | None = None

    def discover(self) -> Discovery:
        """See `base.Provider`."""
        component = self.inspect(IDENT)
        return Discovery((component,)) if component else Discovery((), absent=ABSENT)

    def inspect(self, ident: str) -> Component | None:
        """See `base.Provider`."""
        if ident != IDENT or (seen := self.look()) is None:
            return None
        self._tds, self._seen = seen.platform.tds, seen
        return outlook.component(seen)

    def images(self, ident: str) -> tuple[Offer, ...]:
        """See `base.Holder`: as they were judged at the last look."""
        seen = self._seen or self.look()
        if ident != IDENT or seen is None:
            return ()
        return tuple(Offer(outlook.version(each.image.version), each.image.path, each.reasons) for each in seen.judged)

    def aliases(self, ident: str) -> tuple[str, ...]:  # noqa: ARG002 - there is one component
        """What the kernel calls it."""
        return ("tdx_module",)

    def activate(self, ident: str, observer: Observer) -> Running:  # noqa: ARG002 - as above
        """See `base.Provider`. The image is judged once more as it is read, and the machine with it."""
        from livefw.providers.steps import RunningSteps  # not needed to list

        return RunningSteps(self._work(observer), self._clock)

    def cancel(self, ident: str, observer: Observer) -> Running:  # noqa: ARG002 - as above
        """Take back an image that somebody has begun to load; a running update cannot be stopped."""
        from livefw.providers.steps import RunningSteps  # not needed to list
        from livefw.providers.tdx.request import DiscardWork

        return RunningSteps(DiscardWork(self._files, self._clock, observer), self._clock)

    def configure(self, ident: str, setting: str, *, on: bool) -> None:  # noqa: ARG002 - the shape of every provider
        """See `base.Provider`; the module has nothing to switch."""
        raise UsageError(f"the TDX module has no setting {setting}", mechanism=PROVIDER)

    def mark(self) -> str:
        """See `base.Provider`: the sequence number of the newest record of the kernel log."""
        from livefw.files import kmsg  # not needed to list

        position = kmsg.cursor(self._files)
        return "" if position is None else str(position)

    def recall(self, ident: str, mark: str) -> Memory:  # noqa: ARG002 - there is one component
        """See `base.Provider`."""
        from livefw.providers.tdx import log  # not needed to list

        return log.recall(self._files, mark)

    def diagnose(self) -> list[Finding]:
        """See `base.Provider`."""
        if (seen := self.look()) is None:
            return [Finding(Severity.INFO, *ABSENT, lacks="the TDX host device")]
        found = [
            Finding(_SEVERITIES.get(why.code, Severity.ERROR), *why, lacks=_LACKS.get(why.code))
            for why in outlook.reasons(seen)
        ]
        return found + [Finding(Severity.INFO, *note) for note in outlook.notes(seen)]

    def replay(self, ident: str, action: str) -> str:  # noqa: ARG002 - as above
        """See `base.Provider`."""
        if action == "cancel":
            return f"echo -1 > {NODE}/loading"
        return f"cd {NODE} && echo 1 > loading && cat IMAGE > data && echo 0 > loading; cat status error"

    def look(self, *, tds_before: int | None = None, every: bool = False) -> Outlook | None:
        """The machine, and its images: those that can matter, or ``every`` one. None without a TDX host device."""
        if self._settings is None:
            self._settings = read_settings(self._files)
        return outlook.look(self._files, self._settings, tds_before=tds_before, every=every)

    def _work(self, observer: Observer) -> "Work":
        from livefw.providers.steps import Refusal  # not needed to list
        from livefw.providers.tdx.request import UpdateRequest, UpdateWork

        seen = self.look(tds_before=self._tds)
        reasons = outlook.reasons(seen) if seen else (ABSENT,)
        data = b""
        if seen and seen.chosen and not reasons:
            try:
                data = load(seen.settings.source or self._files, seen.chosen, signers=seen.settings.signers)
            except ImagesError as error:
                reasons = (_UNUSABLE.fill(what_is_wrong_with_the_image=error),)
        if reasons or seen is None or seen.chosen is None:
            return Refusal(reasons[0])
        order = UpdateRequest(data, seen.chosen.version, seen.platform)
        return UpdateWork(order, self._files, self._clock, observer)


_SEVERITIES = dict.fromkeys(("not-pending", "unsupported"), Severity.INFO) | dict.fromkeys(
    ("images", "no-permission", "busy", "no-slots", "cpu-offline", "td-build"), Severity.WARNING
)
"""Reasons that are no error of this machine, by code."""
_LACKS = {"unsupported": "a processor, TDX module and kernel that update it at run time"}
_UNUSABLE = Reason("image", "{what_is_wrong_with_the_image}")
ABSENT = Reason(
    "no-tdx-host",
    "there is no TDX host device",
    "requires Linux 7.2 with the module tdx_host, and TDX enabled in the firmware",
)
