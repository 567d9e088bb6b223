"""The brokers of a run: an own Redis (so that its counters are ours), the machine's RabbitMQ, a SQLite file."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks.processes import Failed


class Brokers:
    """`with Brokers(folder) as brokers`: URLs by name; one that is not there is missing from `urls`."""

    def __init__(self, folder: Path, rabbitmq: str) -> None:
        self._folder = folder
        self._rabbitmq = rabbitmq
        self._redis: subprocess.Popen[bytes] | None = None
        self._port = 0
        self.urls: dict[str, str] = {}

    def __enter__(self) -> Brokers:
        self.urls["sqlite"] = f"sqlite:///{self._folder}/broker.db"
        if shutil.which("redis-server"):
            self._start_redis()
        if self._answers_amqp():
            self.urls["rabbitmq"] = self._rabbitmq
        return self

    def __exit__(self, *_: object) -> None:
        if self._redis is not None:
            self._redis.kill()
            self._redis.wait()

    def _start_redis(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self._redis = subprocess.Popen(
            ["redis-server", "--port", str(self._port), "--save", "", "--dir", str(self._folder)],
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us, who still have to tidy up
        )
        self.urls["redis"] = f"redis://127.0.0.1:{self._port}/0"
        while self._redis.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1):
                return
            time.sleep(0.02)
        raise Failed("redis-server ended at once")

    def _answers_amqp(self) -> bool:
        import kombu

        with suppress(Exception), kombu.Connection(self._rabbitmq, connect_timeout=2) as connection:
            connection.connect()
            return True
        return False

    def versions(self) -> dict[str, str]:
        found = {}
        if self._redis is not None:
            found["Redis"] = self._info("server")["redis_version"]
        if "rabbitmq" in self.urls:
            import kombu

            with kombu.Connection(self._rabbitmq) as connection:
                connection.connect()
                found["RabbitMQ"] = str(connection.connection.server_properties.get("version"))
        return found

    def redis_requests(self) -> int:
        """How often Redis has read from its clients. Its commands would count what scripts do, too."""
        return int(self._info("stats")["total_reads_processed"])

    def _info(self, section: str) -> dict[str, str]:
        import redis

        client = redis.Redis(port=self._port)
        try:
            return {name: str(value) for name, value in client.info(section).items()}
        finally:
            client.close()

    def forget(self, broker: str, queues: Sequence[str]) -> None:
        """Remove what a run has left."""
        if broker == "redis":
            import redis

            redis.Redis(port=self._port).flushall()
        elif broker == "rabbitmq":
            self._forget_amqp(queues)
        else:
            for path in self._folder.glob("broker.db*"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _forget_amqp(self, queues: Sequence[str]) -> None:
        import kombu

        with kombu.Connection(self._rabbitmq) as connection:
            for queue in queues:
                for name in (queue, f"{queue}.DQ", f"{queue}.XQ", f"{queue}.dead"):
                    with suppress(Exception), connection.channel() as channel:
                        channel.queue_delete(name)
                # Celery makes an exchange of the queue's name.
                with suppress(Exception), connection.channel() as channel:
                    channel.exchange_delete(queue)
