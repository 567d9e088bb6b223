"""`fleet validate --connect`: what the broker would refuse, found without changing anything on it."""

from __future__ import annotations

import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import amqp
import pytest

from fleet.broker.redis import preflight as redis_preflight
from fleet.cli.file import probes as asking
from tests.brokers import OwnRedis
from tests.cli.invoke import Outcome, fleet
from tests.conftest import Broker
from tests.support import unique

pytestmark = pytest.mark.broker


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "fleet.toml"


def connect(file: Path, url: str, queues: str, *arguments: str) -> Outcome:
    """`queues`: the queues' tables; the fleet consumes those with a line of `[queues."NAME"]`."""
    names = [line.split('"')[1] for line in queues.splitlines() if line.startswith("[queues.")]
    routes = "".join(f"[[routes]]\ntask = '{name}.*'\nqueue = '{name}'\n" for name in names)
    file.write_text(
        f"[fleet]\napp = 'x'\n[broker]\nurl = '{url}'\n{queues}\n{routes}"
        f"[workers.w]\nqueues = {names!r}\npool = 'threads'\nconcurrency = 4\n"
        '[lint]\nignore = ["FLT203", "FLT313", "FLT111"]\n'
    )
    return fleet("validate", file, "--connect", "--format", "concise", *arguments)


def test_a_broker_that_would_take_it_is_left_as_it_was(broker: Broker, file: Path, amqp_url: str) -> None:
    queue = broker.queue()
    outcome = connect(file, broker.url, f'[queues."{queue}"]\n', "--format", "text")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.rstrip().endswith("can be reached, nothing there contradicts it")
    if broker.name == "amqp":
        with amqp.Connection("127.0.0.1:5672") as connection, pytest.raises(amqp.NotFound):
            connection.channel().queue_declare(queue, passive=True)
    elif broker.name == "redis":
        import redis

        with redis.Redis.from_url(broker.url) as client:
            assert list(client.scan_iter(match=f"*{queue}*", count=1000)) == []
    else:
        assert not Path(broker.url.removeprefix("sqlite:///")).exists()


@pytest.fixture
def channel(amqp_url: str) -> Iterator[amqp.Channel]:
    if amqp_url != "amqp://guest:guest@127.0.0.1:5672//":
        pytest.skip("looks at the broker of this machine")
    with amqp.Connection("127.0.0.1:5672") as connection:
        yield connection.channel()


def test_queues_and_exchanges_that_exist_otherwise(channel: amqp.Channel, amqp_url: str, file: Path) -> None:
    token = unique("validate")
    equal, other, transient, bound = (f"{token}.{name}" for name in ("equal", "other", "transient", "bound"))
    channel.queue_declare(equal, durable=True, auto_delete=False, arguments={"x-max-priority": 5})
    channel.queue_declare(other, durable=True, auto_delete=False, arguments={"x-max-priority": 10})
    channel.queue_declare(transient, durable=True, auto_delete=False)
    channel.exchange_declare(token, "direct", durable=True, auto_delete=False)
    try:
        outcome = connect(
            file,
            amqp_url,
            f'[queues."{equal}"]\nmax_priority = 5\n'
            f'[queues."{other}"]\nmax_priority = 5\n'
            f'[queues."{transient}"]\ndurable = false\n'
            f'[queues."{bound}"]\nexchange = "{token}"\nexchange_type = "topic"\n',
        )
        assert outcome.code == 1
        assert [line.split(":", 1)[1] for line in outcome.out.splitlines() if "FLT705" in line] == [
            f'8:16: error[FLT705] queue "{other}" exists with another x-max-priority: 10 on the broker, '
            "5 in fleet.toml",
            f'10:11: error[FLT705] queue "{transient}" exists with another durable: true on the broker, '
            "false in fleet.toml",
            f'13:17: error[FLT705] exchange "{token}" exists with another type: direct on the broker, '
            "topic in fleet.toml",
        ]
        with pytest.raises(amqp.NotFound):
            channel.queue_declare(bound, passive=True)
    finally:
        with amqp.Connection("127.0.0.1:5672") as connection:
            cleaner = connection.channel()
            for queue in (equal, other, transient):
                cleaner.queue_delete(queue)
            cleaner.exchange_delete(token)


