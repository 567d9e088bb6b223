"""What a wrong value is taken for: right, and safe only where nothing else can be meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fleet.config.guesses import guess
from fleet.config.load import check
from fleet.config.source import from_bytes

PATH = Path(__file__).with_name("fleet.toml")
HEAD = '[fleet]\napp = "shop.tasks"\n[lint]\nignore = ["FLT713"]\n'


@pytest.mark.parametrize(
    ("key", "text", "meant"),
    [
        ("command", "mail -s x me@h", (["mail", "-s", "x", "me@h"], True)),
        ("command", "mail -s 'two words' me@h,you@h", (["mail", "-s", "two words", "me@h,you@h"], True)),
        ("command", "notify | mail $WHO", (["sh", "-c", "notify | mail $WHO"], False)),
        ("command", "mail -s 'x", None),
        ("command", " ", None),
        ("args", "Hello, you", (["Hello, you"], False)),
        ("args", "Hello you", (["Hello you"], True)),
        ("queues", "images, video", (["images", "video"], True)),
        ("queues", "images video", (["images", "video"], False)),
        ("queues", "images", (["images"], True)),
        ("queues", " ", None),
        ("watch", "my shop/*.py", (["my shop/*.py"], True)),
    ],
)
def test_a_text_in_place_of_a_list(key: str, text: str, meant: Any) -> None:
    assert guess("tuple_type", text, key=key) == meant


@pytest.mark.parametrize(
    ("lines", "codes"),
    [
        ('[machine]\nmemory = "16"', ["FLT007"]),
        ('[machine]\nmemory = "100000"', ["FLT007"]),
        ("[broker]\nurl = 6379", ["FLT004"]),
        ("[broker]\nurl_file = 7", ["FLT004"]),
        ("[dashboard]\ntoken_file = 7", ["FLT004"]),
        ('[dashboard]\ntoken = "x"', ["FLT003"]),
        ('[alerts]\nwebhook = "https://h/x"', ["FLT003"]),
        ('[alerts]\nwebhook_url = "https://h/x"', ["FLT003"]),
    ],
)
def test_a_mistake_that_has_no_sure_remedy_is_one_finding_without_a_fix(lines: str, codes: list[str]) -> None:
    found = check(from_bytes(f"{HEAD}{lines}\n".encode(), PATH), environ={}).diagnostics
    assert [each.code for each in found] == codes
    assert [each.fix for each in found] == [None]


def test_a_path_under_the_name_of_its_content_is_renamed() -> None:
    text = f'{HEAD}[alerts]\nwebhook = "/run/secrets/hook"\n'
    first = check(from_bytes(text.encode(), PATH), environ={}).diagnostics[0]
    assert (first.code, first.fix and first.fix.safe) == ("FLT003", True)
