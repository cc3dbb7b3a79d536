# SPDX-License-Identifier: Apache-2.0
"""What becomes of a write: errno, EBUSY, time limits, and the kernel log as a witness.

errno per driver version and log lines: Linux, drivers/firmware/smccc/lfa_fw.c in all its postings, and NVIDIA's.
"""

import errno

import pytest

from livefw.errors import TransportError
from livefw.files.protocol import LOST, Write
from livefw.providers.base import Claim, Phase, Progress, Reply, Running, Trust, Witness
from livefw.providers.fake import FakeResult
from livefw.providers.lfa import request, tree
from livefw.providers.lfa.fake import RMM, FakeLfa

OTHER = "0509b633-5734-422f-a681-6096e932d93a"


class Steps:
    def __init__(self) -> None:
        self.phases: list[Phase] = []

    def __call__(self, progress: Progress) -> None:
        self.phases.append(progress.phase)


def act(bench: FakeLfa, action: str = "activate", *answers: FakeResult, driver: str = "v3") -> Claim:
    """One request to its end."""
    if not bench.files.tree:
        bench.add(driver=driver)
    if answers:
        bench.files.answers[bench.path(action)] = list(answers)
    running = start(bench, action)
    assert running.wait(None)
    return running.claim


def start(bench: FakeLfa, action: str, steps: Steps | None = None) -> Running:
    ask = bench.provider.activate if action == "activate" else bench.provider.cancel
    return ask(RMM, steps or Steps())


ERRORS = [
    # action, errno, what was said, code; the driver versions that answer so
    ("activate", 0, Reply.ACCEPTED, None),
    ("activate", errno.ECANCELED, Reply.FAILED, "activation-failed"),  # second posting and later
    ("activate", errno.EIO, Reply.LOST, "lost"),  # no driver but that of the first posting answers so
    ("activate", errno.EINVAL, Reply.DECLINED, "resets-cpu"),  # first two postings
    ("activate", errno.EBUSY, Reply.REFUSED, "busy"),  # NVIDIA 7.0
    ("activate", errno.ENOENT, Reply.DECLINED, "vanished"),
    ("activate", errno.ENODEV, Reply.DECLINED, "vanished"),  # kernfs, of a file that was removed while it was open
    ("activate", errno.EACCES, Reply.DECLINED, "no-permission"),
    ("activate", errno.EPERM, Reply.DECLINED, "no-permission"),
    ("activate", errno.EROFS, Reply.DECLINED, "read-only"),
    ("activate", errno.ELOOP, Reply.DECLINED, "not-a-trigger"),
    ("activate", errno.ENOTCONN, Reply.LOST, "lost"),
    ("activate", errno.EINTR, Reply.LOST, "lost"),
    ("activate", LOST, Reply.LOST, "lost"),
    ("activate", errno.ENOSPC, Reply.FAILED, "unexpected-errno"),
    ("cancel", 0, Reply.ACCEPTED, None),
    ("cancel", errno.EINVAL, Reply.REFUSED, "nothing-to-cancel"),  # second posting and later
    ("cancel", errno.EIO, Reply.REFUSED, "nothing-to-cancel"),  # first posting
    ("cancel", errno.ENOENT, Reply.DECLINED, "vanished"),  # NVIDIA 7.0
    ("cancel", errno.EACCES, Reply.DECLINED, "no-permission"),
    ("cancel", errno.ENOSPC, Reply.FAILED, "unexpected-errno"),
]


@pytest.mark.parametrize(("action", "error", "said", "code"), ERRORS)
def test_each_errno_has_its_meaning(bench: FakeLfa, action: str, error: int, said: Reply, code: str | None) -> None:
    claim = act(bench, action, FakeResult(error))
    assert claim.reply is said
    assert (claim.reason.code if claim.reason else None) == code
    assert claim.error == max(error, 0)


