# SPDX-License-Identifier: Apache-2.0
"""Installs livefw from its sources, without a network and without pip: what ``make install`` and the packages run.

``install.py install|uninstall|list [PACKAGE] [NAME=VALUE]...``. Names are those of `DIRECTORIES`, and ``DESTDIR``,
below which everything is put, ``PREFIX`` (/usr/local), and ``BYTECODE`` (yes; no if a package manager compiles).
PACKAGE is one of `PACKAGES`; without it all of them are installed. `ITEMS` is the one table of what goes where.
"""

import compileall
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "packaging")]

import generate  # noqa: E402 - beside this file
import metadata  # noqa: E402 - beside this file
import sbom  # noqa: E402 - beside this file

PACKAGES = ("livefw", "livefw-doc")
DIRECTORIES = {
    "BINDIR": "{PREFIX}/bin",
    "LIBEXECDIR": "{PREFIX}/libexec",
    "LIBRARYDIR": "",  # where the interpreter looks for modules below the prefix
    "DATADIR": "{PREFIX}/share",
    "MANDIR": "{DATADIR}/man",
    "DOCDIR": "{DATADIR}/doc/livefw",
    "LICENSEDIR": "{DATADIR}/licenses/livefw",
    "UNITDIR": "{PREFIX}/lib/systemd/system",
    "SYSUSERSDIR": "{PREFIX}/lib/sysusers.d",
    "TMPFILESDIR": "{PREFIX}/lib/tmpfiles.d",
    "BASHDIR": "{DATADIR}/bash-completion/completions",
    "ZSHDIR": "{DATADIR}/zsh/site-functions",
    "FISHDIR": "{DATADIR}/fish/vendor_completions.d",
}
"""Every directory that may be named, with its default; a name may use those above it."""
_DEFAULTS = {"DESTDIR": "", "PREFIX": "/usr/local", "BYTECODE": "yes"}
_OURS = (
    "{LIBRARYDIR}/livefw",
    "{LIBRARYDIR}/livefw-{VERSION}.dist-info",
    "{LIBEXECDIR}/livefw",
    "{DATADIR}/livefw",
    "{DOCDIR}",
    "{LICENSEDIR}",
)
"""Directories of livefw alone."""


class Item(NamedTuple):
    """Files and where they go.

    ``source`` is a file or a directory, below the top of the sources or, with ``made``, among what is made from tables;
    there it may be a pattern. A ``target`` that ends in a slash is a directory. ``programs`` says that the text names
    programs in /usr/bin and their interpreter, which are changed to where those are.
    """

    source: str
    target: str
    mode: int = 0o644
    made: bool = False
    programs: bool = False
    package: str = "livefw"


