"""One line per finding, `file:line:column: error[CODE] message`: for grep and for editors that jump."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.diagnostics.masked import masked
from fleet.diagnostics.model import Diagnostic


def render(found: Sequence[Diagnostic], name: str) -> str:
    return "".join(f"{line(each, name)}\n" for each in found)


def line(found: Diagnostic, name: str) -> str:
    where = f" (with --env {', '.join(found.environments)})" if found.environments else ""
    message = " ".join(masked(found).message.split())
    return f"{name}:{found.span.line}:{found.span.column}: {found.severity}[{found.code}] {message}{where}"
