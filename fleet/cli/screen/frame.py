"""A frame of `fleet top`: the model as exactly so many lines, head and foot included. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from fleet.cli.screen.details import details
from fleet.cli.screen.listing import LISTINGS, position, rows
from fleet.cli.screen.model import FAILED, GROUPS, NEEDS, OVERVIEW, QUEUES, SCREENS, Model
from fleet.cli.screen.overview import overview
from fleet.cli.screen.paint import bare, columns, paint
from fleet.cli.views.text_table import table
from fleet.cli.wrap import fold
from fleet.duration_words import measured

_ACTS = {
    QUEUES: "Space mark  P pause  U resume  T retry dead  X delete dead",
    FAILED: "T retry those dead letters  X delete them",
    GROUPS: "i stack  l log  w why  P pause  U resume  S scale  R restart  D drain",
}


def frame(model: Model) -> list[str]:
    """`model.height` lines."""
    body = _body(model)[: model.body]
    blank = [""] * (model.body - len(body))
    return [*_head(model), *body, *blank, _foot(model)][-model.height :]


def last_top(model: Model) -> int:
    """How far the text can be scrolled down."""
    return max(0, len(_text(model)) - model.body)


def _head(model: Model) -> list[str]:
    status = model.known.answers.get("status")
    name, state = (status["fleet"], status["state"]) if status else ("fleet", "not known")
    role = {"healthy": "good", "degraded": "bad"}.get(state, "warn")
    tabs = [
        paint(f"{index + 1} {each}", "chosen" if index == model.screen else "")
        for index, each in enumerate(SCREENS)
    ]
    first = f"{paint(name, 'head')} ● {paint(state, role)}  {'  '.join(tabs)}"
    if columns(bare(first)) > model.width:  # the fleet's name makes room, never its state
        first = f"{paint(state, role)} {' '.join(tabs)}"
    banner = [paint(_banner(model), "bad")] if model.trouble else []
    return [first, *banner, paint(_rule(model), "dim")]


def _rule(model: Model) -> str:
    title = f"── {model.opened.title} " if model.opened else ""
    return title + "─" * max(0, model.width - columns(title))


def _banner(model: Model) -> str:
    if model.known.at is None:
        return f"! no answer yet: {model.trouble}"
    age = measured(max(0.0, model.now - model.known.at))
    at = datetime.fromtimestamp(model.known.at, UTC).strftime("%H:%M:%S")
    return f"! no answer for {age}, this is as of {at} UTC; acting is off. {model.trouble}"


def _body(model: Model) -> list[str]:
    if "status" not in model.known.answers:
        return list(fold(_nothing_yet(model), model.width))
    if model.opened is None and model.screen in LISTINGS:
        return _list(model)
    lines = _text(model)
    top = min(model.top, max(0, len(lines) - model.body))
    shown = lines[top : top + model.body]
    if top + model.body < len(lines):
        rest = len(lines) - top - model.body + 1
        shown = [*shown[:-1], paint(f"… {rest} more lines below (j)", "dim")]
    return shown


def _nothing_yet(model: Model) -> list[str]:
    if not model.trouble:
        return ["asking …"]
    return [
        "",
        f"The fleet of {model.file} does not answer.",
        "`fleet up` starts it; this screen goes on by itself.",
    ]


def _text(model: Model) -> list[str]:
    if "status" not in model.known.answers:
        return []
    if model.opened is None:
        return list(overview(model)) if model.screen == OVERVIEW else []
    if model.opened.lines is not None:
        return list(fold(model.opened.lines, model.width))
    return list(details(model))


def _list(model: Model) -> list[str]:
    listing, found = LISTINGS[model.screen], rows(model)
    if not found:
        return list(fold(_empty(model), model.width))
    title, *lines = table(listing.columns(model.width), found, model.width, paint)
    index = position(model, found)
    lines[index] = paint(bare(lines[index]).ljust(model.width), "chosen")
    room = model.body - 1
    first = max(0, min(index - room // 2, len(lines) - room))
    return [title, *lines[first : first + room]]


def _empty(model: Model) -> Sequence[str]:
    if model.filter:
        return [f"nothing matches /{model.filter}; Esc shows all"]
    for name in NEEDS[model.screen]:
        if reason := model.known.failures.get(name):
            return [f"can't be told: {reason}"]
    if any(name not in model.known.answers for name in NEEDS[model.screen]):
        return ["asking …"]
    return [LISTINGS[model.screen].empty]


def _foot(model: Model) -> str:
    if asked := model.question:
        # Before the question, which may be longer than a line: what is typed must be seen.
        keys = f"{model.typed}_ Enter does it" if asked.number else "y does it"
        return paint(f"{keys}: {asked.text}", "warn")
    if model.typing or (model.filter and not model.notice):
        return f"/{model.filter}" + ("_  Enter keeps it, Esc ends it" if model.typing else "  Esc ends it")
    if model.notice:
        return paint(model.notice, "warn")
    return paint(_keys(model), "dim")


def _keys(model: Model) -> str:
    if model.opened is not None:
        return "Esc back  j k scroll  q quit" + ("  i stack  l log" if model.screen == GROUPS else "")
    acts = _ACTS.get(model.screen, "")
    if model.readonly:
        acts = acts.partition("P ")[0].rstrip()
    if model.screen == OVERVIEW:
        return (
            "1-7 screens  j k scroll  p plan" + ("" if model.readonly else "  A apply the file") + "  q quit"
        )
    return f"Enter  / filter  s sort  {acts}".rstrip() + "  q"


def fitted(model: Model, width: int, height: int) -> Model:
    return replace(model, width=max(20, width), height=max(4, height))
