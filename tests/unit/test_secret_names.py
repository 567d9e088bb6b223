"""The one list of names that say secret; and that nobody has another."""

from __future__ import annotations

import re

import pytest

from fleet.secret_names import is_secret_name
from tests.support import ROOT

SECRETS = """
    DB_PASS MYSQL_PASS SMTP_PASS REDIS_PASS DBPASS DB_PW db_pw dbPass db.pass DB-PASS DB_PASS_2 JWT SESSION_JWT BEARER
    COOKIE SALT HMAC GITHUB_PAT STRIPE_SK CONNECTION_STRING connectionString password apiKey auth
    Authorization PROXY_AUTHORIZATION cookies otp cvv X-Api-Key access_token
"""
PLAIN = """
    compass bypass PROXY_BYPASS PATH task RISK passes author pinned routing_key token_file JWT_ALGORITHM COOKIE_NAME
    PATTERN salted DISK desk
"""


@pytest.mark.parametrize("name", SECRETS.split())
def test_a_name_that_says_secret(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", PLAIN.split())
def test_a_name_that_only_has_letters_of_one(name: str) -> None:
    assert not is_secret_name(name)


def test_nobody_has_a_list_of_his_own() -> None:
    """But for URLs, where all that is not known to be harmless is masked, and for what is known to be harmless."""
    own = re.compile(r"""passw[^\s"']*\|""")
    lists = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "fleet").rglob("*.py")
        if own.search(path.read_text(encoding="utf-8"))
    ]
    assert sorted(lists) == ["fleet/broker_url/masking.py", "fleet/secret_names.py"]
