# SPDX-License-Identifier: Apache-2.0
"""``livefw demo``, as a newcomer runs it: no FUSE, no root."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from livefw.errors import ExitCode

Demo = Callable[..., subprocess.CompletedProcess[str]]
WITHOUT_CRYPTO = "import sys; sys.modules['cryptography'] = None; from livefw.cli.main import main; sys.exit(main())"


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    """Runs it; whatever it made is gone at its end."""

    def run(*words: str, program: tuple[str, ...] = ("-m", "livefw")) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, *program, *words],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            env=os.environ | {"TMPDIR": str(tmp_path)},
        )
        assert list(tmp_path.iterdir()) == []
        return done

    return run


def assert_in_order(text: str, parts: list[str]) -> None:
    at = 0
    for part in parts:
        found = text.find(part, at)
        assert found >= 0, f"{part!r} is not where it should be in:\n{text}"
        at = found + len(part)


END = [
    "LFA_PRIME(fw_seq_id=3) -> SUCCESS call_again",
    "LFA_ACTIVATE(fw_seq_id=3",
    "All 88 CPUs were stopped once",
    "2 run on, 0 were lost",
    "-        all           up to date",
    "livefw machine run --platform vera",
]


def test_it_shows_the_firmware_refuse_bad_packages_and_activate_the_good_one(demo: Demo) -> None:
    done = demo("demo")
    assert (done.returncode, done.stderr) == (0, "")
    order = [
        *(
            "$ livefw machine stage bad.fip",
            "$ livefw list",
            "1.1      all           ready",
            "$ livefw activate TF-RMM",
        ),
        *("TF-RMM", ": failed", "AUTH_ERROR", "LFA_PRIME for image TF-RMM failed"),
        "what the firmware found: the image is not the one that its certificate vouches for",
        *("$ livefw machine stage old.fip", "$ livefw activate TF-RMM --ignore downgrade", ": failed", "AUTH_ERROR"),
        "what the firmware found: the non-volatile counter is lower than the machine's",
        *("$ livefw machine stage new.fip", "$ livefw activate TF-RMM", "activated, 1.0 -> 1.1"),
        *END,
    ]
    assert_in_order(done.stdout, order)


def test_without_the_optional_library_it_shows_an_image_in_memory_and_says_what_would_show_more(demo: Demo) -> None:
    done = demo("demo", program=("-c", WITHOUT_CRYPTO))
    assert (done.returncode, done.stderr) == (0, "")
    order = [
        "$ livefw list",
        "1.1      all           ready",
        "$ livefw activate TF-RMM",
        "activated, 1.0 -> 1.1",
        *END[:-1],
    ]
    assert_in_order(done.stdout, [*order, "pip install 'livefw[crypto]'", END[-1]])
    assert "refuse" not in done.stdout.partition("pip install")[0]


@pytest.mark.parametrize(
    ("platform", "code", "outcome"),
    [
        ("grid", ExitCode.DONE, ": activated"),
        # TF-A on FVP reports no versions and never clears its flag: nobody can confirm it
        ("fvp", ExitCode.UNKNOWN, "nothing here can confirm it"),
    ],
)
def test_platform_without_signed_updates_activates_what_is_in_memory(
    demo: Demo, platform: str, code: ExitCode, outcome: str
) -> None:
    done = demo("demo", "--platform", platform)
    assert done.returncode == code, done.stderr
    assert outcome in done.stdout
    assert "pip install" not in done.stdout


def test_json_is_one_document(demo: Demo) -> None:
    done = demo("--json", "demo")
    document = json.loads(done.stdout)
    assert (done.returncode, document["schema"], document["result"]["outcome"]) == (0, "livefw/1", "activated")
    refused = [(each["package"], each["result"]["claim"]["firmware_code"]) for each in document["refused"]]
    assert refused == [("bad.fip", "AUTH_ERROR"), ("old.fip", "AUTH_ERROR")]
    assert "ccafw 1, expected at least 2" in document["refused"][1]["found"]
    assert document["signed"]
    assert document["realms"] == {"running": 2, "lost": 0}
    assert len(document["calls"]) == 2 + 88
    assert len(document["stalls_ns"]) == 1
