# SPDX-License-Identifier: Apache-2.0
"""``python -m livefw``."""

import sys

from livefw.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