UNOPENED = [
    # errno of open(2), or of the pipe(2) and fork(2) before it; code
    (errno.EMFILE, "not-asked"),
    (errno.ENFILE, "not-asked"),
    (errno.ENOMEM, "not-asked"),
    (errno.EAGAIN, "not-asked"),
    (errno.EBUSY, "not-asked"),
    (errno.EINTR, "not-asked"),
    (errno.EIO, "not-asked"),
    (errno.EINVAL, "not-asked"),
    (errno.ECANCELED, "not-asked"),
    (errno.ENOTCONN, "not-asked"),  # the server of a mount has died
    (errno.ENOENT, "vanished"),
    (errno.ENODEV, "vanished"),
    (errno.ENOTDIR, "vanished"),
    (errno.EACCES, "no-permission"),
    (errno.EPERM, "no-permission"),
    (errno.EROFS, "read-only"),
    (errno.ELOOP, "not-a-trigger"),
    (errno.EISDIR, "not-a-trigger"),
]


@pytest.mark.parametrize("action", ["activate", "cancel"])
@pytest.mark.parametrize(("error", "code"), UNOPENED)
def test_a_file_that_could_not_be_opened_was_not_asked(bench: FakeLfa, action: str, error: int, code: str) -> None:
    """Whatever the errno means from the write: the driver has not seen this request, and says nothing about it."""
    claim = act(bench, action, FakeResult(error, opened=False))
    assert (claim.reply, claim.error) == (Reply.REFUSED, error)
    assert claim.reason
    assert claim.reason.code == code
    assert code != "not-asked" or claim.reason.text.startswith("no request was made: ")
    assert len(bench.files.writes) == 1


@pytest.mark.parametrize("action", ["activate", "cancel"])
def test_what_could_be_written_by_hand_is_what_is_written(bench: FakeLfa, action: str) -> None:
    act(bench, action)
    ((path, data),) = bench.files.writes
    assert bench.provider.replay(RMM, action) == f"echo {data.decode().strip()} > {path}"


@pytest.mark.parametrize("action", ["activate", "cancel"])
def test_exactly_one_write_goes_to_the_right_file(bench: FakeLfa, action: str) -> None:
    act(bench, action)
    assert bench.files.writes == [(f"{tree.ROOT}/{RMM}/{action}", b"1\n")]


@pytest.mark.parametrize(
    ("driver", "trust"),
    [
        ("rfc1", Trust.FULL),
        ("rfc2", Trust.FULL),
        ("v1", Trust.DOUBTFUL),
        ("nv1", Trust.DOUBTFUL),
        ("v2", Trust.FULL),
        ("v3", Trust.FULL),
        ("nv3", Trust.FULL),
    ],
)
def test_a_success_is_doubted_where_the_driver_may_report_a_failure_as_one(
    bench: FakeLfa, driver: str, trust: Trust
) -> None:
    claim = act(bench, driver=driver)
    assert claim.trust is trust
    assert bool(claim.trust_reason) is (trust is Trust.DOUBTFUL)


def test_a_driver_that_nobody_knows_is_doubted(bench: FakeLfa) -> None:
    bench.add()
    del bench.files.tree[bench.path("pending_version")]
    assert act(bench).trust is Trust.DOUBTFUL


