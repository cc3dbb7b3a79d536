# SPDX-License-Identifier: Apache-2.0
"""What the daemon's faces share: the present view of the machine, the one activation, and who hears of what."""

import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from livefw.activation.checks.table import require_ignorable
from livefw.activation.engine import Host
from livefw.activation.history.cache import HistoryCache
from livefw.activation.images.directory import ImageDirectory
from livefw.activation.watch.remote import RemoteMechanisms
from livefw.assemble import Where
from livefw.daemon import snapshot
from livefw.daemon.answers import questions
from livefw.daemon.answers.pool import Answerers
from livefw.daemon.answers.questions import Failure, Question
from livefw.daemon.authority import ACTIVATE, IGNORE, Authority
from livefw.daemon.hosts import Hosts
from livefw.daemon.jobs.runner import Event, Jobs, Request, Setting, log_line
from livefw.daemon.snapshot import Settling, View
from livefw.daemon.upload.images import MOST_BYTES, Images
from livefw.dbus.dispatch import Call, DBusError, Face, UnknownError, full_text
from livefw.dbus.loop import Loop, Worker
from livefw.dbus.peer import is_trusted
from livefw.dbus.server import Server
from livefw.dbus.wire import encode_body
from livefw.errors import KINDS, InternalError, kind_of
from livefw.providers.declaration import is_out_of_band

if TYPE_CHECKING:
    from livefw.dbus.connection import Connection

T = TypeVar("T")

FRESH_S = 0.1
"""For how long a view answers further calls. A client asks about each device in turn, and a hostile one all the time:
the machine is not looked at, nor an administrator's checks run, more often than this."""
LOOK_EVERY_S = 5.0
"""How often the machine is looked at while somebody is connected, so that changes are told."""
_SETTLE_AGAIN_S = 0.5
_DEFECT = kind_of(InternalError("")).name
_AGE_S = 10.0
"""How old may be what a mechanism behind a network said, while nothing was changed by us: to list everything that a
management controller has takes it seconds."""
TOLD_AT_ONCE = 8
"""Calls that have waited for a view and are answered before anybody else is listened to."""
THREADS = 3
"""Users whose own questions are worked on at the same time, each by a process of its own; the view, which serves
everybody, has its own thread."""
THREADS_FOR_ROOT = 2
"""Questions of root's at the same time, in threads that serve nobody else; one that verifies a long history does not
keep the other waiting."""

_log = logging.getLogger(__name__)


class Problem(NamedTuple):
    """Why something that was asked for was not done: kind (`livefw.errors.KINDS`), phase and text."""

    kind: str
    phase: str
    text: str


