from __future__ import annotations

import time

import pytest

from fleet.masked_values import masked, masked_repr


def test_what_names_say_is_secret_is_masked_however_deep() -> None:
    value = {
        "to": "ann",
        "Password": 1,
        "smtp": [{"api_key": "k", "port": 25}],
        "credentials": {"user": "u", "word": "hunter2"},
        "token_file": "/run/token",
        "token": None,
        "auth": False,
        "secret": "",
    }
    assert masked(value, "***") == {
        "to": "ann",
        "Password": "***",
        "smtp": [{"api_key": "***", "port": 25}],
        "credentials": "***",
        "token_file": "/run/token",
        "token": None,
        "auth": False,
        "secret": "",
    }


def test_the_password_of_a_url_is_masked_wherever_it_stands() -> None:
    value = [
        ["postgres://u:hunter2@db/x", "see redis://:hunter2@h/0 there"],
        {"url": "https://example.com/a"},
    ]
    shown = masked(value, "***")
    assert "hunter2" not in repr(shown)
    assert shown[1] == {"url": "https://example.com/a"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{'password': 'hunter2', 'to': 'ann'}", "{'password': ***, 'to': 'ann'}"),
        ("{'password': b'hunter 2', 'to': 'ann'}", "{'password': ***, 'to': 'ann'}"),
        ("{'pin': 1234, 'to': 1}", "{'pin': ***, 'to': 1}"),
        ("{'secret': 'it\\'s', 'to': 1}", "{'secret': ***, 'to': 1}"),
        ("{'secrets': {'a': 'hunter2'}, 'to': 1}", "{'secrets': ***"),
        ("{'token': Token('hunter 2'), 'to': 1}", "{'token': ***"),
        ("{'to': 1, 'password': 'hunt", "{'to': 1, 'password': ***"),
        ("('postgres://u:hunter2@db/x',)", "('postgres://u:***@db/x',)"),
        ("{'to': 'ann'}", "{'to': 'ann'}"),
    ],
)
def test_in_what_a_client_wrote_with_repr(text: str, shown: str) -> None:
    assert masked_repr(text, "***") == shown


@pytest.mark.parametrize(
    "text", ["'" * 200_000, "'a':" * 50_000, "'token': 'x" * 20_000, "{'a': \"" * 30_000]
)
def test_a_hostile_text_costs_no_more_than_its_length(text: str) -> None:
    began = time.process_time()
    masked_repr(text, "***")
    assert time.process_time() - began < 5
