"""What crosses a process boundary, as a committed snapshot: it can't change unseen.

`static.json` is read off the source: headers, variables, exit codes, fields of specs and reports, labels, names in the
state directory. `outputs.json` has the shapes of what the commands print as JSON, and the files of a fleet that runs.
After a change on purpose: `python -m tests.boundary`, and a line in the changelog.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
STATIC = HERE / "static.json"
OUTPUTS = HERE / "outputs.json"


def read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return found


def write(file: Path, values: dict[str, Any]) -> None:
    file.write_text(json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
