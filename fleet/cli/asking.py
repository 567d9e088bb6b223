"""What the file alone can't tell, each thing asked once: the app (--app) and the broker (--connect)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleet.config.model import Fleet
from fleet.rules.finding import Finding

if TYPE_CHECKING:
    from fleet.broker.survey import Survey
    from fleet.rules.app import AppFailure, AppTask
    from fleet.spec import BrokerSpec, QueueSpec

CONNECT_SECONDS = 15.0

# Besides the workers: the controller, and one for whoever sends.
_OTHER_CONNECTIONS = 2

_ADVICE = {
    "ACCESS_REFUSED": "check user and password of the URL; the broker's log says more",
    "vhost": "make the vhost and let the user in: `rabbitmqctl add_vhost`, `set_permissions`",
    "WRONGPASS": "check user and password of the URL",
    "NOAUTH": "the server wants a password: redis://:${REDIS_PASSWORD}@…",
    "refused": "is the broker running, and at this address?",
    "timed out": "is this address right, and does a firewall stand between?",
    "no answer": "is this address right, and does a firewall stand between?",
    "not known": "is the host's name right?",
    "package is missing": "it has to be installed wherever workers run",
}


class Questions:
    """`ask` is called once for each environment; most share app and broker, so answers are remembered."""

    def __init__(self, *, app: bool, broker: bool) -> None:
        self._app = app
        self._broker = broker
        self._inventories: dict[str, tuple[AppTask, ...] | AppFailure] = {}
        self._surveys: dict[str, Survey | _Unreachable] = {}

    def ask(self, fleet: Fleet) -> Iterator[Finding]:
        """Raises Unreadable when the file names another one that can't be read."""
        if self._app:
            yield from self._ask_app(fleet)
        if self._broker:
            yield from self._ask_broker(fleet)

    def answers(self, fleet: Fleet) -> Iterator[str]:
        """What turned out well, for a file without findings."""
        from fleet.rules.view import count

        if self._app and isinstance(tasks := self._inventory(fleet), tuple):
            yield f"{count(len(tasks), 'task')} of the app, each consumed"
        if self._broker and not isinstance(found := self._survey(fleet), _Unreachable):
            yield f"{found.server} would take it"

    def _ask_app(self, fleet: Fleet) -> Iterator[Finding]:
        from fleet.rules.app import app_not_importable, routes_do_not_fit_app

        found = self._inventory(fleet)
        if isinstance(found, tuple):
            yield from routes_do_not_fit_app(fleet, found)
        else:
            yield from app_not_importable(fleet, found)

    def _inventory(self, fleet: Fleet) -> tuple[AppTask, ...] | AppFailure:
        from fleet.cli import app_inventory
        from fleet.config.resolve import app_import

        wanted = app_import(fleet)
        if (key := repr(wanted)) not in self._inventories:
            self._inventories[key] = app_inventory.take_inventory(wanted, fleet.folder, app_inventory.SECONDS)
        return self._inventories[key]

    def _ask_broker(self, fleet: Fleet) -> Iterator[Finding]:
        from fleet.rules.connect import broker_would_refuse

        found = self._survey(fleet)
        objections = (found,) if isinstance(found, _Unreachable) else found.objections
        for objection in objections:
            yield from broker_would_refuse(fleet, objection)

    def _survey(self, fleet: Fleet) -> Survey | _Unreachable:
        from fleet.config.resolve import routing

        wanted = routing(fleet)
        key = f"{wanted.to_json()} {_connections(fleet)}"
        if key not in self._surveys:
            self._surveys[key] = _survey(wanted.broker, wanted.queues, _connections(fleet))
        return self._surveys[key]


@dataclass(frozen=True, slots=True)
class _Unreachable:
    """The one objection of a broker that could not be asked for others."""

    text: str
    help: str | None = None
    queue: None = None
    argument: None = None
    refused: bool = True


def _survey(broker: BrokerSpec, queues: tuple[QueueSpec, ...], connections: int) -> Survey | _Unreachable:
    from fleet.broker.delivery import BrokerUnavailable
    from fleet.broker.survey import survey

    try:
        return survey(broker, queues, connections=connections, seconds=CONNECT_SECONDS)
    except BrokerUnavailable as error:
        return _Unreachable(f"the broker can't be used: {error}", _advice(str(error)))


def _advice(reason: str) -> str | None:
    """By what brokers and the kernel say; None when they have said it all."""
    return next((advice for words, advice in _ADVICE.items() if words in reason), None)


def _connections(fleet: Fleet) -> int:
    """One for each worker, those of a rollout included."""
    most = [group.replica_bounds()[1] for group in fleet.workers.values()]
    return sum(most) + (fleet.rollout.max_surge if most else 0) + _OTHER_CONNECTIONS