LINES = [
    # lines without the driver's prefix, witness, code
    (["LFA_PRIME for image TF-RMM failed: LFA_AUTH_ERROR"], Witness.FAILED, "AUTH_ERROR"),  # v2 and later
    (
        ["LFA_PRIME for image TF-RMM failed: LFA_BUSY", "Firmware prime failed: LFA_BUSY"],
        Witness.FAILED,
        "BUSY",
    ),  # v1
    (["ACTIVATE for image TF-RMM failed: LFA_ACTIVATION_FAILED"], Witness.FAILED, "ACTIVATION_FAILED"),  # v1
    (["LFA_ACTIVATE for image TF-RMM failed: LFA_CRITICAL_ERROR"], Witness.FAILED, "CRITICAL_ERROR"),  # v2 and later
    ([f"LFA_ACTIVATE for image {RMM} failed: LFA_BUSY"], Witness.FAILED, "BUSY"),
    (["LFA_ACTIVATE for image  failed: LFA_BUSY"], Witness.FAILED, "BUSY"),  # v2, v3: empty name
    (["ACTIVATE for image (unknown) failed: LFA_BUSY"], Witness.FAILED, "BUSY"),  # v1
    (["ACTIVATE for image \\x8c\\xff failed: LFA_BUSY"], Witness.FAILED, "BUSY"),  # NVIDIA 6.17: garbage
    (["LFA_ACTIVATE for image TF-RMM failed: LFA_DEVICE_ERROR"], Witness.MAY_GO_ON, "DEVICE_ERROR"),  # or a timeout
    (["LFA_PRIME for image TF-RMM failed: LFA_DEVICE_ERROR"], Witness.FAILED, "DEVICE_ERROR"),
    (["Firmware activation succeeded"], Witness.SUCCEEDED, None),  # v1
    (["TF-RMM: successfully activated"], Witness.SUCCEEDED, None),  # v2 and later
    ([f"{RMM}: successfully activated"], Witness.SUCCEEDED, None),
    (
        ["ACTIVATE for image TF-RMM failed: LFA_ACTIVATION_FAILED", "Firmware activation succeeded"],
        Witness.FAILED,
        "ACTIVATION_FAILED",
    ),  # v1: a failure, cancelled, reported as success
    (["TF-A BL31 runtime: successfully activated"], Witness.NONE, None),  # somebody else's
    ([f"LFA_ACTIVATE for image {OTHER} failed: LFA_BUSY"], Witness.NONE, None),
    (["something new"], Witness.NONE, None),
    ([], Witness.NONE, None),
]


@pytest.mark.parametrize(("lines", "witness", "code"), LINES)
def test_the_kernel_log_bears_witness(bench: FakeLfa, lines: list[str], witness: Witness, code: str | None) -> None:
    bench.files.say("Arm LFA: LFA_ACTIVATE for image TF-RMM failed: LFA_NO_MEMORY")  # long ago

    def log() -> None:
        for line in lines:
            bench.files.say(f"Arm LFA: {line}")

    claim = act(bench, "activate", FakeResult(errno.ECANCELED, effect=log))
    assert (claim.witness, claim.firmware_code) == (witness, code)
    assert len(claim.log) == len(lines)
    if code in request.FIRMWARE:
        assert claim.reason == request.FIRMWARE[code]


SCP, VERA = "65922703-2f74-e644-8dff-579ac1ff0610", "0509b633-5734-422f-a681-6096e932d93a"


@pytest.mark.parametrize(
    ("guid", "others", "line", "witness"),
    [
        # the kernel names TF-RMM: what bears no name or a placeholder is about another
        (RMM, [SCP], "ACTIVATE for image (unknown) failed: LFA_BUSY", Witness.NONE),
        (RMM, [SCP], "LFA_ACTIVATE for image  failed: LFA_BUSY", Witness.NONE),
        (RMM, [SCP], "Firmware activation succeeded", Witness.NONE),
        (RMM, [SCP], "ACTIVATE for image TF-RMM failed: LFA_BUSY", Witness.FAILED),
        # the only one without a name
        (SCP, [RMM], "ACTIVATE for image (unknown) failed: LFA_BUSY", Witness.FAILED),
        # one of several without a name
        (SCP, [RMM, VERA], "ACTIVATE for image (unknown) failed: LFA_BUSY", Witness.NONE),
        (SCP, [RMM, VERA], f"LFA_ACTIVATE for image {SCP} failed: LFA_BUSY", Witness.FAILED),
    ],
)
def test_a_line_that_may_be_about_another_component_is_no_witness(
    bench: FakeLfa, guid: str, others: list[str], line: str, witness: Witness
) -> None:
    for each in (guid, *others):
        bench.add(each)
    bench.files.answers[bench.path("activate", guid)] = [
        FakeResult(errno.ECANCELED, effect=lambda: bench.files.say(f"Arm LFA: {line}"))
    ]
    running = bench.provider.activate(guid, lambda _: None)
    assert running.wait(None)
    assert running.claim.witness is witness


