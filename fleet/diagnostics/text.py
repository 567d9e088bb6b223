"""Findings for a person at a terminal: the lines themselves, what is wrong in them, what to do."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from fleet.diagnostics.excerpt import excerpt
from fleet.diagnostics.masked import masked
from fleet.diagnostics.masking import Masked, mask_lines
from fleet.diagnostics.model import Diagnostic, Severity, Span

_CODES = {"error": "31;1", "warning": "33;1", "info": "36;1", "frame": "34;1", "bold": "1", "plain": ""}
# Commands and names in backquotes, `key = value`, a comment for fleet; longer ones break like all else.
_CODE = re.compile(
    r"`[^`\n]{1,38}`|(?<![\w.])[\w-]{1,20} = (?:\"[^\"\n]{0,24}\"|[\w.]{1,24})|# fleet: ignore\[\w+\](?: why)?"
)
_BOUND = "\x00"  # for a blank that holds together
_SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


class Style(NamedTuple):
    """How wide lines may get, and whether to use colours."""

    width: int = 80
    colour: bool = False

    def paint(self, text: str, role: str) -> str:
        code = _CODES[role]
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and code and text else text


def render(found: Sequence[Diagnostic], text: str, name: str, style: Style) -> str:
    """All findings of one file and a line that sums them up; "" when there are none. `name` is the file's."""
    lines = text.split("\n")
    shown = mask_lines([line.removesuffix("\r") for line in lines]) if found else []
    blocks = ["\n".join(_block(masked(each), shown, name, style)) for each in found]
    return "\n\n".join([*blocks, _summary(found, name, style)]) + "\n" if blocks else ""


def summary(found: Sequence[Diagnostic]) -> str:
    """ "2 errors, 1 warning"."""
    numbers = ((severity, sum(each.severity == severity for each in found)) for severity in _SEVERITIES)
    return ", ".join(_count(number, severity) for severity, number in numbers if number)


def _count(number: int, severity: Severity) -> str:
    plural = "" if number == 1 or severity == "info" else "s"
    return f"{number} {severity}{plural}"


def _block(found: Diagnostic, lines: Sequence[Masked], name: str, style: Style) -> Iterator[str]:
    head = f"{found.severity}[{found.code}]"
    message = _wrapped(found.message, style.width, first=len(head) + 2, rest=4)
    yield style.paint(head, found.severity) + ": " + style.paint(message[0], "bold")
    yield from (style.paint(line, "bold") for line in message[1:])
    gutter = len(str(max(found.span.line, *(each.span.line for each in found.related), 1)))
    where = f"{name}:{found.span.line}:{found.span.column}"
    yield f"{' ' * gutter}{style.paint('-->', 'frame')} {where}{_in_environments(found)}"
    yield _frame(gutter, "", style)
    marks: list[tuple[Span, str, str, str]] = [(found.span, found.label or "", found.severity, "^")]
    marks += [(each.span, each.label, "frame", "-") for each in found.related]
    yield from _excerpts(sorted(marks), lines, gutter, style)
    notes = [("help", found.help or "")] + [("note", note) for note in found.notes]
    notes = [(kind, text) for kind, text in notes if text]
    if notes:
        yield _frame(gutter, "", style)
    for kind, advice in notes:
        yield from _note(gutter, kind, advice, style)


def _in_environments(found: Diagnostic) -> str:
    return f" (with --env {', '.join(found.environments)})" if found.environments else ""


def _excerpts(
    marks: Iterable[tuple[Span, str, str, str]], lines: Sequence[Masked], gutter: int, style: Style
) -> Iterator[str]:
    previous = None
    for span, label, role, sign in marks:
        shown = excerpt(lines, span, style.width - gutter - 3)
        if previous is not None and span.line > previous + 1:
            yield style.paint("." * 3, "frame")
        if span.line != previous:
            number = style.paint(str(span.line).rjust(gutter), "frame")
            yield f"{number} {style.paint('|', 'frame')} {shown.text}".rstrip()
        line = " " * shown.start + style.paint(sign * shown.length, role)
        room = style.width - gutter - 4 - shown.start - shown.length
        if label and len(label) <= room:
            yield _frame(gutter, f"{line} {style.paint(label, role)}", style)
        else:
            yield _frame(gutter, line, style)
            for part in textwrap.wrap(label, max(20, style.width - gutter - 3 - shown.start)):
                yield _frame(
                    gutter, " " * min(shown.start, style.width // 2) + style.paint(part, role), style
                )
        previous = span.line


def _note(gutter: int, kind: str, text: str, style: Style) -> Iterator[str]:
    lead = f"{' ' * gutter} {style.paint('=', 'frame')} {style.paint(kind, 'bold')}: "
    indent = gutter + len(kind) + 5
    first, *rest = _wrapped(text, style.width, first=indent, rest=indent)
    yield lead + first
    yield from rest


def _wrapped(text: str, width: int, *, first: int, rest: int) -> list[str]:
    """`text` in lines; the first follows `first` columns of something else, others are indented by `rest`.

    What is to be typed as it stands stays on one line.
    """
    wrapped = textwrap.wrap(
        " " * first + _CODE.sub(lambda found: found.group().replace(" ", _BOUND), text),
        max(40, width),
        subsequent_indent=" " * rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
    wrapped = [line.replace(_BOUND, " ") for line in wrapped]
    return [wrapped[0][first:], *wrapped[1:]] if wrapped else [""]


def _frame(gutter: int, content: str, style: Style) -> str:
    return f"{' ' * gutter} {style.paint('|', 'frame')} {content}".rstrip()


def _summary(found: Sequence[Diagnostic], name: str, style: Style) -> str:
    worst = next(severity for severity in _SEVERITIES if any(each.severity == severity for each in found))
    code = next(each.code for each in found if each.severity == worst)
    numbers, more = f"{summary(found)} in {name}.", f"`fleet explain {code}` says more."
    gap = " " if len(numbers) + len(more) < style.width else "\n"
    lines = [style.paint(summary(found), worst) + numbers.removeprefix(summary(found)) + gap + more]
    safe = sum(1 for each in found if each.fix and each.fix.safe)
    guesses = sum(1 for each in found if each.fix and not each.fix.safe)
    if safe and guesses:
        lines.append(f"`fleet validate --fix` mends {safe}; with `--unsafe` {guesses} more, by guesses.")
    elif safe or guesses:
        options = "--fix" if safe else "--fix --unsafe"
        lines.append(f"`fleet validate {options}` mends {safe or guesses}{'' if safe else ', by guesses'}.")
    return "\n".join(lines)
