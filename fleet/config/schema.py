"""The JSON Schema (draft-07) of fleet.toml, made from the models: editors complete and check by it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from fleet.config.key_docs import descriptions
from fleet.config.mistakes import drawn
from fleet.config.model import Fleet, format_duration
from fleet.config.table import Field, Table

Schema = dict[str, Any]

# What [defaults] may supply is not required of a group by itself; `fleet validate` knows the whole file.
_MAY_BE_INHERITED = {"WorkerGroup": {"pool"}}
# Generated titles only repeat the key.
_NOISE = ("discriminator", "title")
_VARIABLE = {"type": "string", "pattern": r"\$\{"}


def json_schema() -> Schema:
    """Draft-07: the newest that TOML editors (Taplo, Even Better TOML, tombi) understand in full."""
    schema = drawn()
    definitions: Schema = schema.pop("$defs")
    for name, model in _models(Table):
        _describe(schema if model is Fleet else definitions.get(name, {}), model)
    for name, keys in _MAY_BE_INHERITED.items():
        definitions[name]["required"] = [key for key in definitions[name]["required"] if key not in keys]
    schema["properties"]["workers"]["additionalProperties"] = False
    body = {"title": "fleet.toml", **_draft7(schema)}
    definitions = {name: _draft7(definition) for name, definition in definitions.items()}
    overlay = _optional(body)
    definitions |= {f"{name}Overlay": _optional(definition) for name, definition in definitions.items()}
    del overlay["properties"]["env"], overlay["title"]
    definitions["EnvironmentOverlay"] = overlay
    body["properties"]["env"]["additionalProperties"] = {"$ref": "#/definitions/EnvironmentOverlay"}
    return {"$schema": "http://json-schema.org/draft-07/schema#", **body, "definitions": definitions}


def _models(base: type[Table]) -> Iterator[tuple[str, type[Table]]]:
    for model in base.__subclasses__():
        yield model.__name__, model
        yield from _models(model)


def _describe(schema: Schema, model: type[Table]) -> None:
    texts = descriptions(model)
    for key, field in model.fields.items():
        node = schema.get("properties", {}).get(key)
        if node is None:
            continue
        if field.name in texts:
            node["description"] = texts[field.name]
        if (default := _default(field)) is not None:
            node["default"] = default


def _default(field: Field) -> Any:
    """As the file would say it; None for what has none, or is a table of its own."""
    match field.default:
        case timedelta() as duration:
            return format_duration(duration)
        case bool() | int() | str() as value:
            return value
        case tuple() as values:
            return list(values)
    return None


def _draft7(node: Any) -> Any:
    """As draft-07 says it: `definitions`, and nothing beside a `$ref`, where it would be ignored."""
    if isinstance(node, list):
        return [_draft7(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: _draft7(value) for key, value in node.items() if key not in _NOISE}
    if {"type": "null"} in node.get("anyOf", ()):  # unset; TOML has no null
        node = _without_null(node)
    if "$ref" in node:
        reference = {"$ref": node.pop("$ref").replace("#/$defs/", "#/definitions/")}
        return {"allOf": [reference], **node} if node else reference
    return _with_variables(_flat(node))


def _flat(node: Schema) -> Schema:
    """A choice of choices is one choice: editors show what is left over of them."""
    options = [inner for option in node.get("anyOf", ()) for inner in _options(option)]
    unique = [option for index, option in enumerate(options) if option not in options[:index]]
    return {**node, "anyOf": unique} if unique else node


def _options(node: Schema) -> list[Schema]:
    return list(node["anyOf"]) if node.keys() == {"anyOf"} else [node]


def _without_null(node: Schema) -> Schema:
    options = [option for option in node.pop("anyOf") if option != {"type": "null"}]
    return {**node, **options[0]} if len(options) == 1 else {**node, "anyOf": options}


def _with_variables(node: Schema) -> Schema:
    """`${VAR}` may stand for a number, a flag or a choice, too."""
    is_free_text = node.get("type") == "string" and not {"pattern", "enum"} & node.keys()
    if (
        node.get("type") not in ("integer", "number", "boolean", "string")
        or is_free_text
        or node == _VARIABLE
    ):
        return node
    apart: Schema = {key: node.pop(key) for key in ("description", "default") if key in node}
    return {**apart, "anyOf": [node, dict(_VARIABLE)]}


def _optional(node: Any) -> Any:
    """The same tables with nothing required and no defaults: an environment says only what differs."""
    if isinstance(node, list):
        return [_optional(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {
        key: _optional(value)
        for key, value in copy.deepcopy(node).items()
        if key not in ("required", "default")
    }
    if "$ref" in node:
        node["$ref"] += "Overlay"
    return node
