# SPDX-License-Identifier: Apache-2.0
"""What the daemon's interfaces share: the snapshot of the machine, the one activation, and who hears of what."""

import logging
import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from livefw.activation.checks.table import require_ignorable
from livefw.activation.engine import Host
from livefw.activation.images.directory import ImageDirectory
from livefw.activation.watch.remote import RemoteMechanisms
from livefw.assemble import Where
from livefw.daemon.answers import questions
from livefw.daemon.answers.pool import AnswerPool
from livefw.daemon.answers.questions import Failure, Question
from livefw.daemon.authority import ACTIVATE, IGNORE, Authority
from livefw.daemon.hosts import Hosts, MachineThread
from livefw.daemon.jobs.events import Event, end_without_job, log_line
from livefw.daemon.jobs.runner import JobRequest, JobRunner
from livefw.daemon.reconcile import Reconciler
from livefw.daemon.snapshot import Snapshot, SnapshotCache
from livefw.daemon.upload.images import MOST_BYTES, Uploads
from livefw.daemon.upload.incoming import Incoming
from livefw.dbus.dispatch import DBusError, Face, IncomingCall, UnknownError, full_text
from livefw.dbus.loop import Loop, Worker
from livefw.dbus.peer import is_trusted
from livefw.dbus.server import Server
from livefw.dbus.wire import encode_body
from livefw.errors import InternalError, kind_of
from livefw.providers.declaration import is_out_of_band

if TYPE_CHECKING:
    from livefw.dbus.connection import Connection

T = TypeVar("T")

LOOK_EVERY_S = 5.0
"""How often the machine is looked at while somebody is connected, so that changes are announced."""
_DEFECT = kind_of(InternalError("")).name
THREADS = 3
"""Users whose own questions are worked on at the same time, each by a process of its own; the snapshot, which serves
everybody, has its own thread."""
THREADS_FOR_ROOT = 2
"""Questions of root's at the same time, in threads that serve nobody else; one that verifies a long history does not
keep the other waiting."""

_log = logging.getLogger(__name__)