@pytest.fixture
def vhost(amqp_url: str) -> Iterator[str]:
    """One with room for three connections, with a queue that guest may not declare."""
    tool = shutil.which("rabbitmqctl")
    if tool is None:
        pytest.skip("rabbitmqctl is not installed")
    name = unique("validate")

    def control(*arguments: str) -> None:
        subprocess.run([tool, "--silent", *arguments], check=True, capture_output=True)

    control("add_vhost", name)
    control("set_permissions", "-p", name, "guest", ".*", ".*", ".*")
    with amqp.Connection("127.0.0.1:5672", virtual_host=name) as connection:
        connection.channel().queue_declare("q", durable=True, auto_delete=False)
    control("set_permissions", "-p", name, "guest", "^$", ".*", ".*")
    control("set_vhost_limits", "-p", name, '{"max-connections": 3}')
    yield name
    control("delete_vhost", name)


def test_connect_tells_of_missing_room_and_permissions(vhost: str, file: Path) -> None:
    url = f"amqp://guest:guest@127.0.0.1:5672/{vhost}"
    queues = '[queues."q"]\n'
    outcome = connect(file, url, queues)
    assert outcome.code == 1
    assert 'queue "q": the broker\'s user may not declare it: ACCESS_REFUSED' in outcome.out
    assert "no room for the 7 connections that this fleet needs: it refused number 4" in outcome.out


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("amqp://guest:wrong@127.0.0.1:5672//", "ACCESS_REFUSED"),
        ("amqp://guest:guest@127.0.0.1:5672/no-such-vhost", "vhost no-such-vhost not found"),
        ("amqp://guest:guest@127.0.0.1:1//", "refused"),
        ("redis://127.0.0.1:1/0", "refused"),
    ],
)
def test_connect_says_why_a_broker_can_not_be_reached(url: str, said: str, file: Path, amqp_url: str) -> None:
    outcome = connect(file, url, '[queues."q"]\n')
    assert outcome.code == 1
    line = next(line for line in outcome.out.splitlines() if "FLT705" in line)
    assert line.startswith(f"{file}:4:7: error[FLT705] the broker can't be used: ")
    assert said in line
    assert "wrong" not in outcome.out


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("amqp://127.0.0.1:port//", "no number"),
        ("nonsense://127.0.0.1", "nonsense"),
        ("sentinel://127.0.0.1:1/0", "sentinel://"),
        ("redis://:p/w@127.0.0.1:1/0", "percent-encoded"),
    ],
)
def test_a_url_that_leads_nowhere_is_said_once(url: str, said: str, file: Path) -> None:
    outcome = connect(file, url, '[queues."q"]\n')
    assert outcome.code == 1
    (line,) = [line for line in outcome.out.splitlines() if ": error[" in line]
    assert said in line
    assert "FLT90" in line


