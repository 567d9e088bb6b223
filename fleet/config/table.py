"""The tables that the models are made of: frozen records that declare their keys, and read right data by themselves.

pydantic reads the same declarations, but only to say what is wrong (fleet.config.mistakes) and to draw the
schema: to load it takes longer than all else that a command does, and most files have no such mistake.
"""

from __future__ import annotations

from collections.abc import Callable, KeysView, Mapping
from functools import cache, partial
from types import MappingProxyType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Literal,
    NamedTuple,
    Self,
    Union,
    cast,
    dataclass_transform,
    get_args,
    get_origin,
)

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

_REQUIRED = object()
Reader = Callable[[Any], Any]


class Field(NamedTuple):
    """One key of a table: its attribute, its type as annotated, what holds where the file is silent."""

    name: str
    hint: Any
    default: Any
    read: Reader

    @property
    def is_required(self) -> bool:
        return self.default is _REQUIRED


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Table:
    """Subclasses annotate their keys, which are attributes of the same name unless `keys` gives another."""

    fields: ClassVar[Mapping[str, Field]] = MappingProxyType({})
    """Key in the file → field; inherited ones first."""
    _required: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, keys: Mapping[str, str] | None = None) -> None:
        own = {
            (keys or {}).get(name, name): Field(name, hint, cls.__dict__.get(name, _REQUIRED), reader(hint))
            for name, hint in cls.__annotations__.items()
            if not name.startswith("_")
        }
        cls.fields = MappingProxyType({**cls.fields, **own})
        cls._required = frozenset(key for key, field in cls.fields.items() if field.is_required)

    def __init__(self, **values: Any) -> None:
        """By attribute; taken as they are. What is left out is a default of the class."""
        self.__dict__.update(values)

    @property
    def said(self) -> KeysView[str]:
        """The attributes that the file gives a value, be it the default."""
        return self.__dict__.keys()

    @classmethod
    def read(cls, value: Any) -> Self:
        """Raises ValueError, without a reason, for anything that pydantic would refuse."""
        if not isinstance(value, dict):
            raise ValueError
        fields = cls.fields
        if not cls._required <= value.keys() <= fields.keys():
            raise ValueError
        return cls(**{fields[key].name: fields[key].read(item) for key, item in value.items()})

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name}")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.__dict__.items())})"

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        fields = {
            key: core_schema.typed_dict_field(handler.generate_schema(field.hint), required=field.is_required)
            for key, field in cls.fields.items()
        }
        return core_schema.typed_dict_schema(
            fields, cls=cls, extra_behavior="forbid", ref=f"{cls.__module__}.{cls.__qualname__}:{id(cls)}"
        )


def nothing() -> dict[str, Any]:
    """An empty default, which all may share: it can't be changed."""
    return cast("dict[str, Any]", MappingProxyType({}))


@cache
def reader(hint: Any) -> Reader:
    """What makes a value of type `hint` from TOML's data, or raises ValueError."""
    if make := _GENERIC.get(get_origin(hint)):
        return make(get_args(hint))
    if hint is Any:
        return lambda value: value
    if issubclass(hint, Table):
        return cast("Reader", hint.read)
    return partial(_of_type, hint)


def _annotated(arguments: tuple[Any, ...]) -> Reader:
    """By one of fleet.config.types."""
    return cast("Reader", arguments[1].read)


def _optional(arguments: tuple[Any, ...]) -> Reader:
    """TOML has no null."""
    (argument,) = (argument for argument in arguments if argument is not type(None))
    return reader(argument)


def _literal(choices: tuple[Any, ...]) -> Reader:
    def read(value: Any) -> Any:
        if isinstance(value, str) and value in choices:
            return value
        raise ValueError

    return read


def _tuple(arguments: tuple[Any, ...]) -> Reader:
    item = reader(arguments[0])
    return lambda value: tuple(map(item, _of_type(list, value)))


def _dict(arguments: tuple[Any, ...]) -> Reader:
    key, item = map(reader, arguments)
    return lambda value: {key(k): item(v) for k, v in _of_type(dict, value).items()}


_GENERIC: dict[Any, Callable[[tuple[Any, ...]], Reader]] = {
    Annotated: _annotated,
    Union: _optional,
    UnionType: _optional,
    Literal: _literal,
    tuple: _tuple,
    dict: _dict,
}


def _of_type(wanted: type, value: Any) -> Any:
    if isinstance(value, wanted):
        return value
    raise ValueError
