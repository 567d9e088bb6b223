"""`fleet validate --fix` and `--diff`: the mended text into its file, or what would change in it."""

from __future__ import annotations

import difflib
import os
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from fleet.cli.exits import Exit
from fleet.cli.options import Failure

if TYPE_CHECKING:
    from fleet.config.fix import Fixed
    from fleet.config.load import Loaded, Source

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def mended(source: Source, look: Callable[[Source], Loaded], *, unsafe: bool) -> Fixed:
    from fleet.config.fix import mend

    return mend(source, look, unsafe=unsafe)


def summary(fixed: Fixed) -> str:
    """ "fixed 3, 1 left (1 fix needs --unsafe)"."""
    text = f"fixed {fixed.count}, {len(fixed.left.diagnostics)} left"
    guesses = fixed.waiting_for_unsafe()
    if fixed.more:
        text += " (run it again for the next fixes)"
    elif guesses and fixed.unsafe:
        text += (
            f" ({guesses} {'fix' if guesses == 1 else 'fixes'} would bring new findings: for you to decide)"
        )
    elif guesses:
        text += f" ({guesses} {'fix needs' if guesses == 1 else 'fixes need'} --unsafe)"
    return text


def diff(before: Source, after: str) -> str:
    """Unified, secrets masked; "" when nothing changes."""
    from fleet.diagnostics.masking import mask_lines

    # Masked after they are compared: a line in which only a secret has changed is a change, too.
    old, new = _lines(before.text), _lines(after)
    pairs = [pair for side in (old, new) for pair in zip(side, mask_lines(side), strict=True)]
    masked = {line: shown.text for line, shown in pairs if shown.cuts}
    lines = difflib.unified_diff(old, new, before.name, before.name, lineterm="")
    return "".join(f"{line[:1]}{masked.get(line[1:], line[1:])}\n" for line in lines)


def _lines(text: str) -> list[str]:
    """As diff(1) shows them, which says so when the last one has no end."""
    lines = text.split("\n")
    if lines[-1]:
        lines[-1] += "\n\\ No newline at end of file"
    else:
        lines.pop()
    return lines


def write(source: Source, text: str) -> None:
    """Put `text` in the place of the file that `source` was read from, at once and with the same mode.

    Raises Failure, also when the file is no longer what was read.
    """
    # A symlink stays one: what it leads to is replaced.
    path = Path(os.path.realpath(source.path))
    try:
        present = path.read_bytes()
        mark = _BYTE_ORDER_MARK if present.startswith(_BYTE_ORDER_MARK) else b""
        if present != mark + source.text.encode():
            raise Failure(f"{source.name} was changed by somebody else meanwhile: nothing was written")
        _replace(path, mark + text.encode())
    except OSError as error:
        raise Failure(f"can't write {source.name}: {error.strerror}", Exit.USAGE) from error


def _replace(path: Path, content: bytes) -> None:
    status = path.stat()
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(handle)
            os.fchmod(handle, stat.S_IMODE(status.st_mode))
            with suppress(PermissionError):  # only root can give a file away
                os.fchown(handle, status.st_uid, status.st_gid)
        os.replace(name, path)  # noqa: PTH105
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
