"""What seeing.md promises of the page's safety, sentence by sentence."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from fleet.dashboard.attempts import ALL, EACH, Attempts
from fleet.dashboard.gate import CONTENT_SECURITY_POLICY
from fleet.dashboard.shown import MASK, MOST_CHARACTERS, shown
from fleet.dashboard.tokens import add_token, make_code, read_tokens
from tests.unit.dashboard.asking import TOKENS, Asking, bearer

JSON = {"content_type": "application/json"}


@pytest.fixture
def page(tmp_path: Path) -> Asking:
    return Asking(tmp_path)


def test_without_a_token_anybody_on_this_machine_may_look_and_not_act(page: Asking) -> None:
    assert json.loads(page.ask("/api/session").body)["role"] == "viewer"
    assert page.ask("/api/commands/pause", {"group": "web"}).status == 403


@pytest.mark.parametrize("path", ["/api/logs", "/api/stacks", "/metrics"])
def test_without_a_token_logs_stacks_and_metrics_are_not_shown(page: Asking, path: str) -> None:
    assert page.ask(path).status == 401


@pytest.mark.parametrize(
    "settings",
    [
        {"listen": "0.0.0.0:8787"},
        {"listen": "unix:/run/page.sock"},
        {"hosts": ("workers.example.com",)},  # it is meant for others, by a proxy on this machine
        {"trusted_proxies": ("127.0.0.1",)},
        {"root_path": "/workers"},
    ],
)
def test_without_a_token_nobody_looks_where_others_may_ask(
    tmp_path: Path, settings: dict[str, object]
) -> None:
    page = Asking(tmp_path, **settings)
    host = "workers.example.com" if "hosts" in settings else "127.0.0.1:8787"
    if settings.get("listen") == "unix:/run/page.sock":
        page = Asking(tmp_path, hosts=("workers.example.com",), **settings)
        host = "workers.example.com"
    assert json.loads(page.ask("/api/session", host=host).body)["role"] is None
    assert page.ask("/api/dead", host=host).status == 401


@pytest.mark.parametrize(
    ("who", "path", "value", "status"),
    [
        ("vic", "/api/commands/pause", {"group": "web"}, 403),
        ("vic", "/api/dead/jobs", {"verb": "delete", "most": 1}, 403),
        ("vic", "/api/dead/jobs", {"verb": "count"}, 403),  # it would keep others from theirs
        ("vic", "/api/dead/reveal", {"id": "1"}, 403),
        ("vic", "/api/plan", {"text": ""}, 403),  # it is checked where the fleet's variables are
        ("ann", "/api/plan", {"text": ""}, 502),
        ("vic", "/api/logs", None, 200),
        ("prom", "/api/logs", None, 403),
        ("prom", "/api/commands/pause", {"group": "web"}, 403),
        ("prom", "/metrics", None, 502),  # there is no controller here
        ("ann", "/api/commands/pause", {"group": "web"}, 502),
        ("ann", "/api/commands/down", {}, 404),
    ],
)
def test_a_role_may_do_what_it_is_for(page: Asking, who: str, path: str, value: object, status: int) -> None:
    assert page.ask(path, value, authorization=bearer(who)).status == status


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8787", "", "127.0.0.1.evil.example", "[", "10.0.0.1"]
)
def test_another_host_is_refused(page: Asking, host: str) -> None:
    said = page.ask("/api/session", host=host)
    assert said.status == 403
    assert "[dashboard] hosts" in said.error


@pytest.mark.parametrize("host", ["localhost:8787", "127.0.0.1", "[::1]:9", "LOCALHOST"])
def test_names_of_loopback_are_answered_at_any_port(page: Asking, host: str) -> None:
    assert page.ask("/api/session", host=host).status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"sec_fetch_site": "none"}, 403),
        ({"sec_fetch_site": "", "origin": "http://evil.example"}, 403),
        ({"sec_fetch_site": "", "origin": "null"}, 403),
        ({"sec_fetch_site": ""}, 403),
        ({"sec_fetch_site": "", "origin": "http://127.0.0.1:8787"}, 200),
        ({"content_type": "text/plain"}, 415),
        ({"content_type": "application/x-www-form-urlencoded"}, 415),
        ({}, 200),
    ],
)
def test_an_order_comes_as_json_from_the_page_itself(
    page: Asking, headers: dict[str, str], status: int
) -> None:
    assert page.ask("/api/logout", {}, **headers).status == status


def test_a_bearer_needs_no_origin(page: Asking) -> None:
    said = page.ask("/api/commands/pause", {}, authorization=bearer("ann"), sec_fetch_site="")
    assert said.status == 502, "past the gate"


def test_every_answer_has_the_policy_without_inline_code(page: Asking) -> None:
    for said in (
        page.ask("/"),
        page.ask("/api/session"),
        page.ask("/nothing"),
        page.ask("/", host="evil.example"),
    ):
        assert said.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert said.headers["x-content-type-options"] == "nosniff"
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert b"<script>" not in page.ask("/").body
    assert b"style=" not in page.ask("/").body


def test_a_login_gives_a_cookie_that_scripts_cannot_read_and_other_pages_not_send(page: Asking) -> None:
    said = page.ask("/api/login", {"token": "ann-0123456789abcdef"})
    cookie = said.headers["set-cookie"]
    assert said.status == 200
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {each.strip() for each in cookie.split(";")}
    assert "Secure" not in cookie
    assert "0123456789abcdef" not in cookie
    session = cookie.partition(";")[0]
    assert json.loads(page.ask("/api/session", cookie=session).body)["role"] == "operator"


def test_a_session_ends_when_its_line_is_gone_or_another(page: Asking, tmp_path: Path) -> None:
    cookie = page.ask("/api/login", {"token": "ann-0123456789abcdef"}).headers["set-cookie"].partition(";")[0]
    (tmp_path / "tokens").write_text(TOKENS.replace("ann-", "new-"))
    assert json.loads(page.ask("/api/session", cookie=cookie).body)["name"] == ""


@pytest.mark.parametrize("change", ["role", "time", "name", "cut"])
def test_a_session_that_was_changed_is_none(page: Asking, change: str) -> None:
    cookie = page.ask("/api/login", {"token": "vic-0123456789abcdef"}).headers["set-cookie"].partition(";")[0]
    name, until, signature = cookie.removeprefix("fleet_session=").strip('"').split(":")
    other = "1" if signature.endswith("0") else "0"
    changed = {
        "role": f"{name}:{until}:{signature[:-1]}{other}",
        "time": f"{name}:{int(until) + 1}:{signature}",
        "name": f"ann:{until}:{signature}",
        "cut": f"{name}:{until}",
    }[change]
    assert json.loads(page.ask("/api/session", cookie=f'fleet_session="{changed}"').body)["name"] == ""


def test_after_five_failures_an_address_waits_a_minute_with_the_right_token_too(page: Asking) -> None:
    for _ in range(EACH):
        assert page.ask("/api/login", {"token": "wrong-0123456789"}).status == 401
    assert page.ask("/api/login", {"token": "ann-0123456789abcdef"}).status == 429
    assert page.ask("/api/session", authorization="Bearer wrong").status == 429
    assert page.ask("/api/session", client="10.0.0.9").status == 200


def test_thirty_failures_of_many_addresses_stop_all_for_a_minute() -> None:
    attempts = Attempts()
    for number in range(ALL):
        attempts.failed(f"10.0.0.{number}", 0.0)
    assert not attempts.allowed("10.0.1.1", 59.0)
    assert attempts.allowed("10.0.1.1", 61.0)


def test_a_code_lets_in_once_and_for_ten_minutes(page: Asking, tmp_path: Path) -> None:
    folder = tmp_path / "dashboard-logins"
    code = make_code(folder, "ann")
    assert page.ask("/api/login", {"code": code}).status == 200
    assert page.ask("/api/login", {"code": code}).status == 401
    late = make_code(folder, "ann")
    [file] = folder.iterdir()
    file.write_text(f"ann {int(time.time()) - 1}")
    assert page.ask("/api/login", {"code": late}).status == 401
    assert late not in file.name


def test_a_new_token_is_private_and_long_and_named_once(tmp_path: Path) -> None:
    made = add_token(tmp_path / "own", "bob", "viewer")
    assert (tmp_path / "own").stat().st_mode & 0o777 == 0o600
    assert len(made.secret) >= 32
    assert [each.name for each in read_tokens(tmp_path / "own")] == ["bob"]
    with pytest.raises(ValueError, match="already"):
        add_token(tmp_path / "own", "bob", "operator")


def test_a_short_secret_or_an_unknown_role_is_no_token(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(
        "a operator short\nb admin 0123456789abcdef\nc viewer 0123456789abcdef x\n"
    )
    assert list(read_tokens(tmp_path / "tokens")) == []


def test_a_proxy_says_who_asks_only_if_it_is_trusted(tmp_path: Path) -> None:
    page = Asking(tmp_path, trusted_proxies=("10.0.0.0/8",))
    for client, forwarded, blocked in (
        ("10.0.0.1", "1.2.3.4, 10.0.0.2", "1.2.3.4"),
        ("9.9.9.9", "5.6.7.8", "9.9.9.9"),
    ):
        for _ in range(EACH):
            page.ask("/api/login", {"token": "wrong"}, client=client, x_forwarded_for=forwarded)
        assert page.ask("/api/login", {"token": "wrong"}, client=blocked).status == 429
    assert page.ask("/api/login", {"token": "wrong"}, client="5.6.7.8").status == 401
    said = page.ask(
        "/api/login", {"token": "ann-0123456789abcdef"}, client="10.0.0.7", x_forwarded_proto="https"
    )
    assert "Secure" in said.headers["set-cookie"]


@pytest.mark.parametrize("path", ["/workers/app.css", "/app.css"])
def test_below_a_prefix_all_is_found_whether_the_proxy_takes_it_off_or_not(tmp_path: Path, path: str) -> None:
    page = Asking(tmp_path, root_path="/workers")
    assert page.ask(path).status == 200
    assert page.ask("/workers").headers["location"] == "/workers/"
    assert b'href="app.css"' in page.ask("/workers/").body
    cookie = page.ask("/workers/api/login", {"token": "ann-0123456789abcdef"}).headers["set-cookie"]
    assert "Path=/workers" in cookie


def test_values_are_visible_exact_masked_and_cut() -> None:
    hostile = "\x1b]0;x\x07\u202e<img onerror>\x00\x9b"
    said = shown(
        {hostile: hostile, "n": 2**63, "args": [{"Password": 1, "to": [{"api_key": "k"}]}]}, "masked"
    )
    assert (
        said["\\x1b]0;x\\x07\\u202e<img onerror>\\x00\\u009b"]
        == "\\x1b]0;x\\x07\\u202e<img onerror>\\x00\\u009b"
    )
    assert said["n"] == str(2**63)
    assert json.loads(said["args"]) == [{"Password": MASK, "to": [{"api_key": MASK}]}]
    assert shown({"args": [1], "traceback": "x", "kwargsrepr": "{}"}) == {
        "args": None,
        "traceback": None,
        "kwargsrepr": None,
    }
    assert shown({"kwargsrepr": "{'password': 'hunter2', 'to': 'ann'}"}, "masked") == {
        "kwargsrepr": f"{{'password': {MASK}, 'to': 'ann'}}"
    }
    assert json.loads(shown({"args": [{"password": "x"}]}, "full")["args"]) == [{"password": "x"}]
    assert len(shown("x" * 10**6)) < MOST_CHARACTERS + 100


@pytest.mark.parametrize(
    "asked",
    [
        {"verb": "delete"},
        {"verb": "retry", "filter": {}},
        {"verb": "drop", "most": 1},
        {"verb": "retry", "most": "5"},
        {"verb": "retry", "most": 1, "filter": {"ids": "x"}},
        {"verb": "edit", "filter": {"ids": ["x"]}, "args_json": "{}", "kwargs_json": "{}"},
        {"verb": "edit", "filter": {}, "args_json": "[]", "kwargs_json": "{}"},
        {"verb": "edit", "filter": {"ids": ["x"]}, "args_json": "[", "kwargs_json": "{}"},
    ],
)
def test_an_order_about_dead_letters_says_how_many_or_which(page: Asking, asked: object) -> None:
    assert page.ask("/api/dead/jobs", asked, authorization=bearer("ann")).status == 400


def test_an_endless_order_is_refused(page: Asking) -> None:
    assert page.ask("/api/login", {"token": "x" * (1 << 20)}).status == 413


@pytest.mark.parametrize(
    "value",
    [
        {"verb": "count", "rate": float("inf")},
        {"verb": "count", "canary": float("inf")},
        {"verb": "count", "most": float("nan")},
        {"verb": "count", "most": True},
        {"verb": "edit", "filter": {"ids": ["1"]}, "args_json": "[" * 100_000, "kwargs_json": "{}"},
    ],
)
def test_numbers_and_json_that_are_none_are_refused(page: Asking, value: object) -> None:
    assert page.ask("/api/dead/jobs", value, authorization=bearer("ann")).status == 400


def test_a_body_of_brackets_alone_is_refused(page: Asking) -> None:
    assert page.ask("/api/login", b"[" * 100_000).status == 400
