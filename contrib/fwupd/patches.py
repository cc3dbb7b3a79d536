#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Make patches for a merge request from the plugin here and a source of fwupd: ``patches.py SOURCE OUT``.

OUT gets 0001, the plugin and the lines outside its folder that it needs, and 0002, the errno kept by the helper for
input and output, as ``git format-patch`` makes them. Of fwupd's files nothing is kept here: what they have to look like
is found by short expressions, and a source that looks otherwise is an error.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PLUGIN = Path(__file__).parent / "plugins/arm-lfa"
AUTHOR = ("The livefw authors", "livefw@localhost")
DATE = "2026-11-01T00:00:00Z"

PLUGIN_MESSAGE = """arm-lfa: Add a plugin for Arm Live Firmware Activation

The Linux driver shows firmware components that can be replaced while the machine
runs below /sys/firmware/lfa. List them, and activate those with a staged image.

The unit of the daemon has to be able to write there.
"""
ERRNO_MESSAGE = """fu-io-channel: Keep what the kernel said when a write fails

Every failure was a write error, whether the file was busy, read-only or gone, so
callers could not tell a refusal from a failure.
"""
HELPER = """static FwupdError
fu_io_channel_error_from_errno(gint errnum)
{
	if (errnum == EBUSY)
		return FWUPD_ERROR_BUSY;
	if (errnum == EACCES || errnum == EPERM || errnum == EROFS)
		return FWUPD_ERROR_PERMISSION_DENIED;
	if (errnum == ENOENT || errnum == ENODEV)
		return FWUPD_ERROR_NOT_FOUND;
	return FWUPD_ERROR_WRITE;
}

"""


class Edit:
    """A file of fwupd's, changed by expressions each of which has to be found once."""

    def __init__(self, source: Path, name: str) -> None:
        self.name = name
        self.text = (source / name).read_text(encoding="utf-8")
        self.before = self.text

    def replace(self, expression: str, new: str) -> None:
        """Replace what an expression finds; ValueError unless that is one place."""
        self.text, count = re.subn(expression, new, self.text, flags=re.MULTILINE)
        if count != 1:
            raise ValueError(f"{self.name}: {expression!r} is found {count} times")


def outside(source: Path) -> list[Edit]:
    """The lines outside the folder of the plugin."""
    plugins, unit, owners = (
        Edit(source, each) for each in ("plugins/meson.build", "data/meson.build", _owners(source))
    )
    plugins.replace(r"^(  'android-boot': false,\n)", r"\1  'arm-lfa': false,\n")
    unit.replace(
        r"^(    # not using ConfigurationDirectory further down\n)",
        "    # written by the arm-lfa plugin\n    rw_directories += '-/sys/firmware/lfa'\n\n\\1",
    )
    owners.replace(r"^(plugins/android-boot/ .*\n)", r"\1plugins/arm-lfa/ @livefw\n")
    return [plugins, unit, owners]


def _owners(source: Path) -> str:
    return next(each for each in (".github/CODEOWNERS", "CODEOWNERS") if (source / each).exists())


def errno_kept(source: Path) -> list[Edit]:
    """The second patch: the same text, with a code that says more."""
    channel = Edit(source, "libfwupdplugin/fu-io-channel.c")
    channel.replace(r"^(/\*\*\n \* fu_io_channel_write_raw:)", HELPER.replace("\\", r"\\") + r"\1")
    channel.replace(
        r'FWUPD_ERROR_WRITE,(\n\s*"failed to write %(?:" G_GSIZE_FORMAT "|zu) bytes to %i: %s")',
        r"fu_io_channel_error_from_errno(errno),\1",
    )
    return [channel]


def resolved(text: str, *, new: bool) -> str:
    """The plugin's source for one version of fwupd: of what it has for two, the branch that fits."""
    pattern = r"#ifdef FU_ARM_LFA_FWUPD_2_1\n(.*?)#else\n(.*?)#endif\n"
    return re.sub(pattern, r"\1" if new else r"\2", text, flags=re.DOTALL)


def make(source: Path, out: Path) -> list[Path]:
    """Write both patches; their paths."""
    new = "fu_context_set_path" in (source / "libfwupdplugin/fu-context.h").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name)

        def git(*words: str) -> None:
            author = [
                word
                for key, value in zip(("name", "email"), AUTHOR, strict=True)
                for word in ("-c", f"user.{key}={value}")
            ]
            environment = {
                "GIT_AUTHOR_DATE": DATE,
                "GIT_COMMITTER_DATE": DATE,
                "GIT_CONFIG_NOSYSTEM": "1",
                "HOME": name,
            }
            path = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
            subprocess.run(
                ["git", "-C", name, *author, *words], check=True, env=environment | path, capture_output=True
            )

        steps = [(PLUGIN_MESSAGE, outside(source)), (ERRNO_MESSAGE, errno_kept(source))]
        git("init", "-q")
        for each in (edit for _, edits in steps for edit in edits):
            file = tree / each.name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(each.before, encoding="utf-8")
        git("add", "-A")
        git("commit", "-qm", "base")
        for number, (message, edits) in enumerate(steps):
            for each in edits:
                (tree / each.name).write_text(each.text, encoding="utf-8")
            if number == 0:
                shutil.copytree(PLUGIN, tree / "plugins/arm-lfa")
                for file in (tree / "plugins/arm-lfa").glob("*.c"):
                    file.write_text(resolved(file.read_text(encoding="utf-8"), new=new), encoding="utf-8")
            git("add", "-A")
            git("commit", "-qm", message)
        out.mkdir(parents=True, exist_ok=True)
        git("format-patch", "-q", "-2", "--zero-commit", "--no-signature", "-o", str(out.resolve()))
    return sorted(out.glob("000[12]-*.patch"))


def main() -> int:
    """Tell what was written."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", type=Path, help="a source of fwupd")
    parser.add_argument("out", type=Path, help="directory for the patches")
    arguments = parser.parse_args()
    try:
        made = make(arguments.source, arguments.out)
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"patches.py: {error}\n")
        return 1
    sys.stdout.writelines(f"{each}\n" for each in made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
