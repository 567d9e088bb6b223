"""`fleet delayed`: messages that are not due yet, on a broker that can say so and on one that can't."""

from __future__ import annotations

import json
import time
from pathlib import Path

from click.testing import CliRunner, Result

from fleet.cli import root
from fleet.statedir import StateDir

FILE = """\
[fleet]
name = "later"
app = "work"
[queues.io]
[queues.other]
[[routes]]
task = "other.*"
queue = "other"
[[routes]]
task = "*"
queue = "io"
[workers.w]
queues = ["io", "other"]
pool = "solo"
"""


def fleet(folder: Path, *words: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(root, [*words, "-f", str(folder / "fleet.toml")], env=env or {})


def test_delayed_messages_are_listed_with_their_time_and_one_is_cancelled_and_noted(tmp_path: Path) -> None:
    (tmp_path / "fleet.toml").write_text(FILE)
    assert "no delayed messages" in fleet(tmp_path, "delayed", "list").output
    for task, delay in (("shop.b", "2h"), ("shop.a", "1h"), ("other.c", "3h")):
        assert fleet(tmp_path, "send", task, "1", "--delay", delay).exit_code == 0
    answer = json.loads(fleet(tmp_path, "delayed", "list", "--json").output)
    assert [each["task"] for each in answer["messages"]] == ["shop.a", "shop.b", "other.c"]
    assert answer["total"] == 3
    assert abs(answer["messages"][0]["due_at"] - time.time() - 3600) < 60
    assert answer["messages"][0]["headers"]["argsrepr"] == "(1,)"
    shown = fleet(tmp_path, "delayed", "list", "--limit", "1", "--queue", "other").output
    assert "other.c" in shown
    assert "shop" not in shown
    ident = answer["messages"][0]["id"]
    done = fleet(tmp_path, "delayed", "cancel", ident)
    assert (done.exit_code, done.output) == (0, f"cancelled {ident}\n")
    again = fleet(tmp_path, "delayed", "cancel", ident)
    assert again.exit_code == 1
    assert "no delayed message with this id" in again.output
    assert json.loads(fleet(tmp_path, "delayed", "list", "--json").output)["total"] == 2
    entries = [json.loads(line) for line in StateDir(tmp_path / ".fleet").events.read_text().splitlines()]
    assert [(each["audit"]["verb"], each["audit"]["arguments"]["ids"]) for each in entries][-1] == (
        "cancel",
        [ident],
    )


def test_an_unknown_queue_is_a_mistake_of_the_command(tmp_path: Path) -> None:
    (tmp_path / "fleet.toml").write_text(FILE)
    done = fleet(tmp_path, "delayed", "list", "--queue", "nope")
    assert done.exit_code == 2
    assert "no queue 'nope'; known are io, other" in done.output


def test_rabbitmq_can_not_be_asked_and_that_is_said_without_a_connection(tmp_path: Path) -> None:
    (tmp_path / "fleet.toml").write_text(FILE + '[broker]\nurl = "amqp://nobody@127.0.0.1:1//"\n')
    for words in (("list",), ("cancel", "x")):
        done = fleet(tmp_path, "delayed", *words)
        assert done.exit_code == 1
        assert "can be neither listed nor" in done.output
    assert json.loads(fleet(tmp_path, "delayed", "list", "--json").output)["total"] is None
