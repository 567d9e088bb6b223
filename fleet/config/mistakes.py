"""The mistakes that pydantic finds in data that the models do not read, and the schema that it draws of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from fleet.config.model import Fleet


def mistakes(data: Any) -> Sequence[ErrorDetails]:
    """Every mistake that does not hide behind another; () where there is none."""
    try:
        _fleet().validate_python(data)
    except ValidationError as error:
        return error.errors()
    return ()


def drawn() -> dict[str, Any]:
    """The models as JSON Schema, in pydantic's form of it."""
    return _fleet().json_schema()


@cache
def _fleet() -> TypeAdapter[Fleet]:
    return TypeAdapter(Fleet)
