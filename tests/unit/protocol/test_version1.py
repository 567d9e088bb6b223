"""Messages of Celery's protocol 1, whose headers lie in the body, are read as those of protocol 2."""

from __future__ import annotations

import json

import pytest

from fleet.protocol import MalformedMessage
from fleet.protocol.version1 import lifted_headers, to_version2

BODY = {"task": "shop.add", "id": "7", "args": [1], "kwargs": {"b": 2}, "retries": None, "taskset": "g"}
JSON = "application/json"


def test_fields_of_the_body_become_headers_and_the_body_that_of_version_2() -> None:
    headers, body = to_version2(BODY, {"origin": "me", "eta": None})
    assert (headers["task"], headers["id"], headers["group"], headers["origin"]) == (
        "shop.add",
        "7",
        "g",
        "me",
    )
    assert headers["retries"] == 0
    assert body == [[1], {"b": 2}, {"callbacks": None, "errbacks": None, "chord": None, "chain": None}]


def test_keyword_arguments_that_are_no_object_make_a_malformed_message() -> None:
    with pytest.raises(MalformedMessage, match="kwargs"):
        to_version2({**BODY, "kwargs": [1]}, {})


def test_the_loop_finds_name_and_id_in_the_body() -> None:
    assert lifted_headers({}, json.dumps(BODY).encode(), JSON)["task"] == "shop.add"


@pytest.mark.parametrize(
    ("headers", "body", "content_type"),
    [
        ({"task": "t"}, json.dumps(BODY).encode(), JSON),
        ({}, json.dumps(BODY).encode(), "application/x-python-serialize"),
        ({}, b"no json", JSON),
        ({}, b"[1]", JSON),
        ({}, json.dumps({**BODY, "kwargs": 1}).encode(), JSON),
        ({}, json.dumps({**BODY, "args": "x" * 2_000_000}).encode(), JSON),
    ],
)
def test_of_any_other_message_nothing_is_lifted(
    headers: dict[str, str], body: bytes, content_type: str
) -> None:
    assert lifted_headers(headers, body, content_type) == {}
