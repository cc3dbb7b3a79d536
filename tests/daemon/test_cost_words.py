# SPDX-License-Identifier: Apache-2.0
"""What an activation stops is told in the same words by every face."""

import signal
import subprocess
import sys
from typing import Any, NamedTuple

import pytest

from livefw.machine.config import load
from livefw.render.component import cpu_stop_of_row

FWUPD = "org.freedesktop.fwupd"
RMM = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"
OTHER = "0509b633-5734-422f-a681-6096e932d93a"


class Stops(NamedTuple):
    """A component of the modelled machine, whether its rendezvous is forced, and what that comes to."""

    guid: str
    forced: bool | None
    short: str
    sentence: str


# The attributes cpu_rendezvous and force_cpu_rendezvous of the LFA driver's ABI document.
WORDS = {
    "required": Stops(RMM, None, "all", "stops all CPUs"),
    "forced": Stops(OTHER, True, "all (forced)", "stops all CPUs (forced by setting)"),
    "optional": Stops(OTHER, False, "one at a time", "stops one CPU at a time"),
}


@pytest.mark.parametrize("kind", WORDS)
def test_every_face_has_the_same_words(serve: Any, mounted: Any, kind: str) -> None:
    guid, forced, short, sentence = WORDS[kind]
    machine, root = mounted(load("vera"))
    folder = root / "sys/firmware/lfa" / guid
    if forced is not None:
        machine.stage(guid, None, authentic=True)
        (folder / "force_cpu_rendezvous").write_text(f"{int(forced)}\n")
    daemon = serve(root)
    command = [sys.executable, "-m", "livefw", "--root", str(root)]

    def run(*words: str) -> str:
        done = subprocess.run([*command, *words], env=daemon.environment, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    with subprocess.Popen([*command, "watch"], env=daemon.environment, stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout
        try:
            assert any(f"; cost: {sentence}" in line for line in watch.stdout)
        finally:
            watch.send_signal(signal.SIGINT)
    devices = daemon.call("GetDevices", interface=FWUPD)[0]
    summaries = [each["Summary"].value for each in devices if guid in str(each)]
    listed, shown, planned = run("list"), run("show", guid), run("plan", guid)
    done = run("activate", guid, "--yes")
    assert f"  {short}  " in next(line for line in listed.splitlines() if guid[:8] in line)
    for face in (shown, planned, done, done[done.index("activated") :]):
        assert sentence in face
        assert not any(other.sentence in face.replace(sentence, "") for other in WORDS.values())
    assert summaries == [f"Activation: {sentence}"]
    assert cpu_stop_of_row(kind) == sentence
