"""Remembered notes: what a scheduler knows of its schedules, as the broker had it at the last look or writing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fleet.broker.delivery import Posting
from fleet.broker.notes import Written
from fleet.schedules.notes import Note, adopt, taken_back


class Remembered:
    """`texts` are the notes as they stand in the broker, `notes` those of them that can be read."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.notes: dict[str, Note] = {}
        self._dealt: dict[str, tuple[str, int]] = {}
        """By name the rule that it goes by here, and until which moment it has been dealt with by that."""

    def begin(self, texts: Mapping[str, str]) -> None:
        """All notes as they are now; what this scheduler has dealt with it still knows."""
        self.texts = dict(texts)
        self.notes = {name: note for name in texts if name and (note := Note.read(texts[name]))}

    def learn(self, name: str, written: Written) -> None:
        """What stands in the broker now, whoever has written it."""
        note = Note.read(written.note)
        if written.note is None or note is None:
            self.notes.pop(name, None)
        else:
            self.notes[name] = note
        if written.note is None:
            self.texts.pop(name, None)
        else:
            self.texts[name] = written.note

    def has_dealt(self, name: str, rule: str, now: int) -> None:
        """The scheduler has looked at that schedule by that rule, and sent what was due."""
        note = self.notes.get(name)
        if note is not None and note.rule == rule:
            self._dealt[name] = rule, note.base if note.pause is None else max(now, note.base)

    def adopted(self, name: str, rule: str, now: int, *, seen_until: int) -> Note:
        """The note of a schedule that goes by `rule` here; see `adopt`.

        Another host may go by another rule, as while a new file is brought out: it takes no run from this one.
        """
        note, (known, dealt_until) = self.notes.get(name), self._dealt.get(name, ("", 0))
        if known == rule and (note is None or note.rule != rule):
            return taken_back(rule, note, dealt_until)
        return adopt(rule, note, now, seen_until=seen_until)

    def look_again(self, texts: Mapping[str, str]) -> set[str]:
        """The names of the notes that others have changed meanwhile."""
        names = {name for name in {*texts, *self.texts} if name and texts.get(name) != self.texts.get(name)}
        for name in names:
            self.learn(name, Written(True, texts.get(name)))
        return names


def with_queue(note: Note, postings: Sequence[Posting]) -> Note:
    """The run of a schedule with where it was sent."""
    if not postings or note.run is None:
        return note
    return replace(note, run=replace(note.run, queue=postings[-1].queue))
