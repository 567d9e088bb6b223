"""Run `fleet` in this process, as the console script would."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from unittest import mock

from fleet.cli import main


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


class _Stream(io.TextIOWrapper):
    """Text with bytes below it, as click writes to the real ones."""

    def __init__(self, content: bytes = b"") -> None:
        super().__init__(io.BytesIO(content), encoding="utf-8", write_through=True)

    def content(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode()  # type: ignore[attr-defined,no-any-return]


def fleet(*arguments: object, stdin: str = "") -> Outcome:
    """Exit code, standard output and standard error of `fleet ARGUMENTS`."""
    out, err = _Stream(), _Stream()
    code: object = None
    with redirect_stdout(out), redirect_stderr(err), mock.patch.object(sys, "stdin", _Stream(stdin.encode())):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
    assert isinstance(code, int), code
    return Outcome(code, out.content(), err.content())
