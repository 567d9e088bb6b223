"""The acts of `fleet top`: which question an uppercase letter asks about the chosen row. Pure.

What is asked for goes the way that the commands go: the controller does it, and notes by whom.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fleet.cli.screen.listing import chosen, rows
from fleet.cli.screen.model import FAILED, GROUPS, QUEUES, Count, Model, Question, Row

RELOAD = "/reload"
RETRY, PURGE = "dead-retry", "dead-purge"
"""Done by the screen itself, as by `fleet dead`; the verbs of the audit."""


def question(model: Model, letter: str) -> Question | Count | str:
    """Or what has to be counted before it can be asked, or a sentence why not."""
    if model.readonly:
        return "this screen is read-only: it was started with --readonly"
    if model.trouble or not model.known.answers.get("status"):
        return "the controller does not answer: nothing can be done just now"
    if letter == "A":
        return Question("apply the file now?", RELOAD)
    return _of_dead_letters(model, letter) if letter in ("T", "X") else _of_row(model, letter)


def _of_row(model: Model, letter: str) -> Question | str:
    row = chosen(model)
    if model.screen not in (GROUPS, QUEUES) or row is None:
        return "choose a queue (2) or a group (3) first"
    if model.screen == QUEUES:
        return _of_queue(row["name"], letter)
    return _OF_GROUP[letter](row)


def _of_dead_letters(model: Model, letter: str) -> Question | Count | str:
    """Of the queues that are marked, or else of the chosen one; of one kind of error."""
    one = chosen(model)
    verb = RETRY if letter == "T" else PURGE
    if model.screen == FAILED:
        return Count(verb, _of_error(one)) if one else "nothing has failed that is known here"
    if model.screen != QUEUES:
        return "dead letters are retried and deleted by queue (2) or by error (5): choose one there"
    those = [row for row in rows(model) if row.get("marked")] or ([one] if one else [])
    count = sum(row.get("dead") or 0 for row in those)
    return about_letters(verb, {"queues": [row["name"] for row in those]}, count)


def _of_error(row: Row) -> dict[str, Any]:
    example = row["example"]
    return {"queues": [example["queue"]], "task": example["task"], "error": row["type"]}


def about_letters(verb: str, meant: Mapping[str, Any], count: int) -> Question | str:
    """What is asked about so many dead letters, which `meant` chooses."""
    where = ", ".join(meant["queues"]) or "any queue"
    kind = f"{meant['error']} of {meant['task']} in {where}" if "error" in meant else where
    if not count:
        return f"no dead letters are known of {kind}"
    letters = f"{count:,} dead letter{'' if count == 1 else 's'} of {kind}"
    given = {**meant, "most": count}
    if verb == RETRY:
        return Question(f"send {letters} back to be run again?", RETRY, given)
    return Question(f"type {count} to delete {letters} for ever", PURGE, given, number=True, count=count)


def _of_queue(name: str, letter: str) -> Question | str:
    if letter == "P":
        return Question(f"pause queue {name}: no worker takes from it?", "/commands/pause", {"queue": name})
    if letter == "U":
        return Question(f"resume queue {name}?", "/commands/resume", {"queue": name})
    return "of a queue there are P pause, U resume, T and X for dead letters; groups are on screen 3"


def _pause(row: Row) -> Question:
    name = row["group"]["name"]
    return Question(f"pause {name}: its workers take nothing more?", "/commands/pause", {"group": name})


def _resume(row: Row) -> Question:
    name = row["group"]["name"]
    return Question(f"resume {name}?", "/commands/resume", {"group": name})


def _drain(row: Row) -> Question:
    name = row["group"]["name"]
    text = f"drain {name}: its workers finish and end, none starts until it is resumed?"
    return Question(text, "/commands/drain", {"group": name})


def _scale(row: Row) -> Question:
    name, now = row["group"]["name"], row["group"]["replicas"]["desired"]
    text = f"scale {name}, now {now}, to how many workers (empty: as the file says)?"
    return Question(text, "/commands/scale", {"group": name}, number=True)


def _restart(row: Row) -> Question:
    name, worker = row["group"]["name"], row["worker"]
    if worker is None:
        return Question(f"replace all workers of {name}?", "/commands/restart", {"group": name})
    replica = int(worker["id"].rpartition("/")[2])
    return Question(
        f"replace worker {worker['id']}?", "/commands/restart", {"group": name, "replica": replica}
    )


_OF_GROUP: dict[str, Callable[[Row], Question]] = {
    "P": _pause,
    "U": _resume,
    "S": _scale,
    "R": _restart,
    "D": _drain,
}
LETTERS = {*_OF_GROUP, "A", "T", "X"}
