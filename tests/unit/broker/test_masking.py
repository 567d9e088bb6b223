"""Whatever the password, and however badly its URL is written: it is in nothing that anybody is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fleet.broker.consumer import Subscription
from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.open import open_consumer, open_dead_letters, open_publisher, preflight, queue_stats
from fleet.broker.urls import mask_url, refuse_bad_url
from fleet.broker_url.masking import has_password, scrub
from fleet.cli.file.fixing import diff
from fleet.cli.views.findings import FORMATS, report
from fleet.config.load import check
from fleet.config.source import from_bytes
from fleet.machine import Amount, Machine
from fleet.spec import BrokerSpec, QueueSpec, RoutingSpec

# Each begins and ends with a mark, so that no half of it may be left either.
MARK = "wolpertinger"
PASSWORDS = st.text(st.characters(codec="utf-8", exclude_characters="\n\r\x00"), max_size=8).map(
    lambda middle: f"{MARK}{middle}{MARK}"
)
SHAPES = [
    "redis://:{}@127.0.0.1:1/0",
    "redis://user:{}@127.0.0.1:1/0",
    "rediss://{}@127.0.0.1:1/0",
    "redis://127.0.0.1:1/0?password={}",
    "redis://127.0.0.1:1/0?pwd={}&socket_timeout=1",
    "redis://127.0.0.1:1/0?auth={}",
    "redis://127.0.0.1:1/0?anything={}",
    "redis://127.0.0.1:1/0#{}",
    "redis://:{}",
    "redis:/user:{}@127.0.0.1",
    ":{}@127.0.0.1:1/0",
    "user:{}@127.0.0.1",
    "{}",
    "amqp://svc:{}@127.0.0.1:1/v",
    "amqps://svc:{}@127.0.0.1:1/v?heartbeat=5",
    "amqp://svc:{}@127.0.0.1:1/v;amqp://svc:{}@127.0.0.1:1/w",
    "redis://:{}@127.0.0.1:1/0; redis://:{}@127.0.0.1:1/1",
    "sentinel://:{}@127.0.0.1:1/0;sentinel://127.0.0.1:1",
    "redis+socket://:{}@/nowhere.sock?virtual_host=0",
    "unix://:{}@/nowhere.sock?db=0",
    "ampq://svc:{}@127.0.0.1:1/v",
    "redis://svc:{}@[::1/0",
    "redis://svc:{}@127.0.0.1:port/0",
    "memory://svc:{}@x/",
]
# Without a host behind it an "@" in a password is the one before the host. What stands before a ":" is a user's name.
CASES = (
    st.tuples(st.sampled_from(SHAPES), PASSWORDS)
    .map(
        lambda case: (
            case[0],
            case[1] if "@" in case[0] or case[0][:9] == "redis://1" else case[1].replace("@", "/"),
        )
    )
    .filter(lambda case: not ("://{}@" in case[0] and ":" in case[1]))
)
FILE = """[fleet]
app = "a"
[broker]
url = {url}
[queues.io]
workload = "io"
[[routes]]
task = "*"
queue = "io"
[workers.io]
queues = ["io"]
pool = "gevnt"
concurrency = 100
env = {{ API_KEY = {text}, PASSWORDS = [{text}, 1], DSN = "postgres://u:" }}
"""
MACHINE = Machine(Amount(8), Amount(2**34), Amount(65536), 8, frozenset({"redis", "packaging", "gevent"}))


def toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


@given(CASES)
def test_no_part_of_a_password_survives(case: tuple[str, str]) -> None:
    shape, password = case
    assert MARK not in mask_url(shape.replace("{}", password))


@given(CASES)
def test_what_a_driver_repeats_is_scrubbed(case: tuple[str, str]) -> None:
    shape, password = case
    url = shape.replace("{}", password)
    said = f"Port could not be cast to integer value as {password!r}, {password.split('/')[0]} {url}"
    if "\\" not in repr(password):
        assert MARK not in scrub(said, url)


@settings(deadline=None, max_examples=100)
@given(CASES)
@example(("redis://:{}", f"{MARK}${MARK}"))  # half of it looks like a variable's name
def test_no_report_shows_it_in_any_format(case: tuple[str, str]) -> None:
    shape, password = case
    text = FILE.format(url=toml(shape.replace("{}", password)), text=toml(password))
    loaded = check(from_bytes(text.encode(), Path("fleet.toml")), environ={}, machine=MACHINE)
    assert loaded.diagnostics
    for form in FORMATS:
        assert MARK not in report(loaded, form, strict=True, all_well="", to_file=False)
    assert MARK not in diff(loaded.source, text.replace("concurrency = 100", "concurrency = 101"))
    assert MARK not in diff(loaded.source, text.replace("API_KEY", "APP_KEY").replace("gevnt", "gevent"))


@pytest.mark.parametrize("password", [f"{MARK}{middle}{MARK}" for middle in ("", "/#@:?;&= ")])
@pytest.mark.parametrize(
    "shape", [shape for shape in SHAPES if "heartbeat" not in shape]
)  # as the one before
def test_no_place_that_reads_the_url_says_it(shape: str, password: str) -> None:
    broker, queues = BrokerSpec(shape.replace("{}", password)), (QueueSpec("q"),)
    for place in (
        lambda: open_consumer(
            Subscription(broker, queues, prefetch=1, identity="w", queue_order="weighted")
        ).connect(),
        lambda: open_publisher(broker).close(),
        lambda: open_dead_letters(broker),
        lambda: queue_stats(RoutingSpec(broker, queues, ())),
        lambda: preflight(broker, queues, connections=1, seconds=20),
    ):
        try:
            place()
        except BrokerUnavailable as error:
            assert MARK not in str(error)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://:hunter2#x@127.0.0.1:6379/3", "redis://:***@127.0.0.1:6379/3"),
        ("redis://h/0?pwd=a&db=1", "redis://h/0?pwd=***&db=1"),
        (
            "rediss://h/0?ssl_keyfile=/etc/k.pem&ssl_password=x",
            "rediss://h/0?ssl_keyfile=/etc/k.pem&ssl_password=***",
        ),
        ("amqp://u:p;w@h//", "amqp://u:***@h//"),
        ("redis://h:12345678", "redis://h:***"),
        ("redis://:p?a=b@h", "redis://***"),
        ("$BROKER_URL", "$BROKER_URL"),
        ("${BROKER_URL}", "${BROKER_URL}"),
        ("hunter2", "***"),
    ],
)
def test_a_masked_url_keeps_user_and_host(url: str, shown: str) -> None:
    assert mask_url(url) == shown


@pytest.mark.parametrize(
    ("url", "has"),
    [
        ("amqp://guest:guest@h//", False),
        ("amqp://u:${PW}@h//", False),
        ("redis://:$REDIS_PASSWORD@h/0", False),
        ("amqp://$USER:$PASS@h/", False),
        ("redis://:$HUNTER2@h/0", True),
        ("redis://:$hunter_password@h/0", True),
        ("redis://:x$PASS@h/0", True),
        ("redis://h:99999/0", False),
        ("redis://h:${PORT}/0", False),
        ("redis://:x@h", True),
        ("redis://h/0?password=x", True),
        ("redis://h/0?password=${PW}", False),
        ("amqp://guest:guest@h//;amqp://u:p@h//", True),
    ],
)
def test_a_password_is_seen_wherever_it_stands(url: str, has: bool) -> None:
    assert has_password(url) is has


def test_a_short_password_is_not_cut_out_of_words() -> None:
    assert scrub("Error 111 connecting to a host", "redis://:a@h") == "Error 111 connecting to *** host"


def test_what_would_break_is_refused_in_words() -> None:
    with pytest.raises(BrokerUnavailable, match="percent-encoded"):
        refuse_bad_url("redis://:p/w@h/0")
