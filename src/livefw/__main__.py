# SPDX-License-Identifier: Apache-2.0
"""``python -m livefw``."""

from livefw.cli.main import command

if __name__ == "__main__":
    command()