class Core:
    """What the daemon's interfaces share. ``server`` is set when there is one.

    ``listeners`` are called with each event of a job, ``disconnected`` with each connection that has ended.
    """

    server: Server

    def __init__(self, loop: Loop, where: Where, authority: Authority, incoming: Incoming, *, measure: bool) -> None:
        self.loop = loop
        self.where = where
        self.authority = authority
        self.incoming = incoming
        self.listeners: list[Callable[[Event], None]] = []
        self.disconnected: list[Callable[[Connection], None]] = []
        self.jobs = JobRunner(loop, where, self._publish, measure=measure)
        self.uploads = Uploads(loop)
        self._hosts = Hosts(where)
        self.machine = MachineThread(loop, self._hosts)
        remote = RemoteMechanisms(self._hosts.open, loop.now, is_remote=is_out_of_band)
        images = ImageDirectory(lambda text: _log.warning("%s", text))
        self.snapshots = SnapshotCache(loop, self.machine, remote, images, pause=self._pause)
        self.reconciler = Reconciler(
            loop,
            self.machine,
            is_busy=lambda: self.jobs.busy,
            start_job=self._start,
            found_settled=self._found_settled,
        )
        self._for_root = Worker(loop, threads=THREADS_FOR_ROOT, each=THREADS_FOR_ROOT)
        self._for_others = Worker(loop, threads=THREADS)
        self._answering = AnswerPool(where)
        self._answers: dict[tuple[Any, ...], Callable[[IncomingCall], None]] = {}
        self._answered: Snapshot | None = None
        """The snapshot that ``_answers`` follow from."""
        self.snapshots.subscribe(self._forget_answers)

    def close(self) -> None:
        """End the processes that answer users; an activation continues."""
        self._answering.close()

    def ask(self, call: IncomingCall, face: Face, question: Question) -> None:
        """Answer a call with what a question gives: root's in a thread of the daemon, others' in another process."""
        if is_trusted(call.peer.uid):
            work = partial(questions.answer, self._hosts, question)
        else:
            work = partial(self._answering.ask, question, lambda: call.open)

        def use(answer: bytes | Failure) -> None:
            if isinstance(answer, Failure):
                name = answer.error or face.error_name(answer.kind, answer.phase)
                self.server.fail(call, name, answer.text)
            else:
                self.server.answer(call, lambda call: call.reply_encoded(answer))

        self.work(call, face, work, use)

    def ask_in_background(self, question: Question, done: Callable[[bytes | Failure | Exception], None]) -> None:
        """A question of the daemon's own that may take long: it waits its turn among everybody's."""
        self._for_others.do(0, lambda: self._answering.ask(question, lambda: True), done)

    def work(self, call: IncomingCall, face: Face, work: Callable[[], T], use: Callable[[T], None]) -> None:
        """Do some work in a thread for who calls, unless it has left by then; ``use`` answers the call."""
        uid = call.peer.uid
        worker = self._for_root if is_trusted(uid) else self._for_others
        worker.do(uid, work, lambda result: self._use(call, face, result, use), wanted=lambda: call.open)

    def with_snapshot(self, call: IncomingCall, face: Face, use: Callable[[Snapshot], None]) -> None:
        """Have ``use`` answer a call with the present snapshot."""
        self.snapshots.get(lambda result: self._use(call, face, result, use), first=is_trusted(call.peer.uid))

    def answer_from_snapshot(self, call: IncomingCall, face: Face, answer: Callable[[Snapshot], Any]) -> None:
        """Answer a call with what follows from the snapshot and the call's arguments alone: it is worked out once."""
        question = (face.interface.name, call.method.name, call.arguments)

        def use(snapshot: Snapshot) -> None:
            if known := self._answers.get(question):
                self.server.answer(call, known)
                return

            def worked_out(reply: Callable[[IncomingCall], None]) -> None:
                if snapshot is self._answered:
                    self._answers[question] = reply
                self.server.answer(call, reply)

            self.work(call, face, lambda: _reply_with(call.method.gives, lambda: answer(snapshot)), worked_out)

        if self.snapshots.is_fresh and (known := self._answers.get(question)):
            known(call)
        else:
            self.with_snapshot(call, face, use)

    def _forget_answers(self, snapshot: Snapshot) -> None:
        if snapshot is not self._answered:
            self._answers, self._answered = {}, snapshot

    def announce_change(self) -> None:
        """Tell everybody who listens that something is different."""
        for listener in self.listeners:
            listener({"event": "changed"})

    def activate(
        self, call: IncomingCall, request: JobRequest, done: Callable[[Event], None], *, interactive: bool
    ) -> None:
        """Activate for a client, if it may and nothing else is under way; ``done`` is called with the last event."""
        self._if_allowed(call, request, lambda: self._start(request, done), done, interactive=interactive)

    def stage(
        self, call: IncomingCall, request: JobRequest, done: Callable[[Event], None], *, interactive: bool
    ) -> None:
        """As `activate`, for the image that came with the call."""

        take = partial(self.uploads.take, call, MOST_BYTES, partial(self._stage_copy, call, request, done))
        self._if_allowed(call, request, take, done, interactive=interactive)

    def stage_incoming(self, call: IncomingCall, request: JobRequest, name: str, done: Callable[[Event], None]) -> None:
        """As `stage`, for a file in ``incoming``: only for those who alone can write there."""

        def copied(result: int | Exception) -> None:
            if isinstance(result, int):
                call.keep(partial(os.close, result))
                if not call.open:
                    call.release()
                    return
            self._stage_copy(call, request, done, result)

        if not is_trusted(call.peer.uid):
            done(
                end_without_job(
                    "no-permission",
                    f"{call.peer.user} may not hand over an image as a file of the daemon; only root may",
                )
            )
            return
        take = partial(self.incoming.take, name, MOST_BYTES)
        self._if_allowed(
            call,
            request,
            lambda: self._for_root.do(call.peer.uid, take, copied, wanted=lambda: call.open),
            done,
            interactive=False,
        )

    def _stage_copy(
        self, call: IncomingCall, request: JobRequest, done: Callable[[Event], None], result: int | Exception
    ) -> None:
        """Stage the sealed copy of an image, which the call keeps, or tell why there is none."""
        if isinstance(result, Exception):
            done(end_without_job(kind_of(result).name, full_text(result)))
            return
        self._start(request._replace(image=result), done)
        call.release()  # the job has its own

    def _if_allowed(
        self,
        call: IncomingCall,
        request: JobRequest,
        work: Callable[[], None],
        done: Callable[[Event], None],
        *,
        interactive: bool,
    ) -> None:
        def decided(why: str, follows: Callable[[], None]) -> None:
            if why:
                done(end_without_job("no-permission", why))
            else:
                follows()

        def group_may(host: Host) -> bool:
            require_ignorable(request.ignore, host.policy)  # before polkit asks a person for what cannot be
            return host.policy.group_may(request.ignore)

        def may_ignore(group_may: bool | Exception) -> None:  # noqa: FBT001 - what a thread gives back
            if isinstance(group_may, Exception):
                done(end_without_job(kind_of(group_may).name, full_text(group_may)))
                return
            self.authority.ask(
                call.connection, IGNORE, lambda why: decided(why, work), interactive=interactive, group=group_may
            )

        def may_activate() -> None:
            if request.ignore and not is_trusted(call.peer.uid):
                self.machine.do(group_may, may_ignore)
            else:
                work()

        if self.jobs.busy:
            done(self._busy())
            return
        self.authority.ask(call.connection, ACTIVATE, lambda why: decided(why, may_activate), interactive=interactive)

    def _busy(self) -> Event:
        return end_without_job("refused", f"another activation is under way: {self.jobs.running}", phase="lock")

    def _start(self, request: JobRequest, done: Callable[[Event], None]) -> None:
        def ended(event: Event) -> None:
            self.snapshots.invalidate(changed=True)
            done(event)
            if not request.settle_only:
                self.reconciler.start_if_needed()

        if self.jobs.busy:
            done(self._busy())
            return
        try:
            self.jobs.start(request, ended)
        except OSError as error:
            done(end_without_job("internal", f"no process for the activation: {error}"))

    def _found_settled(self) -> None:
        self.snapshots.invalidate()
        self.announce_change()

    def _pause(self, begun: float) -> float:
        """Charge ordinary users for the time since then; how long they have to wait now."""
        self.server.spend(begun)
        return max(self.server.pause_s(), 0)

    def _use(self, call: IncomingCall, face: Face, result: T | Exception, use: Callable[[T], None]) -> None:
        """Answer a call with a result; whatever goes wrong is its answer too."""
        try:
            if isinstance(result, Exception):
                raise result
            use(result)
        except Exception as error:  # a defect of ours is reported too, and affects no other client
            why = questions.failure(error)
            if why.kind == _DEFECT:
                _log.exception("defect in %s", call.method.name)
            self.server.fail(call, why.error or face.error_name(why.kind, why.phase), why.text)

    def _publish(self, event: Event) -> None:
        level = logging.DEBUG if event["event"] in ("tick", "progress") else logging.INFO
        _log.log(level, "%s", log_line(event))
        for listener in self.listeners:
            listener(event)


def _reply_with(signature: str, answer: Callable[[], Any]) -> Callable[[IncomingCall], None]:
    """What answers a call with this value, or with why there is none; `UnknownError` as it comes."""
    try:
        encoded = encode_body(signature, (answer(),))
    except UnknownError:
        raise
    except DBusError as error:
        name, text = error.name, error.text
        return lambda call: call.fail(name, text)
    return lambda call: call.reply_encoded(encoded)
