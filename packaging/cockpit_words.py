# SPDX-License-Identifier: Apache-2.0
"""The words of the page in Cockpit: outcomes, states, costs, exit codes, settings, checks: ``cockpit_words.py [FILE]``.

They are made from the product's own tables and kept in cockpit/src/words.json, so that the page is built without
Python. A test compares. What is particular to a machine, such as the text of a check, comes with each answer.
"""

import json
import sys
from pathlib import Path
from typing import Any

from livefw.activation.checks.table import CHECKS
from livefw.activation.policy.document import KEYS
from livefw.activation.policy.reader import rows
from livefw.activation.status_code import StatusCode
from livefw.cli.explain.codes import OUTCOMES
from livefw.daemon.interfaces.livefw1 import NAME, PATH
from livefw.daemon.service import SOCKET
from livefw.errors import KINDS, MEANINGS
from livefw.providers.component import RESTART_TEXTS, Rendezvous
from livefw.render.component import cpu_stop_of

FILE = Path(__file__).parents[1] / "cockpit/src/words.json"


def document() -> dict[str, Any]:
    """Everything, in the order of the tables."""
    stops: list[str | None] = [*Rendezvous, None]
    return {
        "daemon": {"interface": NAME, "path": PATH, "address": f"unix:path={SOCKET}"},
        "outcomes": {
            outcome.value: {"means": text.text, "machine": text.state, "advice": text.advice}
            for outcome, text in OUTCOMES.items()
        },
        "states": [state.value for state in StatusCode],
        "errors": {kind.name: {"exit_code": int(kind.exit_code)} for kind in KINDS.values()},
        "exit_codes": {str(int(code)): text for code, text in MEANINGS.items()},
        "stops": {stop or "": cpu_stop_of({"rendezvous": stop}).text for stop in stops},
        "restarts": {scope.value: text for scope, text in RESTART_TEXTS.items()},
        "settings": {row.path: row.help for row in rows(KEYS)},
        "checks": {check.name: {"weight": check.weight.value, "about": check.about} for check in CHECKS},
    }


def text() -> str:
    """The file."""
    return json.dumps(document(), indent=2) + "\n"


if __name__ == "__main__":
    Path(*sys.argv[1:2] or [FILE]).write_text(text(), encoding="utf-8")