def test_a_broker_that_never_answers(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "CONNECT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        outcome = connect(file, f"amqp://127.0.0.1:{silent.getsockname()[1]}//", '[queues."q"]\n')
    assert outcome.code == 1
    assert "no answer within 0.5 s" in outcome.out


def test_redis_with_a_foreign_key_and_one_that_evicts(own_redis: OwnRedis, file: Path) -> None:
    import redis

    with redis.Redis.from_url(own_redis.url) as client:
        client.hset("q", "a", 1)
        client.config_set("maxmemory", 10**8)
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("maxclients", 3)
    outcome = connect(file, own_redis.url, '[queues."q"]\n')
    assert outcome.code == 1
    assert "the key of that name in Redis is a hash, not a list of messages" in outcome.out
    assert "warning[FLT705] this Redis deletes messages when its memory is full" in outcome.out
    assert "has room for 2 more connections, this fleet needs 7" in outcome.out


def test_a_redis_replica_is_refused() -> None:
    info = {"role": "slave", "slave_read_only": "1", "master_host": "h", "master_port": "1"}
    assert [each.text for each in redis_preflight._read_only(info)] == [
        "this Redis is a read-only replica of h:1"
    ]
    assert not list(redis_preflight._read_only({"role": "master"}))


def test_an_embedded_broker_whose_file_is_no_database_or_a_newer_one_is_found(
    file: Path, tmp_path: Path
) -> None:
    (tmp_path / "broker.db").write_text("not a database, and long enough to be looked at as one" * 20)
    outcome = connect(file, "sqlite:///broker.db", '[queues."q"]\n')
    assert "file is not a database" in outcome.out
    database = sqlite3.connect(tmp_path / "newer.db")
    database.execute("PRAGMA user_version = 99")
    database.close()
    assert "written by a newer fleet" in connect(file, "sqlite:///newer.db", '[queues."q"]\n').out


def test_a_quorum_queue_needs_rabbitmq_3_8() -> None:
    from fleet.broker.rabbitmq.preflight import _no_quorum
    from fleet.spec import QueueSpec

    queues = [QueueSpec("a", arguments={"x-queue-type": "quorum"}), QueueSpec("b")]
    assert [each.queue for each in _no_quorum("RabbitMQ", "3.7.28", queues)] == ["a"]
    assert not list(_no_quorum("RabbitMQ", "3.8.0", queues))
    assert not list(_no_quorum("RabbitMQ", "4.1.0-rc.1", queues))
    assert not list(_no_quorum("LavinMQ", "2.0", queues))


def test_an_embedded_broker_in_use_is_left_as_it_is(file: Path, tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "broker.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE t (x)")
    database.execute("BEGIN IMMEDIATE")  # somebody writes just now
    database.execute("INSERT INTO t VALUES (1)")

    def state() -> dict[str, bytes]:
        # The shared memory of all connections holds locks, no data.
        return {
            path.name: path.read_bytes() for path in tmp_path.glob("broker.db*") if path.suffix != ".db-shm"
        }

    before = state()
    outcome = connect(file, "sqlite:///broker.db", '[queues."q"]\n', "--format", "text")
    assert (outcome.code, outcome.err) == (0, "")
    assert "can be reached, nothing there contradicts it" in outcome.out
    assert state() == before
    database.close()
    before = state()
    assert connect(file, "sqlite:///broker.db", '[queues."q"]\n').code == 0
    assert state() == before


def test_an_embedded_broker_in_folders_that_nobody_makes(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a variable names the file, so that the file's own checks leave it alone."""
    monkeypatch.setenv("BROKER_FILE", "nope/deeper/broker.db")
    outcome = connect(file, "sqlite:///${BROKER_FILE}", '[queues."q"]\n')
    assert outcome.code == 1
    assert f"it can't be made: there is no folder {file.parent / 'nope'}" in outcome.out
    for url, words in (
        ("sqlite:///nope/deeper/broker.db", "warning[FLT901] there is no folder"),
        ("sqlite:///fleet.toml/broker.db", "error[FLT901] the embedded broker's file can't be made there"),
        ("sqlite:////proc/fleet/broker.db", "error[FLT901] the embedded broker's file can't be made there"),
        ("sqlite:///.", "is a folder: the embedded broker is a file"),
    ):
        outcome = connect(file, url, '[queues."q"]\n')
        assert words in outcome.out
        assert "FLT705" not in outcome.out, "said once"


def test_the_default_broker_is_no_question_before_the_first_up(file: Path) -> None:
    connect(file, "sqlite:///broker.db", '[queues."q"]\n')
    file.write_text(file.read_text().replace("url = 'sqlite:///broker.db'", ""))
    outcome = fleet("validate", file, "--connect")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.rstrip().endswith("the embedded broker is made by `fleet up`")
