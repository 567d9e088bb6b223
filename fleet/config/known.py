"""The keys that the models know: which a table has, what a key is for."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from fleet.config.model import Fleet
from fleet.config.table import Table
from fleet.rules.finding import KeyPath


def keys(path: KeyPath) -> tuple[str, ...]:
    """The keys that the table at `path` may have; () when it is no table of fixed keys."""
    model = _model_at(path)
    return tuple(model.fields) if model else ()


def description(path: KeyPath) -> str:
    """One sentence on the key at `path`, "" when there is none."""
    from fleet.config.key_docs import descriptions  # only for a missing key

    model = _model_at(path[:-1])
    field = model.fields.get(str(path[-1])) if model else None
    return descriptions(model).get(field.name, "") if model and field else ""


def default(path: KeyPath) -> Any:
    """What holds where the file is silent about the key at `path`; `...` when nothing does, or nobody knows the key."""
    model = _model_at(path[:-1])
    field = model.fields.get(str(path[-1])) if model else None
    return ... if field is None or field.is_required else field.default


def choices(path: KeyPath) -> tuple[str, ...]:
    """The literals that the key at `path` may be."""
    hint = _hint_at(path)
    return tuple(arg for part in _parts(hint) for arg in get_args(part) if isinstance(arg, str))


def _model_at(path: KeyPath) -> type[Table] | None:
    for part in _parts(_hint_at(path)):
        if isinstance(part, type) and issubclass(part, Table):
            return part
    return None


def _hint_at(path: KeyPath) -> Any:
    hint: Any = Fleet
    for part in path:
        hint = _step(hint, part)
    return hint


def _step(hint: Any, key: str | int) -> Any:
    """The type of what is under `key` in a value of type `hint`; None when unknown."""
    for part in _parts(hint):
        origin, arguments = get_origin(part), get_args(part)
        if origin is dict:
            return arguments[1]
        if origin is tuple and isinstance(key, int):
            return arguments[0]
        if isinstance(part, type) and issubclass(part, Table) and key in part.fields:
            return part.fields[str(key)].hint
    return None


def _parts(hint: Any) -> list[Any]:
    """Union members, without None and without Annotated's extras."""
    if get_origin(hint) is Annotated:
        return _parts(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return [part for each in get_args(hint) for part in _parts(each) if part is not type(None)]
    return [hint]