ITEMS = (
    Item("src/livefw", "{LIBRARYDIR}/livefw/"),
    Item("METADATA", "{LIBRARYDIR}/livefw-{VERSION}.dist-info/", made=True),
    Item("entry_points.txt", "{LIBRARYDIR}/livefw-{VERSION}.dist-info/", made=True),
    Item("INSTALLER", "{LIBRARYDIR}/livefw-{VERSION}.dist-info/", made=True),
    Item("packaging/bin/livefw", "{BINDIR}/", mode=0o755, programs=True),
    Item("packaging/bin/livefwd", "{BINDIR}/", mode=0o755, programs=True),
    Item("packaging/bin/wait-for-activation", "{LIBEXECDIR}/livefw/", mode=0o755, programs=True),
    Item("packaging/systemd/livefwd.socket", "{UNITDIR}/"),
    Item("packaging/systemd/livefwd.service", "{UNITDIR}/", programs=True),
    Item("packaging/systemd/livefw-watch.service", "{UNITDIR}/", programs=True),
    Item("packaging/systemd/livefw-notify.service", "{UNITDIR}/", programs=True),
    Item("packaging/systemd/livefw-notify.path", "{UNITDIR}/"),
    Item("packaging/systemd/livefw-metrics.service", "{UNITDIR}/", programs=True),
    Item("packaging/systemd/livefw-metrics.timer", "{UNITDIR}/"),
    Item("packaging/systemd/livefw.sysusers", "{SYSUSERSDIR}/livefw.conf"),
    Item("packaging/systemd/livefw.tmpfiles", "{TMPFILESDIR}/livefw.conf"),
    Item("packaging/polkit/org.livefw.policy", "{DATADIR}/polkit-1/actions/"),
    Item("packaging/org.livefw.livefw.metainfo.xml", "{DATADIR}/metainfo/"),
    Item("*.1", "{MANDIR}/man1/", made=True),
    Item("*.5", "{MANDIR}/man5/", made=True),
    Item("*.8", "{MANDIR}/man8/", made=True),
    Item("packaging/completions/livefw.bash", "{BASHDIR}/livefw"),
    Item("packaging/completions/_livefw", "{ZSHDIR}/"),
    Item("packaging/completions/livefw.fish", "{FISHDIR}/"),
    Item(sbom.FILENAME, "{DOCDIR}/", made=True),
    Item("packaging/systemd/no-network.conf", "{DOCDIR}/examples/"),
    Item("examples/notify.d", "{DOCDIR}/examples/notify.d/"),
    Item("packaging/prometheus/livefw.rules.yml", "{DATADIR}/livefw/prometheus/"),
    Item("packaging/grafana/livefw.json", "{DATADIR}/livefw/grafana/"),
    Item("LICENSE", "{LICENSEDIR}/"),
    Item("docs", "{DOCDIR}/docs/", package="livefw-doc"),
    *(
        Item(f"{name}.md", "{DOCDIR}/", package="livefw-doc")
        for name in ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY")
    ),
)
"""What is installed. The documents keep their places to each other, so that their links lead somewhere."""


class File(NamedTuple):
    """One file to install."""

    source: Path
    target: str
    item: Item


def settings(words: list[str]) -> dict[str, str]:
    """Every name with its value, of which directories are absolute; SystemExit for a word that is none."""
    given = dict[str, str]()
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name not in _DEFAULTS.keys() | DIRECTORIES:
            raise SystemExit(f"install: {word}: names are {', '.join((*_DEFAULTS, *DIRECTORIES))}")
        given[name] = value
    made = {name: given.get(name, value) for name, value in _DEFAULTS.items()}
    made["VERSION"] = metadata.project()["version"]
    if made["BYTECODE"] not in ("yes", "no"):
        raise SystemExit("install: BYTECODE is yes or no")
    for name, default in DIRECTORIES.items():
        made[name] = given.get(name) or default.format_map(made) or _library(made["PREFIX"])
    relative = [name for name in ("PREFIX", *DIRECTORIES) if not os.path.isabs(made[name])]
    if relative:
        raise SystemExit(f"install: {', '.join(relative)}: a directory is an absolute path")
    return made


def files(where: Mapping[str, str], made: Path, packages: tuple[str, ...]) -> Iterator[File]:
    """Every file of some packages. Errors: ValueError for an item that stands for no file."""
    for item in ITEMS:
        if item.package not in packages:
            continue
        top = made if item.made else ROOT
        sources = sorted(top.glob(item.source))
        if not sources:
            raise ValueError(f"there is no {item.source}")
        target = item.target.format_map(where)
        for source in sources:
            if source.is_dir():
                inside = (path for path in sorted(source.rglob("*")) if path.is_file())
                kept = (path for path in inside if "__pycache__" not in path.parts)
                yield from (File(path, target + path.relative_to(source).as_posix(), item) for path in kept)
            else:
                yield File(source, target + source.name if target.endswith("/") else target, item)


def install(where: Mapping[str, str], made: Path, packages: tuple[str, ...]) -> None:
    """Put every file in its place, with modes that do not depend on the umask."""
    library = where["DESTDIR"] + where["LIBRARYDIR"]
    for file in files(where, made, packages):
        target = Path(where["DESTDIR"] + file.target)
        _make_directory(target.parent)
        target.unlink(missing_ok=True)
        if file.item.programs:
            target.write_text(_placed(file.source.read_text(encoding="utf-8"), file.target, where), encoding="utf-8")
        else:
            shutil.copyfile(file.source, target)
        target.chmod(file.item.mode)
    if where["BYTECODE"] == "yes" and "livefw" in packages:
        # The modules are named in tracebacks as they will be named once DESTDIR is gone.
        compileall.compile_dir(f"{library}/livefw", stripdir=where["DESTDIR"], prependdir="/", quiet=1, force=True)
        for path in Path(library, "livefw").rglob("__pycache__"):
            for each in (path, *path.iterdir()):
                each.chmod(0o755 if each is path else 0o644)


