"""Feed the quick start's fleet with real work and show it being done.

`scripts/demo` starts this beside `fleet up`. It waits for the fleet, sends tiles of a picture to render (CPU)
and pages to fetch from a slow web server of its own (I/O), puts the picture together, then shows the status.
"""

from __future__ import annotations

import http.server
import json
import os
import struct
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))
os.environ["FLEET_FILE"] = str(ROOT / "fleet.toml")

from shop.tasks import TILE, TILES, fetch, render  # noqa: E402  (after the path is set)

PAGES = 200
PAGE_SECONDS = 0.5
FLEET = [sys.executable, "-m", "fleet"]
FLEET_UP = os.getppid()


def say(text: str) -> None:
    print(f"\n=== {text}", file=sys.stderr, flush=True)


def gone() -> bool:
    """Whether `fleet up` has ended: then so do we (a shell's background job does not get Ctrl-C)."""
    return os.getppid() != FLEET_UP


def wait_until(condition, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if gone():
            sys.exit(0)
        if time.monotonic() > deadline:
            sys.exit(f"demo: {what} took longer than {seconds:g} s; see `fleet status` and `fleet logs`")
        time.sleep(0.1)


def healthy() -> bool:
    return subprocess.run([*FLEET, "status", "--json"], capture_output=True, check=False).returncode == 0


class SlowPage(http.server.BaseHTTPRequestHandler):
    """Every page takes half a second, as pages do."""

    def do_GET(self) -> None:
        time.sleep(PAGE_SECONDS)
        body = b"<h1>a page</h1>\n" * 64
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class PageServer(http.server.ThreadingHTTPServer):
    request_queue_size = 256
    served = 0

    def finish_request(self, request: object, client_address: object) -> None:
        super().finish_request(request, client_address)  # type: ignore[arg-type]
        self.served += 1


def png(tiles: Path) -> bytes:
    """The tiles as one greyscale PNG."""
    side = TILE * TILES
    rows = []
    for y in range(side):
        line = b"".join(
            (tiles / f"{column}-{y // TILE}.grey").read_bytes()[(y % TILE) * TILE : (y % TILE + 1) * TILE]
            for column in range(TILES)
        )
        rows.append(b"\0" + line)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"".join(rows)))
        + chunk(b"IEND", b"")
    )


def main() -> None:
    wait_until(healthy, 60, "starting the fleet")
    tiles = ROOT / ".fleet" / "demo"
    tiles.mkdir(parents=True, exist_ok=True)
    for old in tiles.glob("*.grey"):
        old.unlink()
    pages = PageServer(("127.0.0.1", 0), SlowPage)
    threading.Thread(target=pages.serve_forever, daemon=True).start()

    tile_count = TILES * TILES
    say(f"sending {tile_count} tiles to render (CPU) and {PAGES} pages of {PAGE_SECONDS} s to fetch (I/O)")
    started = time.monotonic()
    for number in range(PAGES):
        fetch.send(f"http://127.0.0.1:{pages.server_port}/page/{number}")
    for row in range(TILES):
        for column in range(TILES):
            render.send(column, row, str(tiles))

    wait_until(lambda: pages.served >= PAGES, 120, "fetching the pages")
    fetched = time.monotonic() - started
    wait_until(lambda: len(list(tiles.glob("*.grey"))) == tile_count, 120, "rendering the tiles")
    rendered = time.monotonic() - started
    picture = ROOT / ".fleet" / "demo.png"
    picture.write_bytes(png(tiles))

    say(f"{PAGES} pages fetched in {fetched:.1f} s, {tile_count} tiles rendered in {rendered:.1f} s")
    say(f"the picture: {picture}")
    done = PAGES + tile_count
    wait_until(lambda: succeeded() >= done or gone(), 10, "counting")
    subprocess.run([*FLEET, "status"], check=False)
    login = subprocess.run([*FLEET, "dashboard"], capture_output=True, text=True, check=False)
    say(f"the web page, with a login that works once:\n{login.stdout.strip() or login.stderr.strip()}")
    say(
        "edit fleet.toml and watch the fleet follow; Ctrl-C ends it;\n"
        "`.venv/bin/fleet status` in another terminal shows it"
    )


def succeeded() -> int:
    status = subprocess.run([*FLEET, "status", "--json"], capture_output=True, text=True, check=False)
    groups = json.loads(status.stdout)["groups"]
    return sum(worker["succeeded"] for group in groups for worker in group["workers"])


if __name__ == "__main__":
    main()
