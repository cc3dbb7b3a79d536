# SPDX-License-Identifier: Apache-2.0
"""ansible-test on the collection, as its tarball installs it. Run as a module this prepares what ansible-test makes for
itself, so that tests need no network."""

import os
import shutil
import subprocess
from pathlib import Path

from .cores import CACHE, CORES, has, oldest_python, programs, python_of, pythons, run

COLLECTION = Path(__file__).parents[2] / "ansible"
HOME = CACHE / "ansible-test"
UV = CACHE / "uv/bin/uv"

# ansible-test fills its environments by a pip that it fetches from a server of Ansible's, unless the script that would
# install it lies here. This one installs a pip that is uv: it needs no server, and a tenth of the time.
_BOOTSTRAP = '''\
import sysconfig
from pathlib import Path

pip = Path(sysconfig.get_path("purelib"), "pip")
pip.mkdir(exist_ok=True)
(pip / "__init__.py").write_text("")
(pip / "__main__.py").write_text("""\
import os, sys
words = [each for each in sys.argv[1:] if each != "--disable-pip-version-check"]
if words[0] != "-V":
    os.environ.update({environment!r})
    os.execv({uv!r}, ["uv", "pip", words[0], "-q", "--python", sys.executable, *words[1:]])
""")
'''


def prepare_home(*, offline: bool) -> None:
    """A home in which ansible-test finds its pip. It hands on no variables but a few, so they are in the script."""
    named = {name: os.environ[name] for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if name in os.environ}
    if "PIP_CERT" in os.environ:
        named["SSL_CERT_FILE"] = os.environ["PIP_CERT"]
    if offline:
        named["UV_OFFLINE"] = "1"
    text = _BOOTSTRAP.format(environment=named, uv=str(UV))
    cache = HOME / ".ansible/test/cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in ("24_2", "25_2"):  # of ansible-core 2.19 and 2.21
        (cache / f"get_pip_{version}.py").write_text(text, encoding="ascii")


def environment(core: str) -> dict[str, str]:
    """The interpreters themselves stand before whatever else is on PATH."""
    folders = [programs(core), *(path.parent for path in pythons().values()), "/usr/bin", "/bin"]
    return {"HOME": str(HOME), "PATH": os.pathsep.join(map(str, folders)), "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1"}


def install(folder: Path, core: str = "2.19") -> Path:
    """Build the tarball and install the collection from it below a directory; where it is, as a git tree."""
    named = environment(core)
    words = ["build", "--output-path", str(folder), str(COLLECTION)]
    run(["ansible-galaxy", "collection", *words], environment=named, folder=folder)
    (tarball,) = folder.glob("livefw-fleet-*.tar.gz")
    words = ["install", "--offline", "-p", str(folder), str(tarball)]
    run(["ansible-galaxy", "collection", *words], environment=named, folder=folder)
    tree = folder / "ansible_collections/livefw/fleet"
    for words in (["init", "-q"], ["add", "-A"]):  # ansible-test asks git which files there are
        subprocess.run(["git", *words], cwd=tree, check=True)
    return tree


def ansible_test(tree: Path, core: str, command: str, *words: str, python: str | None = None) -> str:
    """Run one of ansible-test's commands with the Python of a core, or on that of a target."""
    given = ["--local", "--color", "no", "--python", python or python_of(core)]
    return run(["ansible-test", command, *given, *words], environment=environment(core), folder=tree)


def main() -> None:
    """Make the environments of each core, once, with the network."""
    folder = HOME / "collection"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    prepare_home(offline=False)
    here = [core for core in CORES if has(core)]
    tree = install(folder, here[0])
    for core in here:
        ansible_test(tree, core, "sanity", "--prime-venvs")
    ansible_test(tree, here[-1], "sanity", "--prime-venvs", "--test", "import", python=oldest_python()[0])
    shutil.rmtree(folder)
    prepare_home(offline=True)


if __name__ == "__main__":
    main()
