"""`url_file`, and the libraries that a broker needs."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.brokers import url_to_use
from fleet.rules.files import text_of_file
from fleet.rules.finding import Finding, Mark
from fleet.rules.registry import rule

# Of each what kombu imports, and who brings it.
_CLIENTS = {
    "redis": (("redis", "packaging"), "pip install 'fleet-workers[redis]'"),
    "sqs": (("boto3",), "pip install 'kombu[sqs]'"),
    "mongodb": (("pymongo",), "pip install 'kombu[mongodb]'"),
    "zookeeper": (("kazoo",), "pip install 'kombu[zookeeper]'"),
    "confluentkafka": (("confluent_kafka",), "pip install 'kombu[confluentkafka]'"),
    "kafka": (("confluent_kafka",), "pip install 'kombu[confluentkafka]'"),
    "consul": (("consul",), "pip install 'kombu[consul]'"),
    "pyro": (("Pyro4",), "pip install 'kombu[pyro]'"),
    "qpid": (("qpid",), "pip install 'kombu[qpid]'"),
    "etcd": (("etcd",), "pip install python-etcd"),
    "sqlalchemy": (("sqlalchemy",), "pip install 'kombu[sqlalchemy]'"),
    "sqla": (("sqlalchemy",), "pip install 'kombu[sqlalchemy]'"),
}


@rule("FLT904", "url-file-unusable", "error", varies=True, reads=("broker.url", "broker.url_file"))
def url_file_unusable(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A `url_file` beside a `url`, one that is not there, or one that holds nothing.

    `url_file` stands instead of `url`: of the two, one would be left out in silence. The file has to be there
    when the fleet starts. One with an absolute path may be there only on the machine that runs it, so that
    its absence here is a warning.

    Bad:

        [broker]
        url = "redis://127.0.0.1:6379/0"
        url_file = "/run/secrets/broker_url"

    Good:

        [broker]
        url = "redis://127.0.0.1:6379/0"
    """
    name, path = fleet.broker.url_file, ("broker", "url_file")
    if name is None:
        return
    if fleet.broker.url is not None:
        yield Finding(
            path,
            "`url_file` stands beside `url`: one of them would be left out",
            related=(Mark(("broker", "url"), "the other one"),),
            help="remove one of the two lines: `url` or `url_file`",
        )
        return
    read = text_of_file(fleet, path, name, as_text="one line, the broker's URL")
    if isinstance(read, Finding):
        yield read


@rule("FLT905", "broker-client-missing", "error", varies=True, reads=("broker.url", "broker.url_file"))
def broker_client_missing(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """The client library of this broker is not installed.

    RabbitMQ's client and the embedded broker come with fleet; Redis' is an extra, and other brokers need the
    library that kombu names. It has to be importable in the environment that runs the workers, which is the
    one that this check runs in.

    Bad (in an environment without redis):

        [broker]
        url = "redis://127.0.0.1:6379/0"

    Good:

        pip install 'fleet-workers[redis]'
    """
    url = url_to_use(fleet)
    if url is None:
        return
    from fleet.broker_url.parts import family

    needed, remedy = _CLIENTS.get(family(url).partition("+")[0], ((), ""))
    missing = [name for name in needed if name not in machine.modules]
    if missing:
        yield Finding(
            ("broker", "url_file" if fleet.broker.url_file else "url"),
            f"this broker needs {' and '.join(missing)}, which can't be imported here",
            help=f"{remedy}, in the environment that runs the workers",
        )
