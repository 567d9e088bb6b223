"""What a reading is of: an edit that comes while the file is read must be seen as one afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fleet.config import load as loading
from fleet.controller.declared.reading import digest_of, read

TEXT = """\
[fleet]
app = "work"
{more}
[queues.q]

[[routes]]
task = "*"
queue = "q"

[workers.w]
queues = ["q"]
pool = "solo"
"""


@pytest.fixture(params=["", 'env_file = "some.env"\n'])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    (tmp_path / "some.env").write_text("A=1\n")
    path = tmp_path / "fleet.toml"
    path.write_text(TEXT.format(more=request.param))
    return path


def test_the_digest_is_that_of_what_was_read(file: Path) -> None:
    reading = read(file, None)
    assert reading.accepted is not None, reading.problems
    assert reading.digest == digest_of(reading.files)


def test_an_edit_while_the_file_is_read_is_seen_afterwards(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was not: the digest was taken after reading, so the new content counted as read."""
    original, edits = loading.load, [" # edited"]

    def load(path: Path, **options: Any) -> loading.Loaded:
        loaded = original(path, **options)
        if edits:
            path.write_text(path.read_text() + edits.pop())
        return loaded

    monkeypatch.setattr(loading, "load", load)
    reading = read(file, None)
    again = "env_file" in file.read_text()  # it is read twice then, and the second time as it is now
    assert (reading.digest == digest_of(reading.files)) is again


def test_an_edit_of_another_file_while_it_is_read_is_seen_afterwards(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, original = file.with_name("some.env"), loading.load

    def load(path: Path, **options: Any) -> loading.Loaded:
        loaded = original(path, **options)
        other.write_text(other.read_text() + "B=2\n")
        return loaded

    monkeypatch.setattr(loading, "load", load)
    reading = read(file, None)
    assert (reading.digest != digest_of(reading.files)) is (other in reading.files)
