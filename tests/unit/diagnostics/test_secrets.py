from __future__ import annotations

import pytest

from fleet.diagnostics.secrets import mask


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ('url = "amqp://u:hunter2@h//"', 'url = "amqp://u:***@h//"'),
        ('url = "redis://:hunter2@h"', 'url = "redis://:***@h"'),
        ('url = "redis://h/1"', 'url = "redis://h/1"'),
        ('url = "amqp://u:${PASSWORD}@h"', 'url = "amqp://u:${PASSWORD}@h"'),
        ('url = "amqp://u:${PASSWORD:-hunter2}@h"', 'url = "amqp://u:***@h"'),
        ('url = "${URL:-redis://u:hunter2@h}"', 'url = "${URL:-redis://u:***@h}"'),
        ('a = ["redis://u:one@h", "redis://u:two@h"]', 'a = ["redis://u:***@h", "redis://u:***@h"]'),
        (
            'env = { AWS_SECRET_ACCESS_KEY = "abc", B = "c" }',
            'env = { AWS_SECRET_ACCESS_KEY = "***", B = "c" }',
        ),
        ("password='abc'", "password='***'"),
        ('"api-token" = "abc"', '"api-token" = "***"'),
        ('token_file = "/run/token"', 'token_file = "/run/token"'),
        ('API_TOKEN = "${API_TOKEN}"', 'API_TOKEN = "${API_TOKEN}"'),
        ('routing_key = "images"', 'routing_key = "images"'),
        ("", ""),
    ],
)
def test_masks(line: str, masked: str) -> None:
    assert mask(line).text == masked


def test_columns_follow() -> None:
    masked = mask('"redis://u:hunter2@h"')
    assert [masked.column(c) for c in (0, 11, 18, 19)] == [0, 11, 14, 15]
    assert masked.column(13) <= 14
