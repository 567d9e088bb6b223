"""The keys of `fleet top`: what a key makes of the model, and what is to be done for it. Pure.

A key is a character, or a name: UP DOWN PAGE_UP PAGE_DOWN HOME END ENTER ESC BACKSPACE.
"""

from __future__ import annotations

from dataclasses import replace

from fleet.cli.screen.acting import LETTERS, question
from fleet.cli.screen.listing import LISTINGS, chosen, position, rows
from fleet.cli.screen.model import (
    EVENTS,
    FAILED,
    GROUPS,
    QUEUES,
    Count,
    Do,
    Fetch,
    Intent,
    Model,
    Opened,
    Question,
    Quit,
    Row,
)

Result = tuple[Model, Intent | None]

_LONGEST_FILTER = 60
_MOST_DIGITS = 9
_FARTHEST = 1_000_000


def press(model: Model, key: str) -> Result:
    if (asked := model.question) is not None:
        return _count(model, asked, key) if asked.number else _answer(model, asked, key)
    if model.typing:
        return _type(model, key), None
    model = replace(model, notice="")
    if key == "q":
        return model, Quit()
    if key in LETTERS:
        return _asked(model, question(model, key))
    moved = _shown_otherwise(model, key)
    return (moved, None) if moved is not None else _look(model, key)


def _shown_otherwise(model: Model, key: str) -> Model | None:
    """None for a key that does not only change what is shown."""
    if len(key) == 1 and key in "1234567":
        return model.at(int(key) - 1)
    if (steps := _steps(model, key)) is not None:
        return _move(model, steps)
    if key == "ESC":
        return _back(model)
    listed = model.opened is None and model.screen in LISTINGS
    return _LISTED[key](model) if listed and key in _LISTED else None


def asked_later(model: Model, asked: Question) -> Model:
    """With a question for which something had to be counted, unless somebody is busy with something else meanwhile."""
    if model.question is not None or model.typing or model.screen != FAILED:
        return model
    return replace(model, question=asked, notice="")


def _asked(model: Model, asked: Question | Count | str) -> Result:
    if isinstance(asked, Question):
        return replace(model, question=asked), None
    if isinstance(asked, Count):
        return replace(model, notice="counting …"), asked
    return replace(model, notice=asked), None


def _answer(model: Model, asked: Question, key: str) -> Result:
    """Only y is a yes."""
    done = replace(model, question=None, notice="nothing was done")
    if key not in ("y", "Y"):
        return done, None
    return _done(done, Do(asked.path, asked.arguments))


def _count(model: Model, asked: Question, key: str) -> Result:
    if key == "BACKSPACE":
        return replace(model, typed=model.typed[:-1]), None
    if key.isascii() and key.isdecimal():
        return replace(model, typed=(model.typed + key)[:_MOST_DIGITS]), None
    done = replace(model, question=None, typed="", notice="nothing was done")
    if key != "ENTER":
        return done, None
    if asked.count is not None:
        right = model.typed == str(asked.count)
        return _done(done, Do(asked.path, asked.arguments)) if right else (done, None)
    replicas = int(model.typed) if model.typed else None
    return _done(done, Do(asked.path, {**asked.arguments, "replicas": replicas}))


def _done(model: Model, act: Do) -> Result:
    if model.trouble:  # it went away while the question stood there
        return replace(model, notice="the controller does not answer: nothing was done"), None
    return replace(model, notice="asked for …"), act


def _type(model: Model, key: str) -> Model:
    if key == "ENTER":
        return replace(model, typing=False)
    if key == "ESC":
        return replace(model, typing=False, filter="")
    if key == "BACKSPACE":
        return replace(model, filter=model.filter[:-1])
    if len(key) == 1 and key.isprintable():
        return replace(model, filter=(model.filter + key)[:_LONGEST_FILTER], chosen=None, position=0)
    return model


def _steps(model: Model, key: str) -> int | None:
    page = max(1, model.body - 2)
    return {
        "UP": -1,
        "k": -1,
        "DOWN": 1,
        "j": 1,
        "PAGE_UP": -page,
        "PAGE_DOWN": page,
        "HOME": -_FARTHEST,
        "END": _FARTHEST,
    }.get(key)


def _move(model: Model, steps: int) -> Model:
    """Text is scrolled, in a list the next row chosen; how far a text goes the frame knows."""
    if model.opened is not None or model.screen not in LISTINGS:
        from fleet.cli.screen.frame import last_top

        return replace(model, top=max(0, min(model.top + steps, last_top(model))))
    found = rows(model)
    if not found:
        return model
    index = max(0, min(position(model, found) + steps, len(found) - 1))
    return replace(model, chosen=found[index]["key"], position=index)


def _back(model: Model) -> Model:
    if model.opened is not None:
        return replace(model, opened=None, top=0)
    return replace(model, filter="")


def _sorted_otherwise(model: Model) -> Model:
    sort = (model.sort + 1) % len(LISTINGS[model.screen].sorts)
    return replace(model, sort=sort, notice=f"sorted: {LISTINGS[model.screen].sorts[sort][0]}")


def _open(model: Model) -> Model:
    row = chosen(model)
    if row is None:
        return model
    title = f"event {row['key']}" if model.screen == EVENTS else row["key"]
    return replace(model, opened=Opened(title, row["key"]), chosen=row["key"], top=0)


def _filter(model: Model) -> Model:
    return replace(model, typing=True)


def _mark(model: Model) -> Model:
    """Or take the mark off; and go on to the next row."""
    row = chosen(model) if model.screen == QUEUES else None
    if row is None:
        return replace(model, notice="queues are marked (2), for T and X")
    return _move(replace(model, marked=model.marked ^ {row["key"]}), 1)


_LISTED = {"/": _filter, "s": _sorted_otherwise, "ENTER": _open, " ": _mark}
"""Keys of a list."""


def _look(model: Model, key: str) -> Result:
    if key == "p":
        return replace(model, notice="asking for the plan …"), Fetch("plan")
    if key not in _AT_GROUPS:
        return model, None
    row = chosen(model) if model.screen == GROUPS else None
    if row is None:
        return replace(model, notice="choose a group or a worker (3) first"), None
    return _AT_GROUPS[key](model, row)


def _why(model: Model, row: Row) -> Result:
    name = row["group"]["name"]
    return replace(model, opened=Opened(f"why {name}", name), top=0), None


def _log(model: Model, row: Row) -> Result:
    target = row["worker"]["id"] if row["worker"] else row["group"]["name"]
    return replace(model, notice="reading …"), Fetch("log", target)


def _stack(model: Model, row: Row) -> Result:
    if row["worker"] is None:
        return replace(model, notice="choose one worker: its stack is shown"), None
    name = row["worker"]["id"]
    return replace(model, notice=f"asking {name} …"), Fetch("stack", name)


_AT_GROUPS = {"w": _why, "l": _log, "i": _stack}
