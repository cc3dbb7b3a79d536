# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.schema``: write the JSON Schemas that the package ships."""

from livefw.schema.shipped import SCHEMAS, text

from .test_shipped import FOLDER

for name in SCHEMAS:
    (FOLDER / name).write_text(text(name), encoding="utf-8")
