# SPDX-License-Identifier: Apache-2.0
"""``livefw --json list``, from its start to its end, beside a bare interpreter and beside grep on the same tree.

The program is the one that packages install. The script that pip makes instead may import `re` before it calls livefw,
which takes as long as a tenth of the whole: it is shown beside it, without an aim.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator

from bench.measure import Aim, Row, interleave
from bench.mounted import machine

ROUNDS = 60


def rows() -> Iterator[Row]:
    """Two trees with the same text: a folder of plain files, and a mounted machine."""
    livefw = (sys.executable, "-I", "packaging/bin/livefw")
    by_pip = os.path.join(os.path.dirname(sys.executable), "livefw")
    with machine("vera") as mounted, tempfile.TemporaryDirectory(prefix="livefw-bench-") as folder:
        plain = os.path.join(folder, "plain")
        _copy(mounted.root, plain)
        medians = interleave(
            {
                "bare": _program(sys.executable, "-I", "-c", "pass"),
                "plain": _program(*livefw, "--root", plain, "--json", "list", kept=f"{folder}/of-plain"),
                "pip": _program(by_pip, "--root", plain, "--json", "list", kept=f"{folder}/of-plain"),
                "mounted": _program(*livefw, "--root", mounted.root, "--json", "list", kept=f"{folder}/of-mounted"),
                "grep": _program("sh", "-c", 'grep . "$0"/*/*', f"{mounted.root}/sys/firmware/lfa"),
            },
            rounds=ROUNDS,
        )
    bare, files, pip, mount, grep = (medians[name] * 1e3 for name in ("bare", "plain", "pip", "mounted", "grep"))
    yield Row("bare interpreter, python -I -c pass", bare, "ms")
    yield Row("livefw --json list, plain files", files, "ms")
    yield Row("livefw --json list, mounted machine", mount, "ms")
    yield Row("grep . DIR/*/*, mounted machine", grep, "ms")
    yield Row("list of plain files", files / bare, "times", Aim(2.0), "bare interpreter")
    yield Row("list of plain files, by pip's script", pip / bare, "times", None, "bare interpreter")
    yield Row("list of a mounted machine", mount / bare, "times", Aim(2.5), "bare interpreter")
    yield Row("list of a mounted machine", mount / grep, "times", None, "grep on the same tree")


def _program(*arguments: str, kept: str = "") -> Callable[[], object]:
    """With bytecode, as an installed program has it: the turn that is not counted leaves it behind. It also records
    what is pending, in the directory ``kept``.

    grep ends with 2, because nobody may read ``activate``: exit codes are not looked at.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"LIVEFW_STATE": kept, "LIVEFW_RUNTIME_DIR": kept} if kept else {}
    silent = subprocess.DEVNULL
    return lambda: subprocess.run(arguments, stdout=silent, stderr=silent, env=environment, check=False)


def _copy(source: str, target: str) -> None:
    """The LFA tree, with its modes, write-only files empty."""
    for folder, _, names in os.walk(f"{source}/sys/firmware/lfa"):
        copy = target + folder[len(source) :]
        os.makedirs(copy)
        for name in names:
            with open(f"{copy}/{name}", "wb") as file:
                if os.stat(f"{folder}/{name}").st_mode & 0o444:
                    with open(f"{folder}/{name}", "rb") as original:
                        file.write(original.read())
            shutil.copymode(f"{folder}/{name}", f"{copy}/{name}")