def uninstall(where: Mapping[str, str], made: Path, packages: tuple[str, ...]) -> None:
    """Remove what `install` puts there, and our own directories if nothing else is in them."""
    for file in files(where, made, packages):
        target = Path(where["DESTDIR"] + file.target)
        target.unlink(missing_ok=True)
        if target.suffix == ".py":
            Path(importlib.util.cache_from_source(str(target))).unlink(missing_ok=True)
    for ours in _OURS:
        top = Path(where["DESTDIR"] + ours.format_map(where))
        for directory in sorted((top, *top.rglob("*")), reverse=True):  # what is inside comes before what it is in
            if directory.is_dir() and not any(directory.iterdir()):
                directory.rmdir()


def show(where: Mapping[str, str], made: Path, packages: tuple[str, ...]) -> None:
    """Print the files, one a line, as the installed system names them."""
    for file in files(where, made, packages):
        sys.stdout.write(f"{file.target}\n")


def _make_directory(directory: Path) -> None:
    if not directory.is_dir():
        _make_directory(directory.parent)
        directory.mkdir()
        directory.chmod(0o755)


def _library(prefix: str) -> str:
    """The directory below a prefix in which this interpreter looks for modules, or would look with this prefix."""
    places = {"base": prefix, "platbase": prefix}
    found = [sysconfig.get_path("purelib", scheme, places) for scheme in sysconfig.get_scheme_names()]
    usual = sysconfig.get_path("purelib", "posix_prefix", places)
    return next((path for path in found if path in _searched()), usual)


def _searched() -> list[str]:
    """Where this interpreter looks for modules, whatever the environment says."""
    command = [sys.executable, "-I", "-c", "import sys; print(*sys.path, sep='\\n')"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def _placed(text: str, target: str, where: Mapping[str, str]) -> str:
    """The text of ``target`` with programs and the interpreter where they are.

    A program in a prefix of its own finds its modules from where it is, and so do the processes that it starts.
    """
    interpreter = sys.executable
    if any(letter.isspace() for letter in interpreter) or len(interpreter) > 120:
        raise SystemExit(f"install: {interpreter} cannot be in the first line of a program: too long, or with a space")
    text = text.replace("#!/usr/bin/python3 ", f"#!{interpreter} ").replace(
        "/usr/bin/livefw", f"{where['BINDIR']}/livefw"
    )
    if "\nfrom livefw" in text and where["LIBRARYDIR"] not in _searched():
        way = os.path.relpath(where["LIBRARYDIR"], os.path.dirname(target))
        found = f'os.path.join(os.path.dirname(os.path.realpath(__file__)), "{way}")'
        lines = f'import os\nimport sys\n\nsys.path.insert(0, {found})\nos.environ["PYTHONPATH"] = sys.path[0]\n'
        text = text.replace("\nfrom livefw", f"\n{lines}\nfrom livefw", 1)
    return text


def _make(folder: Path) -> None:
    """Everything that is made from tables."""
    for maker in (generate, metadata):
        maker.write(folder)
    (folder / sbom.FILENAME).write_text(sbom.text(ROOT), encoding="utf-8")


ACTIONS = {"install": install, "uninstall": uninstall, "list": show}


def main() -> None:
    """Do what is asked for."""
    action, *words = sys.argv[1:] or [""]
    if action not in ACTIONS:
        raise SystemExit(f"usage: install.py {'|'.join(ACTIONS)} [{'|'.join(PACKAGES)}] [NAME=VALUE]...")
    packages = tuple(word for word in words if word in PACKAGES) or PACKAGES
    with tempfile.TemporaryDirectory() as folder:
        _make(Path(folder))
        ACTIONS[action](settings([word for word in words if word not in PACKAGES]), Path(folder), packages)


if __name__ == "__main__":
    main()
