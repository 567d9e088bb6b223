from __future__ import annotations

import sys

import pytest

from fleet.diagnostics.masking import mask, mask_lines, mask_prose


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
        ('"api key" = "abc"', '"api key" = "***"'),
        ('token_file = "/run/token"', 'token_file = "/run/token"'),
        ('API_TOKEN = "${API_TOKEN}"', 'API_TOKEN = "${API_TOKEN}"'),
        ('routing_key = "images"', 'routing_key = "images"'),
        ('url = "amqp://bob:p/w#x@localhost/v"', 'url = "amqp://bob:***@localhost/v"'),
        ('url = "redis://:a b\'c@h:1/0" # hm', 'url = "redis://:***@h:1/0" # hm'),
        ('url = "redis://h:${PORT:-6379}/0"', 'url = "redis://h:${PORT:-6379}/0"'),
        ('url = "redis://h:1/0?auth=x&db=1"', 'url = "redis://h:1/0?auth=***&db=1"'),
        ('url = "user:hunter2@h"', 'url = "***"'),
        ('url = "amqp://u:${PASSWORD:?ask the vault}@h"', 'url = "amqp://u:${PASSWORD:?ask the vault}@h"'),
        ("API_KEY = 12345678", "API_KEY = ***"),
        ("x = { PASSWORD = 1.5, b = 2 }", "x = { PASSWORD = ***, b = 2 }"),
        ('tokens = ["a", { b = "]" }] # c', "tokens = *** # c"),
        ('password = """a"""', 'password = """***"""'),
        ("use_token = true", "use_token = true"),
        ("STRIPE_KEY = 'abc'", "STRIPE_KEY = '***'"),
        ('mode = "${REDIS_PW:hunter2}"', 'mode = "${REDIS_PW:***}"'),
        ('url = "redis://:${REDIS_PW:hunter2}@h"', 'url = "redis://:***@h"'),
        ('mode = "${MODE-hunter2}-${API_TOKEN:-hunter2}"', 'mode = "${MODE-***}-${API_TOKEN:-***}"'),
        ('mode = "${MODE:-fast}${PASSWORD:?say it}"', 'mode = "${MODE:-fast}${PASSWORD:?say it}"'),
        ('pool = "${DB_PASSWORD:-hun', 'pool = "${DB_PASSWORD:-***'),
        ("DB_PASSWORD = hun,ter}2 # c", "DB_PASSWORD = *** # c"),
        ("DB_PASSWORD = \u201chunter2\u201d", "DB_PASSWORD = \u201c***\u201d"),
        ('DB_PASSWORD = "hun"ter2"', 'DB_PASSWORD = "***'),
        ('url = "amqp://u:hun"ter2@h"', 'url = "amqp://u:***@h"'),
        ('SECRET_KEY: "x"', 'SECRET_KEY: "***"'),
        ("  SECRET_KEY:x", "  SECRET_KEY:***"),
        ('{"fleet": {"password": "x", "b": 1}}', '{"fleet": {"password": "***", "b": 1}}'),
        ("export PASSWORD=x", "export PASSWORD=***"),
        ("PASSWORD x", "PASSWORD ***"),
        ("env = { PASSWORD: x, B: 1 }", "env = { PASSWORD: ***, B: 1 }"),
        ('env = { PASSWORD "x" }', 'env = { PASSWORD "***" }'),
        ("\u201cPASSWORD\u201d = \u201cx\u201d", "\u201cPASSWORD\u201d = \u201c***\u201d"),
        ("url: 'user:hunter2@h'", "url: '***'"),
        ("broker.url = user:hunter2@h # c", "broker.url = *** # c"),
        ('  "token:refresh", "token:a"', '  "token:refresh", "token:a"'),
        ("# a token: see the vault", "# a token: see the vault"),
        ('queue = "token:refresh"', 'queue = "token:refresh"'),
        ('a.b.DB_PASS = "x"', 'a.b.DB_PASS = "***"'),
        ('secret.pool = "solo"', 'secret.pool = "solo"'),
        ('token_file = "alice operator hunter2"', 'token_file = "***"'),
        ('token_file = "/etc/my fleet/token"', 'token_file = "/etc/my fleet/token"'),
        (
            'command = ["curl", "-H", "Authorization: Bearer abc.def-1"]',
            'command = ["curl", "-H", "Authorization: Bearer ***"]',
        ),
        ('X = "Bearer abc.def-1"', 'X = "Bearer ***"'),
        ("# who is the bearer of it", "# who is the bearer of it"),
        ('webhook_file = "https://example.com/abc"', 'webhook_file = "***"'),
        ('url = "https://hooks.slack.com/services/T0/B0/abc"', 'url = "https://hooks.slack.com/***"'),
        ('url = "https://discord.com/api/webhooks/1/abc"', 'url = "https://discord.com/api/webhooks/***"'),
        ('url = "https://example.com/services/abc"', 'url = "https://example.com/services/abc"'),
        ("", ""),
    ],
)
def test_a_secret_in_a_line_is_masked(line: str, masked: str) -> None:
    assert mask(line).text == masked


def test_a_secret_may_go_over_lines() -> None:
    lines = ["PASSWORD = [", '  "topsecret",', "] # end", 'key = """', "x", '"""', "secret = '''", "y", "'''"]
    shown = [masked.text for masked in mask_lines(lines)]
    assert shown == [
        "PASSWORD = ***",
        "***",
        "*** # end",
        'key = """',
        "x",
        '"""',
        "secret = '''",
        "***",
        "'''",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "{token " * 2000,
        "token = [ " * 2000,
        "x = [ " * 4000,
        "token_file = [ " * 2000,
        "a" * 200_000,
        "_" * 200_000,
        "token" * 400,
        '"' * 2000 + "a://" * 2000,
    ],
)
def test_long_words_cost_no_more_than_their_length(text: str) -> None:
    counted = 0

    def count(*_: object) -> None:
        nonlocal counted
        counted += 1

    sys.setprofile(count)
    try:
        mask_lines([text])
    finally:
        sys.setprofile(None)
    assert counted < 10 * len(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("`${REDIS_PW:hunter2}` is not a variable", "`${REDIS_PW:***}` is not a variable"),
        ('no pool called "${DB_PASSWORD:-hunter2', 'no pool called "${DB_PASSWORD:-***'),
        ("or give a default: ${DB_PASSWORD:-…}", "or give a default: ${DB_PASSWORD:-…}"),
        ("workers.token: expected a text", "workers.token: expected a text"),
        ("amqp://u:***@h//: refused, ask a@b", "amqp://u:***@h//: refused, ask a@b"),
        ('got "redis://:a b@h", expected', 'got "redis://:***@h", expected'),
        ("can't reach redis://h:6379/0: it's down", "can't reach redis://h:6379/0: it's down"),
    ],
)
def test_a_url_in_prose_ends_with_its_word(text: str, shown: str) -> None:
    assert mask_prose(text) == shown


def test_columns_of_a_masked_line_follow_the_text() -> None:
    masked = mask('"redis://u:hunter2@h"')
    assert [masked.column(c) for c in (0, 11, 18, 19)] == [0, 11, 14, 15]
    assert masked.column(13) <= 14