@pytest.mark.parametrize(
    ("guid", "others", "line", "complete"),
    [
        (SCP, [RMM, VERA], "LFA_PRIME for image (unknown) failed: LFA_AUTH_ERROR", False),  # its own, or VERA's
        (SCP, [RMM], "LFA_PRIME for image (unknown) failed: LFA_AUTH_ERROR", True),  # its own
        (RMM, [SCP], "Firmware prime failed: LFA_AUTH_ERROR", False),  # bears no name
        (RMM, [SCP], "LFA_PRIME for image (unknown) failed: LFA_AUTH_ERROR", True),  # RMM has a name
        (SCP, [RMM, VERA], f"LFA_PRIME for image {VERA} failed: LFA_AUTH_ERROR", True),
        (SCP, [RMM, VERA], f"Activation cancelled for image {SCP}", False),  # a trace, and no witness
        (SCP, [RMM, VERA], "Activation cancelled for image ", False),
        (RMM, [SCP], "Activation cancelled for image ", True),
        (SCP, [RMM], f"LFA_PRIME for image {SCP} timed out", False),  # not among the lines that are known
    ],
)
def test_a_line_that_may_be_about_it_hides_whether_it_was_asked_for(
    bench: FakeLfa, guid: str, others: list[str], line: str, complete: bool
) -> None:
    """Else an engine that died would be told to have asked nothing, where the line was the answer to it."""
    for each in (guid, *others):
        bench.add(each)
    bench.files.say("before")
    mark = bench.provider.mark()
    bench.files.say(f"Arm LFA: {line}")
    assert bench.provider.recall(guid, mark).complete is complete


FAILED, DONE = "Arm LFA: LFA_ACTIVATE for image TF-RMM failed: LFA_BUSY", "Arm LFA: TF-RMM: successfully activated"
V1_FAILED, V1_DONE = "Arm LFA: ACTIVATE for image TF-RMM failed: LFA_BUSY", "Arm LFA: Firmware activation succeeded"
V1_GAVE_UP = "Arm LFA: Firmware activation failed: (efault)"


@pytest.mark.parametrize(
    ("lines", "witness"),
    [
        ([FAILED, DONE], Witness.MAY_GO_ON),  # v2 and later print one line for an attempt
        ([DONE, FAILED], Witness.MAY_GO_ON),
        ([V1_FAILED, V1_FAILED, V1_DONE], Witness.FAILED),  # one attempt of v1, which calls it a success
        ([V1_DONE, V1_FAILED, V1_DONE], Witness.MAY_GO_ON),  # two
        ([V1_DONE, V1_FAILED], Witness.MAY_GO_ON),
        ([V1_FAILED, V1_GAVE_UP, V1_DONE], Witness.MAY_GO_ON),
        ([V1_FAILED, V1_GAVE_UP], Witness.FAILED),
    ],
)
@pytest.mark.parametrize("others", [[], [SCP]])
def test_lines_of_two_attempts_of_which_one_may_have_succeeded_prove_no_failure(
    bench: FakeLfa, others: list[str], lines: list[str], witness: Witness
) -> None:
    for each in (RMM, *others):
        bench.add(each)

    def log() -> None:
        for line in lines:
            bench.files.say(line)

    assert act(bench, "activate", FakeResult(errno.ECANCELED, effect=log)).witness is witness


