"""What `fleet bench` recommends for the tasks of examples/, beside the best cell of an exhaustive sweep.

    python -m benchmarks.recommended [TASK…]   minutes each; 1 where one is farther than 10 % from the best

The sweep is `fleet bench` with every pool and a grid of slots, the recommended ones among them, two rounds in turn; of
each cell the best rate counts, as in the bench itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.contenders import ROOT

WITHIN = 0.9
_BUDGET = "60s"
_ROUNDS = 2
_GRID = {"prefork": (1, 2, 4, 8, 16), "threads": (2, 8, 32, 128, 512), "gevent": (8, 32, 128, 512, 2048)}
_TOML = """\
[fleet]
app = "{app}"
pythonpath = ["{folder}"]

[queues.work]

[[routes]]
task = "*"
queue = "work"

[workers.work]
queues = ["work"]
pool = "threads"
"""


class Example(NamedTuple):
    """`args`: of the call; {folder} is a temporary one, {url} a page that takes 50 ms."""

    folder: str
    app: str
    args: tuple[Any, ...]


EXAMPLES = {
    "shop.tasks.render": Example("quickstart", "shop.tasks", (1, 1, "{folder}")),
    "shop.tasks.fetch": Example("quickstart", "shop.tasks", ("{url}",)),
    "orders.tasks.render_invoice": Example("rabbitmq", "orders.tasks", (7,)),
    "orders.tasks.call_webhook": Example("rabbitmq", "orders.tasks", (7,)),
    "orders.tasks.book": Example("rabbitmq", "orders.tasks", (7,)),
    "photos.tasks.upload": Example("autoscale", "photos.tasks", ("a.png", 0.5)),
    "photos.tasks.thumbnail": Example("autoscale", "photos.tasks", ("a.png",)),
}


def main(names: Sequence[str]) -> int:
    bad = 0
    print("| task | recommended | tasks/s | best cell of the sweep | tasks/s | of the best |")
    print("|---|---|---:|---|---:|---:|", flush=True)
    for name in names or EXAMPLES:
        with tempfile.TemporaryDirectory(prefix="fleet-recommended-") as folder, _page() as url:
            rates, chosen = measured(name, Path(folder), url)
        best = max(rates, key=lambda each: rates[each])
        part = rates[chosen] / rates[best]
        bad += part < WITHIN
        cells = [f"{pool} {slots} | {rates[pool, slots]:,.3g}" for pool, slots in (chosen, best)]
        print(f"| `{name}` | {' | '.join(cells)} | {part:.0%} |", flush=True)
    return 1 if bad else 0


def measured(name: str, folder: Path, url: str) -> tuple[dict[tuple[str, int], float], tuple[str, int]]:
    """Tasks a second by (pool, slots), and which of them is recommended."""
    example = EXAMPLES[name]
    file = folder / "fleet.toml"
    file.write_text(_TOML.format(app=example.app, folder=ROOT / "examples" / example.folder))
    places = {"{folder}": str(folder), "{url}": url}
    args = json.dumps([places.get(each, each) if isinstance(each, str) else each for each in example.args])
    found = _bench(file, name, args, "--budget", _BUDGET)["recommendation"]
    chosen = (found["pool"], found["concurrency"])
    rates: dict[tuple[str, int], float] = {}
    for _ in range(_ROUNDS):
        for pool, grid in {chosen[0]: (), **_GRID}.items():
            slots = sorted({*grid, *([chosen[1]] if pool == chosen[0] else [])})
            wanted = ("--pools", pool, "--concurrency", ",".join(map(str, slots)), "--budget", "120s")
            for cell in _bench(file, name, args, *wanted)["cells"]:
                key = (cell["pool"], cell["concurrency"])
                rates[key] = max(rates.get(key, 0.0), cell["per_second"])
    return rates, chosen


def _bench(file: Path, name: str, args: str, *options: str) -> dict[str, Any]:
    command = (sys.executable, "-m", "fleet", "bench", name, "--args", args, "-f", str(file), "--json")
    done = subprocess.run(
        [*command, *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)["tasks"][0]
    return found


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        time.sleep(0.05)
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def _page() -> Iterator[str]:
    """A page on this machine: who asks for it pays for both ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
