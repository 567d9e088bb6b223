"""An exception as text that fits into a message header. Never raises, whatever the exception does."""

from __future__ import annotations

import traceback

_LONGEST_REASON = 300
# AMQP headers share one frame of 128 KiB with everything else.
_LONGEST_TRACEBACK = 16_000


def reason(error: BaseException) -> str:
    """One line: `ValueError: no such image`."""
    name = type(error).__qualname__
    try:
        text = str(error)
    except Exception:  # a broken __str__ of somebody's exception
        text = "(its text can't be shown)"
    first = text.strip().splitlines()[0] if text.strip() else ""
    line = f"{name}: {first}" if first else name
    return line if len(line) <= _LONGEST_REASON else line[: _LONGEST_REASON - 1] + "…"


def trace(error: BaseException) -> str:
    """The traceback from the task's own frame on, cut in the middle when it is long."""
    tb = error.__traceback__
    try:
        # The first frame is the executor's own.
        text = "".join(traceback.format_exception(type(error), error, tb.tb_next if tb else None))
    except Exception:  # a broken __str__, or no memory or stack left for it
        return reason(error)
    if len(text) <= _LONGEST_TRACEBACK:
        return text
    half = _LONGEST_TRACEBACK // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters …]\n{text[-half:]}"
