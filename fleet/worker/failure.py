"""An exception as text that fits into a message header. Never raises, whatever the exception does."""

from __future__ import annotations

import os
import traceback
from types import TracebackType

from fleet.protocol.words import cut

LONGEST_REASON = 300
# AMQP headers share one frame of 128 KiB with everything else.
_LONGEST_TRACEBACK = 16_000


def reason(error: BaseException) -> str:
    """One line: `ValueError: no such image`."""
    name = _name(error)
    try:
        text = "".join(str(error)).strip()  # what `__str__` gives may have methods of its own
    except BaseException:  # a broken __str__ of somebody's exception: SystemExit, for all we know
        text = "(its text can't be shown)"
    first = text.splitlines()[0] if text else ""
    return cut(f"{name}: {first}" if first else name, LONGEST_REASON)


def trace(error: BaseException) -> str:
    """The traceback from the task's own frame on, cut in the middle when it is long."""
    try:
        text = "".join(traceback.format_exception(type(error), error, _own(error.__traceback__)))
    except BaseException:  # a broken __str__, or no memory or stack left for it
        return reason(error)
    if len(text) > _LONGEST_TRACEBACK:
        half = _LONGEST_TRACEBACK // 2
        text = f"{text[:half]}\n[… {len(text) - 2 * half} characters …]\n{text[-half:]}"
    return cut(text, len(text))


_WORKER = os.path.dirname(__file__) + os.sep  # noqa: PTH120  a prefix of strings, compared with strings
_OTHERS = (_WORKER, os.path.dirname(os.__file__) + f"{os.sep}asyncio{os.sep}")  # noqa: PTH120


def _own(tb: TracebackType | None) -> TracebackType | None:
    """Without the frames that led to the task: the executor's, and those of an event loop."""
    task = tb
    while task is not None and task.tb_frame.f_code.co_filename.startswith(_OTHERS):
        task = task.tb_next
    return task or (tb.tb_next if tb else None)


def _name(error: BaseException) -> str:
    try:
        return "".join(type(error).__qualname__)
    except BaseException:  # a property of its metaclass
        return "an exception"
