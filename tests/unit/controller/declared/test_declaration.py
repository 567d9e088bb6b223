"""What the declaration says of itself while it takes a new file over."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fleet.controller.declared.declaration import Declaration, FileVerdict
from fleet.controller.log.events import EventLog
from fleet.fleet_state import FleetState

FILE = """\
[fleet]
app = "work"
[queues.io]
[[routes]]
task = "{task}"
queue = "io"
[workers.w]
queues = ["io"]
pool = "solo"
"""


def test_a_file_in_force_is_known_by_its_fingerprint_from_its_first_moment(tmp_path: Path) -> None:
    """While it is written down, which takes a disk's time: `fleet send` finds the revision and the file agree."""
    file = tmp_path / "fleet.toml"
    seen: list[str] = []

    def write_down(state: FleetState) -> None:
        assert declaration.accepted is state
        seen.append(declaration.fingerprint)

    declaration = Declaration(file, None, EventLog(), write_down)

    async def adopt(task: str) -> str:
        file.write_text(FILE.format(task=task))
        assert await declaration.consider() is FileVerdict.ADOPTED
        return declaration.fingerprint

    final = [asyncio.run(adopt(task)) for task in ("*", "work.*")]
    assert len({*final}) == 2
    assert seen == final


def test_a_rejected_file_is_nobodys(tmp_path: Path) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text(FILE.format(task="*"))
    declaration = Declaration(file, None, EventLog(), lambda _: None)

    async def both() -> None:
        await declaration.consider()
        assert declaration.fingerprint
        file.write_text("[fleet")
        assert await declaration.consider() is FileVerdict.REJECTED
        assert declaration.fingerprint == ""
        assert declaration.rejected is not None

    asyncio.run(both())
