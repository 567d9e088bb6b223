"""The schema: draft-07, complete, described."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import fastjsonschema

from fleet.config.model import Fleet, WorkerGroup
from tests.cli.invoke import fleet


def the_schema() -> dict[str, Any]:
    outcome = fleet("schema")
    assert outcome.code == 0
    loaded: dict[str, Any] = json.loads(outcome.out)
    return loaded


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes(item)


def test_the_schema_uses_only_what_draft_7_has() -> None:
    schema = the_schema()
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    for node in nodes(schema):
        assert not {"$defs", "prefixItems", "unevaluatedProperties", "dependentRequired"} & node.keys()
        if "$ref" in node:
            assert node.keys() == {"$ref"}  # draft-07 ignores what stands beside it
            assert node["$ref"].removeprefix("#/definitions/") in schema["definitions"]


def test_every_key_is_there_with_its_description() -> None:
    schema = the_schema()
    assert set(schema["properties"]) == set(Fleet.fields)
    group = schema["definitions"]["WorkerGroup"]
    assert set(group["properties"]) == set(WorkerGroup.fields)
    assert group["required"] == ["queues"]
    assert group["additionalProperties"] is False
    for name, definition in schema["definitions"].items():
        for key, value in definition.get("properties", {}).items():
            described = value.get("description") or name == "EnvironmentOverlay" or "$ref" in value
            assert described, f"{name}.{key}"


def test_the_schema_requires_no_key_of_an_environment() -> None:
    schema = the_schema()
    overlay = schema["properties"]["env"]["additionalProperties"]["$ref"].removeprefix("#/definitions/")
    assert "env" not in schema["definitions"][overlay]["properties"]
    for name, definition in schema["definitions"].items():
        if name.endswith("Overlay"):
            assert not any("required" in node for node in nodes(definition))


def test_defaults_are_as_the_file_says_them_and_hold_by_the_schema() -> None:
    schema = the_schema()
    group = schema["definitions"]["WorkerGroup"]["properties"]
    assert {
        key: group[key].get("default") for key in ("grace_period", "prefetch", "replicas", "singleton")
    } == {
        "grace_period": "30s",
        "prefetch": "auto",
        "replicas": 1,
        "singleton": False,
    }
    assert "default" not in group["time_limit"]
    count = 0
    for name, definition in schema["definitions"].items():
        for value in definition.get("properties", {}).values():
            if "default" in value:
                assert not name.endswith("Overlay")
                check = fastjsonschema.compile({**value, "definitions": schema["definitions"]})
                check(value["default"])
                count += 1
    assert count > 30
