"""The documentation of keys: the texts under the models' attributes, read from the source when asked for.

Most runs of fleet never look at one of them.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from itertools import pairwise

from fleet.config.table import Table


def descriptions(model: type[Table]) -> dict[str, str]:
    """Attribute → its sentence, inherited ones included; {} where the source is not installed."""
    return _of_all(model.__mro__)


@cache
def _of_all(bases: tuple[type, ...]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for base in reversed(bases):
        if issubclass(base, Table) and base is not Table:
            texts |= _own(base)
    return texts


def _own(model: type[Table]) -> dict[str, str]:
    try:
        source = inspect.getsource(model)
    except OSError:
        return {}
    (body,) = ast.parse(textwrap.dedent(source)).body
    assert isinstance(body, ast.ClassDef)
    return {
        attribute.target.id: inspect.cleandoc(text.value.value)
        for attribute, text in pairwise(body.body)
        if isinstance(attribute, ast.AnnAssign)
        and isinstance(attribute.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