@pytest.mark.parametrize(
    ("demands_all", "forced", "line", "witness"),
    [
        ("0", "1", FAILED, Witness.MAY_GO_ON),  # each CPU activates by itself, and one of them says so
        ("0", "0", FAILED, Witness.FAILED),  # there is one CPU
        ("1", "1", FAILED, Witness.FAILED),  # they meet first
        ("0", "1", "Arm LFA: LFA_PRIME for image TF-RMM failed: LFA_BUSY", Witness.FAILED),  # before any activated
        ("0", "1", "no line of the driver", Witness.MAY_GO_ON),
        ("1", "1", "no line of the driver", Witness.NONE),
    ],
)
def test_the_failure_of_one_cpu_is_not_that_of_all(
    bench: FakeLfa, demands_all: str, forced: str, line: str, witness: Witness
) -> None:
    bench.add(cpu_rendezvous=demands_all, force_cpu_rendezvous=forced)
    answer = FakeResult(errno.ECANCELED, effect=lambda: bench.files.say(line))
    assert act(bench, "activate", answer).witness is witness


@pytest.mark.parametrize(
    ("lines", "witness"),
    [
        # v1 and v2 print no name for either: all of them are of PRIME, so ours failed before any CPU activated
        (["LFA_PRIME for image  failed: LFA_AUTH_ERROR"], Witness.NONE),
        (["LFA_ACTIVATE for image  failed: LFA_ACTIVATION_FAILED"], Witness.MAY_GO_ON),
        (["LFA_PRIME for image  failed: LFA_BUSY", "LFA_ACTIVATE for image  failed: LFA_BUSY"], Witness.MAY_GO_ON),
        (["LFA_PRIME for image  failed: LFA_BUSY", ": successfully activated"], Witness.MAY_GO_ON),
        ([], Witness.MAY_GO_ON),
    ],
)
def test_where_each_cpu_activates_by_itself_a_failure_is_one_only_before_any_did(
    bench: FakeLfa, lines: list[str], witness: Witness
) -> None:
    for each in (SCP, VERA):
        bench.add(each, cpu_rendezvous="0", force_cpu_rendezvous="1")

    def log() -> None:
        for line in lines:
            bench.files.say(f"Arm LFA: {line}")

    bench.files.answers[bench.path("activate", SCP)] = [FakeResult(errno.ECANCELED, effect=log)]
    running = bench.provider.activate(SCP, lambda _: None)
    assert running.wait(None)
    assert running.claim.witness is witness


def test_what_user_space_writes_to_the_log_proves_nothing(bench: FakeLfa) -> None:
    forged = "Arm LFA: TF-RMM: successfully activated"
    claim = act(bench, "activate", FakeResult(effect=lambda: bench.files.say(forged, facility=1)))
    assert (claim.witness, claim.log) == (Witness.NONE, ())


def test_a_success_in_a_log_with_a_gap_proves_nothing(bench: FakeLfa) -> None:
    """v1 prints its line of success after a failure too, and the failure may be what was overwritten."""
    bench.files.log = [b"6,10,0,-;boot\n"]

    def overwritten() -> None:
        bench.files.log = [b"6,90,0,-;Arm LFA: Firmware activation succeeded\n"]

    assert act(bench, "activate", FakeResult(effect=overwritten)).witness is Witness.NONE


@pytest.mark.parametrize("error", [errno.EACCES, errno.EPERM, errno.EINVAL])
def test_without_a_readable_log_there_is_no_witness(bench: FakeLfa, error: int) -> None:
    bench.files.break_for_ever("/dev/kmsg", error)
    claim = act(bench, "activate", FakeResult(errno.ECANCELED))
    assert (claim.reply, claim.witness, claim.firmware_code) == (Reply.FAILED, Witness.NONE, None)