class Core:
    """Looks, activates and tells. ``server`` is set when there is one; faces subscribe in ``listeners``."""

    server: Server

    def __init__(self, loop: Loop, setting: Setting, authority: Authority) -> None:
        self.loop = loop
        self.setting = setting
        self.authority = authority
        self.listeners: list[Callable[[Event], None]] = []
        self.left: list[Callable[[Connection], None]] = []
        self.viewed: list[Callable[[View], None]] = []
        self.settling = False
        self.jobs = Jobs(loop, setting, self._event)
        self.images = Images(loop)
        self._hosts = Hosts(Where(setting.root, setting.state, setting.settings, setting.images))
        self._remote = RemoteMechanisms(self._hosts.open, loop.now, is_remote=is_out_of_band)
        self._shelf = ImageDirectory(lambda text: _log.warning("%s", text))
        self._recollection = HistoryCache()
        self._own_work = Worker(loop)
        self._for_root = Worker(loop, threads=THREADS_FOR_ROOT, each=THREADS_FOR_ROOT)
        self._for_others = Worker(loop, threads=THREADS)
        self._answerers = Answerers(self._hosts.where)
        self._view: View | None = None
        self._view_at = self._wanted_at = self._changed_at = float("-inf")
        self._answers: dict[tuple[Any, ...], Callable[[Call], None]] = {}
        self._waiting: list[tuple[float, Callable[[View | Exception], None]]] = []

    def close(self) -> None:
        """End what answers strangers; an activation goes on."""
        self._answerers.close()

    def ask(self, call: Call, face: Face, question: Question) -> None:
        """Answer a call with what a question gives: root's in a thread of the daemon, others' in another process."""
        if is_trusted(call.peer.uid):
            work = partial(questions.answer, self._hosts, question)
        else:
            work = partial(self._answerers.ask, question, lambda: call.open)

        def use(told: bytes | Failure) -> None:
            if isinstance(told, Failure):
                name = told.error or face.error_name(told.kind, told.phase)
                self.server.fail(call, name, told.text)
            else:
                self.server.answer(call, lambda call: call.reply_encoded(told))

        self.work(call, face, work, use)

    def work(self, call: Call, face: Face, work: Callable[[], T], use: Callable[[T], None]) -> None:
        """Do some work in the thread for who calls, unless it has left by then; ``use`` answers the call."""
        uid = call.peer.uid
        worker = self._for_root if is_trusted(uid) else self._for_others
        worker.do(uid, work, lambda result: self._use(call, face, result, use), wanted=lambda: call.open)

    def aside(self, question: Question, done: Callable[[bytes | Failure | Exception], None]) -> None:
        """A question of the daemon's own that may take long: it waits its turn among everybody's."""
        self._for_others.do(0, lambda: self._answerers.ask(question, lambda: True), done)

    def view(self, call: Call, face: Face, use: Callable[[View], None]) -> None:
        """Answer a call with the present view; one look serves all that ask at the same time."""
        self.looked(lambda result: self._use(call, face, result, use), first=is_trusted(call.peer.uid))

    def tell(self, call: Call, face: Face, answer: Callable[[View], Any]) -> None:
        """As `view`, for what follows from the view and the call's arguments alone: it is worked out once."""
        question = (face.interface.name, call.method.name, call.arguments)

        def use(view: View) -> None:
            if known := self._answers.get(question):
                self.server.answer(call, known)
                return

            def worked_out(told: Callable[[Call], None]) -> None:
                if view is self._view:
                    self._answers[question] = told
                self.server.answer(call, told)

            self.work(call, face, lambda: _answering(call.method.gives, lambda: answer(view)), worked_out)

        if self._is_fresh() and (known := self._answers.get(question)):
            known(call)
        else:
            self.view(call, face, use)

    def looked(self, use: Callable[[View | Exception], None], *, first: bool = False) -> None:
        """Tell the present view, or why there is none; ``first`` is told before the others who wait for it."""
        if self._view is not None and self._is_fresh():
            use(self._view)
            return
        self._waiting.insert(0 if first else len(self._waiting), (self._wanted_at, use))
        if len(self._waiting) == 1:
            self._look()

    def _is_fresh(self) -> bool:
        return self.loop.now() - self._view_at < FRESH_S

    def look_soon(self) -> None:
        """Have a view by the time that somebody asks; nothing if one is being made already."""
        if not self._waiting:
            self.looked(lambda _: None)

    def forget_view(self) -> None:
        """The machine may have changed: who asks from now on is told what is seen from now on."""
        self._view_at = float("-inf")
        self._wanted_at = self.loop.now()

    def changed(self) -> None:
        """Tell everybody who listens that something is different."""
        for hear in self.listeners:
            hear({"event": "changed"})

    def _look(self) -> None:
        begun = self.loop.now()
        newer_than = max(self._changed_at, begun - _AGE_S)
        discover = partial(self._remote.discover, newer_than=newer_than)

        def work(host: Host) -> View:
            return snapshot.view(host, discover, self._shelf, self._recollection)

        self.on_machine(work, lambda result: self._viewed(result, begun))

    def activate(self, call: Call, request: Request, done: Callable[[Event], None], *, interactive: bool) -> None:
        """Activate for a client, if it may and nothing else is under way; ``done`` is told the end."""
        self._if_allowed(call, request, lambda: self._start(request, done), done, interactive=interactive)

    def stage(self, call: Call, request: Request, done: Callable[[Event], None], *, interactive: bool) -> None:
        """As `activate`, for the image that came with the call."""

        def copied(result: int | Exception) -> None:
            if isinstance(result, Exception):
                done(_ended(kind_of(result).name, full_text(result)))
                return
            self._start(request._replace(image=result), done)
            call.release()  # the job has its own

        take = partial(self.images.take, call, MOST_BYTES, copied)
        self._if_allowed(call, request, take, done, interactive=interactive)

    def _if_allowed(
        self,
        call: Call,
        request: Request,
        work: Callable[[], None],
        done: Callable[[Event], None],
        *,
        interactive: bool,
    ) -> None:
        def decided(why: str, follows: Callable[[], None]) -> None:
            if why:
                done(_ended("no-permission", why))
            else:
                follows()

        def group_may(host: Host) -> bool:
            require_ignorable(request.ignore, host.policy)  # before polkit asks a person for what cannot be
            return host.policy.group_may(request.ignore)

        def may_ignore(group_may: bool | Exception) -> None:  # noqa: FBT001 - what a thread gives back
            if isinstance(group_may, Exception):
                done(_ended(kind_of(group_may).name, full_text(group_may)))
                return
            self.authority.ask(
                call.connection, IGNORE, lambda why: decided(why, work), interactive=interactive, group=group_may
            )

        def may_activate() -> None:
            if request.ignore and not is_trusted(call.peer.uid):
                self.on_machine(group_may, may_ignore)
            else:
                work()

        if self.jobs.busy:
            done(self._busy())
            return
        self.authority.ask(call.connection, ACTIVATE, lambda why: decided(why, may_activate), interactive=interactive)

    def _busy(self) -> Event:
        return _ended("refused", f"another activation is under way: {self.jobs.running}", phase="lock")

    def settle(self) -> None:
        """Have an engine find out what became of intents that have no outcome.

        While the write of an engine that died still goes on, it holds the machine, and there is nothing to find out.
        """

        def ended(event: Event) -> None:
            problem = problem_of(event)
            self.settling = problem is not None and problem.phase == "lock"
            if self.settling:
                self.loop.later(_SETTLE_AGAIN_S, self.settle)
            elif problem is not None:
                _log.error("what became of an activation could not be found out: %s", problem.text)

        def seen(found: Settling | Exception) -> None:
            if found is Settling.WAIT:
                self.loop.later(_SETTLE_AGAIN_S, self.settle)
            elif found is Settling.DONE:
                self.settling = False
                _log.info("its own process has recorded how the activation ended")
                self.forget_view()
                self.changed()
            elif self.jobs.busy:
                self.settling = False  # whoever activates settles first
            else:
                self._start(Request((), "livefwd", "daemon", settle_only=True), ended)

        if not self.jobs.busy:
            self.settling = True
            self.on_machine(snapshot.settling, seen)  # a process each time would take the CPUs that are being measured

    def settle_if_needed(self) -> None:
        """As `settle`, if there is such an intent."""

        def seen(found: int | Exception) -> None:
            if isinstance(found, int) and found:
                _log.warning("an activation has no outcome yet; finding out as soon as the machine is free")
                self.settle()

        self.on_machine(snapshot.unfinished, seen)

    def on_machine(self, work: Callable[[Host], T], done: Callable[[T | Exception], None]) -> None:
        """Do some work on the machine in the thread for that; ``done`` is told the result, or what went wrong."""
        self._own_work.do(0, lambda: self._on_machine(work), done)

    def _start(self, request: Request, done: Callable[[Event], None]) -> None:
        def ended(event: Event) -> None:
            self.forget_view()
            self._changed_at = self.loop.now()
            done(event)
            if not request.settle_only:
                self.settle_if_needed()

        if self.jobs.busy:
            done(self._busy())
            return
        try:
            self.jobs.start(request, ended)
        except OSError as error:
            done(_ended("internal", f"no process for the activation: {error}"))

    def _on_machine(self, work: Callable[[Host], T]) -> T:
        with self._hosts.open() as host:
            return work(host)

    def _viewed(self, result: View | Exception, begun: float) -> None:
        waiting = self._waiting
        self._waiting = [each for each in waiting if each[0] > begun]
        if self._waiting:
            self._look()
        if isinstance(result, View):
            if self._view is None or not snapshot.same(self._view, result):
                self._view, self._answers = result, {}
            self._view_at = self.loop.now() if begun >= self._wanted_at else float("-inf")
            for hear in self.viewed:
                hear(result)
        self._tell_waiting(deque(use for wanted_at, use in waiting if wanted_at <= begun), result)

    def _tell_waiting(self, waiting: deque[Callable[[View | Exception], None]], result: View | Exception) -> None:
        """Some at a time: hundreds may have waited, and in between it is others' turn to talk."""
        begun = self.loop.now()
        for _ in range(min(len(waiting), TOLD_AT_ONCE)):
            waiting.popleft()(result)
        if waiting:  # root's were the first
            self.server.spend(begun)
            self.loop.later(max(self.server.pause_s(), 0), lambda: self._tell_waiting(waiting, result))

    def _use(self, call: Call, face: Face, result: T | Exception, use: Callable[[T], None]) -> None:
        """Answer a call with a result; whatever goes wrong is its answer too."""
        try:
            if isinstance(result, Exception):
                raise result
            use(result)
        except Exception as error:  # a defect of ours is told, too, and costs nobody else anything
            why = questions.failure(error)
            if why.kind == _DEFECT:
                _log.exception("defect in %s", call.method.name)
            self.server.fail(call, why.error or face.error_name(why.kind, why.phase), why.text)

    def _event(self, event: Event) -> None:
        level = logging.DEBUG if event["event"] in ("tick", "progress") else logging.INFO
        _log.log(level, "%s", log_line(event))
        for hear in self.listeners:
            hear(event)


