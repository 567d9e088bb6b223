"""All that was found, as the text of a fleet.toml and the list of what is left to decide."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from fleet.takeover.app_object import AppObject, find
from fleet.takeover.found import FileReading, FoundCommand, FoundSchedule, Left
from fleet.takeover.groups import FoundBeat, TakenGroup, default_group, groups_of
from fleet.takeover.harmless_variables import BROKER_URLS
from fleet.takeover.settings import Needless
from fleet.takeover.written_toml import Sheet, written

_BEAT_ALONE = "`fleet up` sends the beat_schedule of its app: give --from the workers' files, too"
_REFERENCE = re.compile(r"\$\{?([A-Za-z_]\w*)\}?|\$\(([A-Za-z_]\w*)\)|%\(ENV_(\w+)\)s")


@dataclass
class TakenOver:
    """The text, None when no worker was found; what could not be taken over; what there is to do before the start."""

    text: str | None
    groups: list[str] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    broker_variable: str = ""
    """What has to hold the broker's URL, if the file does not."""


def take_over(readings: Iterable[FileReading], made_from: str, folder: Path) -> TakenOver:
    """`folder` is where fleet.toml will be: the app is looked for there, and where its runner changes to."""
    groups: list[TakenGroup] = []
    beats: list[FoundBeat] = []
    schedules: list[FoundSchedule] = []
    result = TakenOver(None)
    for reading in readings:
        result.left += reading.left
        schedules += reading.schedules
        for found in reading.found:
            _sort(found, groups, beats, result)
    if schedules and not groups:
        groups = [default_group(schedules[0].where)]
    if not groups:
        result.left += [Left(each.where, "celery beat", _BEAT_ALONE) for each in beats]
        return result
    mine = _of_one_app(groups, result)
    _unique_names(mine)
    app, comment, paths = _app(mine, folder, result)
    sheet = Sheet(
        made_from, app, comment, paths, *_broker(mine, result), mine, _beat(beats, result), schedules
    )
    result.left += [left for group in mine for left in group.left]
    result.groups = [group.name for group in mine]
    result.text = written(sheet)
    return result


def _beat(beats: list[FoundBeat], result: TakenOver) -> str:
    """The scheduler class, "" for none."""
    for each in beats:
        result.notes.append(
            f"{each.where}: `fleet up` sends the app's beat_schedule: stop celery beat before"
        )
    classes = list(dict.fromkeys(each.scheduler for each in beats if each.scheduler))
    for other in classes[1:]:
        result.left.append(
            Left(beats[-1].where, f"-S {other}", "a fleet has one such class: the first counts")
        )
    return classes[0] if classes else ""


def _sort(found: FoundCommand, groups: list[TakenGroup], beats: list[FoundBeat], result: TakenOver) -> None:
    for each in groups_of(found):
        if isinstance(each, TakenGroup):
            groups.append(each)
        elif isinstance(each, FoundBeat):
            beats.append(each)
        elif isinstance(each, Left):
            result.left.append(each)
        else:
            result.notes.append(_note(found, each))


def _note(found: FoundCommand, each: Needless) -> str:
    return f"{found.where}: {each.what}: {each.why}"


def _of_one_app(groups: list[TakenGroup], result: TakenOver) -> list[TakenGroup]:
    """A fleet has one Celery app: the first one."""
    app = next((group.app for group in groups if group.app), "")
    for group in groups:
        if group.app not in (app, ""):
            why = f"a fleet runs one Celery app, here {app}: this one takes a fleet.toml of its own"
            result.left.append(Left(group.where, f"-A {group.app}", why))
    return [group for group in groups if group.app in (app, "")]


def _unique_names(groups: list[TakenGroup]) -> None:
    taken: set[str] = set()
    for group in groups:
        name, number = group.name, 2
        while group.name in taken:
            group.name, number = f"{name}-{number}", number + 1
        taken.add(group.name)


def _app(groups: list[TakenGroup], folder: Path, result: TakenOver) -> tuple[str, str, list[str]]:
    """The entry, its comment, and pythonpath."""
    said = next((group.app for group in groups if group.app), "")
    if not any(group.found.words for group in groups):
        return "tasks", "DECIDE: the module with the tasks", []
    folders = list(dict.fromkeys(group.found.folder for group in groups if group.found.folder))
    paths = [text for text in folders if "$" not in text and folder / text != folder]
    if not said or "$" in said:
        what = f"-A {said}" if said else "the app"
        where = groups[0].where
        result.left.append(Left(where, what, 'not known from the command line: write app = "MODULE:NAME"'))
        return "proj.celery:app", "DECIDE: no app was named", paths
    found: AppObject = find(said, [folder, *(folder / text for text in paths)])
    if not found.known:
        note = f"[fleet] app: the files of {said} are not here; {found.entry} is where most projects have it"
        result.notes.append(note)
    return found.entry, f"-A {said}{'' if found.known else ': looked for, and not found here'}", paths


def _broker(groups: list[TakenGroup], result: TakenOver) -> tuple[str, str]:
    """The URL and its comment: never one with a password in it."""
    urls = list(dict.fromkeys(group.broker for group in groups if group.broker))
    if len(urls) > 1:
        result.left.append(Left(groups[-1].where, "-b", "a fleet has one broker; the first one counts"))
    variables = (name for group in groups for name in group.found.environment if name in BROKER_URLS)
    name, comment = next(variables, BROKER_URLS[0]), "what the app sends to"
    if urls and (reference := _REFERENCE.fullmatch(urls[0])):
        name, comment, urls = next(filter(None, reference.groups())), "-b", []
    if urls and not _secret(urls[0]):
        return urls[0], "-b"
    result.broker_variable = name
    if urls:
        why = f"it may hold a password: put it into the variable {name}, or a file named by url_file"
        result.left.append(Left(groups[0].where, "-b", why))
        return f"${{{name}}}", "-b, without its value"
    result.notes.append(f"[broker] url: set {name} to the URL that the app sends to")
    return f"${{{name}}}", comment


def _secret(url: str) -> bool:
    """Whoever has a name may have a password, and anything behind `?` may be one; so may what a shell would make."""
    if "$" in url or "`" in url or "%(" in url:
        return True
    try:
        parts = urlsplit(url)
        return "@" in url or bool(parts.query or parts.fragment)
    except ValueError:
        return True
