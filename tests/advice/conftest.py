"""Projects of one task for the commands that measure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import ROOT

TOML = """\
[fleet]
app = "{app}"
pythonpath = [".", "{root}"]

[machine]
memory = "{memory}"

[queues.work]

[[routes]]
task = "*"
queue = "work"

# How the work is done.
[workers.work]
queues = ["work"]
pool = "{pool}"                 # said by hand
concurrency = {concurrency}
env = {{ SAID = "in the file" }}
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a fleet.toml for `app`, and `code` as tasks.py beside it; its path."""

    def write(
        app: str = "tasks",
        code: str = "",
        *,
        pool: str = "threads",
        concurrency: int = 2,
        memory: str = "16GiB",
    ) -> Path:
        if code:
            (tmp_path / "tasks.py").write_text(code)
        file = tmp_path / "fleet.toml"
        file.write_text(TOML.format(app=app, root=ROOT, pool=pool, concurrency=concurrency, memory=memory))
        return file

    return write
