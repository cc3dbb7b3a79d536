# SPDX-License-Identifier: Apache-2.0
"""Runs the Python of a page in one namespace: a request in JSON on a line of standard input, an answer likewise."""

import json
import os
import sys
import tempfile
import traceback
from typing import Any


def main() -> None:
    """Answer until the input ends. What runs here, and what it starts, has the output of a file and no input."""
    requests, answers = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    sys.path.insert(0, os.getcwd())
    namespace: dict[str, Any] = {"__name__": "__main__"}
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 1)
        os.dup2(written.fileno(), 2)
        for line in requests:
            request = json.loads(line)
            written.seek(0)
            written.truncate()
            failed = _run(request["source"], request["name"], "single" if request["prompt"] else "exec", namespace)
            sys.stdout.flush()
            sys.stderr.flush()
            written.seek(0)
            output = written.read().decode(errors="backslashreplace")
            print(json.dumps({"output": output, "failed": failed}), file=answers, flush=True)


def _run(source: str, name: str, mode: str, namespace: dict[str, Any]) -> bool:
    try:
        exec(compile(source, name, mode, dont_inherit=True), namespace)
    except BaseException as error:
        if mode == "exec":
            traceback.print_exc()
        else:  # as the documents show it: the last line says it all
            print("Traceback (most recent call last):", "    ...", sep="\n")
            print("".join(traceback.format_exception_only(error)), end="")
        return True
    return False


if __name__ == "__main__":
    main()