def _answering(signature: str, answer: Callable[[], Any]) -> Callable[[Call], None]:
    """What answers a call with this value, or with why there is none; `UnknownError` as it comes."""
    try:
        encoded = encode_body(signature, (answer(),))
    except UnknownError:
        raise
    except DBusError as error:
        name, text = error.name, error.text
        return lambda call: call.fail(name, text)
    return lambda call: call.reply_encoded(encoded)


def problem_of(ended: Event) -> Problem | None:
    """What went wrong, by the last event of a job; None if everything that was asked for was done."""
    document: dict[str, Any] = ended.get("document", {})
    errors = [document.get("error"), *(result.get("error") for result in document.get("results", []))]
    error = next(filter(None, errors), None)
    if error is None:
        return None
    parts = [error["message"], f"[{error['firmware_code']}]" if error.get("firmware_code") else ""]
    text = " ".join(filter(None, parts))
    return Problem(error["kind"], error.get("phase", ""), f"{text} ({error['hint']})" if error.get("hint") else text)


def _ended(kind: str, message: str, *, phase: str = "") -> Event:
    """The end of a job that was never begun."""
    code = next(int(each.exit_code) for each in KINDS.values() if each.name == kind)
    error = {"kind": kind, "exit_code": code, "message": message, "phase": phase}
    return {"event": "end", "document": {"error": error}, "text": f"livefw: {message}", "exit_code": code}