@pytest.mark.parametrize("junk", [b"", b"\n", b" SUBSYSTEM=x\n", b"a,b,c;d\n", b"6," + b"9" * 5000 + b",0,-;x\n", b";"])
def test_junk_in_the_log_is_ignored(bench: FakeLfa, junk: bytes) -> None:
    bench.files.log = [junk]
    effect = FakeResult(effect=lambda: bench.files.say("Arm LFA: TF-RMM: successfully activated"))
    assert act(bench, "activate", effect).reply is Reply.ACCEPTED


def test_ebusy_is_retried_until_the_driver_is_free(bench: FakeLfa) -> None:
    bench.add()
    bench.files.answers[bench.path("activate")] = [*[FakeResult(errno.EBUSY)] * 4, FakeResult(0)]
    steps = Steps()
    running = start(bench, "activate", steps)
    assert running.wait(None)
    assert running.claim.reply is Reply.ACCEPTED
    assert len(bench.files.writes) == 5
    assert steps.phases[:3] == [Phase.RUNNING, Phase.WAITING, Phase.RUNNING]


def test_ebusy_for_ever_is_a_refusal_after_a_bounded_time(bench: FakeLfa) -> None:
    claim = act(bench, "activate", FakeResult(errno.EBUSY))
    assert (claim.reply, claim.reason and claim.reason.code) == (Reply.REFUSED, "busy")
    assert 60 <= bench.clock.passed < 70
    assert len(bench.files.writes) < 60


def test_what_was_in_the_way_may_have_done_the_work(bench: FakeLfa) -> None:
    """After EBUSY the same component may be activated already: it is not activated once more."""
    bench.add()
    busy = FakeResult(errno.EBUSY, effect=lambda: bench.set("activation_pending", "0"))
    claim = act(bench, "activate", busy, FakeResult(0))
    assert (claim.reply, claim.reason and claim.reason.code) == (Reply.REFUSED, "not-pending")
    assert len(bench.files.writes) == 1


def test_a_component_may_vanish_while_the_driver_is_busy(bench: FakeLfa) -> None:
    bench.add()
    busy = FakeResult(errno.EBUSY, effect=lambda: bench.files.remove(f"{tree.ROOT}/{RMM}"))
    claim = act(bench, "activate", busy, FakeResult(0))
    assert (claim.reply, claim.reason and claim.reason.code) == (Reply.REFUSED, "vanished")


@pytest.mark.parametrize(
    ("driver", "seconds", "said"),
    [
        ("v3", 45.0, Reply.ACCEPTED),  # PRIME 30 s, ACTIVATE 10 s, and single calls on top
        ("v3", 119.0, Reply.ACCEPTED),
        ("v3", 121.0, Reply.LOST),
        ("v3", None, Reply.LOST),
        ("v1", 500.0, Reply.ACCEPTED),  # no limit of its own
        ("v1", None, Reply.LOST),
    ],
)
def test_a_slow_write_is_no_failure(bench: FakeLfa, driver: str, seconds: float | None, said: Reply) -> None:
    claim = act(bench, "activate", FakeResult(0, seconds), driver=driver)
    assert claim.reply is said
    assert len(bench.files.writes) == 1


def test_waiting_is_bounded_by_what_the_caller_says(bench: FakeLfa) -> None:
    bench.add()
    bench.files.answers[bench.path("activate")] = [FakeResult(0, 10.0)]
    running = start(bench, "activate")
    assert [running.wait(4.0), running.wait(4.0), running.wait(4.0)] == [False, False, True]
    assert bench.clock.passed == pytest.approx(10.0)


def test_abandoning_a_write_leaves_the_outcome_open(bench: FakeLfa) -> None:
    bench.add()
    bench.files.answers[bench.path("activate")] = [FakeResult(0, None)]
    running = start(bench, "activate")
    assert not running.wait(1.0)
    assert running.touched
    with pytest.raises(ValueError, match="not ended"):
        _ = running.claim
    assert running.abandon().reply is Reply.LOST
    assert running.wait(None)


