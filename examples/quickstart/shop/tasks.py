"""Two kinds of work: `render` computes, `fetch` waits. fleet.toml sends each to the pool that suits it."""

from __future__ import annotations

import os
import time
import urllib.request
from pathlib import Path

from fleet import current, task

TILE = 64  # pixels per side
TILES = 6  # tiles per side of the picture


@task
def render(column: int, row: int, folder: str) -> None:
    """Compute one tile of the Mandelbrot set and leave it in `folder` as grey bytes, one per pixel."""
    started = time.perf_counter()
    side = TILE * TILES
    pixels = bytes(
        escape_time(complex(-2.2 + 3 * x / side, -1.5 + 3 * y / side))
        for y in range(row * TILE, (row + 1) * TILE)
        for x in range(column * TILE, (column + 1) * TILE)
    )
    # Write, then rename: a task may run twice (at least once), and a reader never sees half a tile.
    tile = Path(folder) / f"{column}-{row}.grey"
    scratch = tile.with_suffix(f".{os.getpid()}")
    scratch.write_bytes(pixels)
    scratch.rename(tile)
    print(f"rendered tile {column}-{row} in {time.perf_counter() - started:.2f} s (pid {os.getpid()})")


def escape_time(point: complex) -> int:
    """0 inside the set, brighter the faster the orbit of `point` escapes."""
    z = 0j
    for step in range(250):
        z = z * z + point
        if abs(z) > 2:
            return 255 - step
    return 0


@task
def fetch(url: str) -> None:
    """Read one page. A hundred of these wait at the same time in one process."""
    with urllib.request.urlopen(url, timeout=30) as response:
        size = len(response.read())
    print(f"fetched {url}: {size} bytes, message {current.id[:8]}")