def test_abandoning_a_wait_for_the_driver_leaves_nothing_behind(bench: FakeLfa) -> None:
    bench.add()
    bench.files.answers[bench.path("activate")] = [FakeResult(errno.EBUSY)]
    running = start(bench, "activate")
    assert not running.wait(1.0)
    assert not running.touched
    assert running.abandon().reply is Reply.REFUSED


def test_after_success_the_tree_is_left_to_settle(bench: FakeLfa) -> None:
    """A component that left the inventory reads as zeros until its directory is gone."""
    bench.add()

    def leaves() -> None:
        bench.set("activation_capable", "0")
        bench.files.after(bench.path("name"), lambda: bench.files.remove(f"{tree.ROOT}/{RMM}"))

    steps = Steps()
    bench.files.answers[bench.path("activate")] = [FakeResult(0, effect=leaves)]
    assert start(bench, "activate", steps).wait(None)
    assert steps.phases == [Phase.RUNNING, Phase.SETTLING]
    assert bench.provider.inspect(RMM) is None
    assert bench.clock.passed < 1


def test_a_tree_that_does_not_settle_is_not_waited_for_long(bench: FakeLfa) -> None:
    claim = act(bench, "activate", FakeResult(0, effect=lambda: bench.set("activation_capable", "0")))
    assert claim.reply is Reply.ACCEPTED
    assert bench.clock.passed <= 1.01


def test_cpu_reset_is_told_from_a_failure_by_the_log(bench: FakeLfa) -> None:
    """v1 and later answer ECANCELED for both."""
    line = "Arm LFA: CPU reset not supported by kernel driver"
    claim = act(bench, "activate", FakeResult(errno.ECANCELED, effect=lambda: bench.files.say(line)))
    assert (claim.reply, claim.reason and claim.reason.code) == (Reply.DECLINED, "resets-cpu")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("Activation not cancelled for image TF-RMM: LFA_BUSY", "cannot-cancel-now"),  # v2 and later
        ("Firmware activation could not be cancelled: LFA_BUSY", "cannot-cancel-now"),  # v1
        ("Activation not cancelled for image TF-RMM: LFA_INVALID_PARAMETERS", "nothing-to-cancel"),
    ],
)
def test_why_a_cancel_is_refused_is_in_the_log(bench: FakeLfa, line: str, code: str) -> None:
    answer = FakeResult(errno.EINVAL, effect=lambda: bench.files.say(f"Arm LFA: {line}"))
    claim = act(bench, "cancel", answer)
    assert (claim.reply, claim.reason and claim.reason.code) == (Reply.REFUSED, code)


def test_a_write_that_cannot_be_started_is_an_error_and_not_an_outcome(
    bench: FakeLfa, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.add()

    def no_child(path: str, data: bytes) -> Write:
        raise OSError(errno.EAGAIN, "no child")

    monkeypatch.setattr(bench.files, "start_write", no_child)
    with pytest.raises(TransportError) as caught:
        start(bench, "activate")
    assert (caught.value.errno, caught.value.component) == (errno.EAGAIN, f"lfa:{RMM}")


def test_eio_is_the_first_postings_way_to_fail(bench: FakeLfa) -> None:
    claim = act(bench, "activate", FakeResult(errno.EIO), driver="rfc1")
    assert (claim.reply, claim.reason and claim.reason.code) == (Reply.FAILED, "activation-failed")


def test_the_code_of_the_automatic_cancel_is_not_that_of_the_activation(bench: FakeLfa) -> None:
    """v2 and later cancel after a time limit, and say nothing else; RMM has then nothing to cancel."""
    line = "Arm LFA: Activation not cancelled for image TF-RMM: LFA_INVALID_PARAMETERS"
    claim = act(bench, "activate", FakeResult(errno.ECANCELED, effect=lambda: bench.files.say(line)))
    assert (claim.firmware_code, claim.reason and claim.reason.code) == (None, "activation-failed")
