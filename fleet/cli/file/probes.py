"""The probes of `fleet validate`: questions to the app, the broker and the workers, and about nodes of a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleet.config.model import Fleet
from fleet.rules.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from fleet.broker.preflight import Preflight
    from fleet.cli.file.app_inventory import Inventory
    from fleet.export.node import Node
    from fleet.rules.app import AppFailure
    from fleet.rules.schedules.sending import RunTime
    from fleet.spec import BrokerSpec, QueueSpec

    RunTimes = Callable[[Fleet], Mapping[str, RunTime]]
    Ask = Callable[[Fleet], Iterable[Finding]]

CONNECT_SECONDS = 15.0

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

    def __init__(
        self,
        *,
        app: bool,
        broker: bool,
        measured: Ask | None = None,
        node: Node | None = None,
        run_times: RunTimes = lambda _fleet: {},
    ) -> None:
        """`measured` gives the findings of what the workers have measured; None: they are not asked.

        `run_times`: by schedule what is known of its runs.
        """
        self._app = app
        self._node = node
        self._broker = broker
        self._measured = measured
        self._run_times = run_times
        self._inventories: dict[str, Inventory | AppFailure] = {}
        self._preflights: dict[str, Preflight | _Unreachable] = {}

    def ask(self, fleet: Fleet) -> Iterator[Finding]:
        """Raises Unreadable when the file names another one that can't be read."""
        if self._app:
            yield from self._ask_app(fleet)
        if self._broker and _is_askable(fleet):
            yield from self._ask_broker(fleet)
        if self._measured is not None:
            yield from self._measured(fleet)
        if self._node is not None:
            from fleet.export.node import too_large
            from fleet.rules.exporting import larger_than_a_node

            for obstacle in too_large(fleet, self._node):
                yield from larger_than_a_node(fleet, obstacle)

    def answers(self, fleet: Fleet) -> Iterator[str]:
        """What turned out well, for a file without findings."""
        from fleet.rules.app import AppFailure
        from fleet.rules.consumption_facts import count

        if self._broker and _is_yet_to_be_made(fleet):
            yield "the embedded broker is made by `fleet up`"
        if self._app and not isinstance(inventory := self._inventory(fleet), AppFailure):
            yield f"{count(len(inventory.tasks), 'task')} of the app, each consumed"
        if (
            self._broker
            and _is_askable(fleet)
            and not isinstance(found := self._preflight(fleet), _Unreachable)
        ):
            # Nothing is declared there: what no queue of the same name has shown is not known.
            told = "nothing there contradicts it" if found.compared else "more was not tried"
            yield f"{found.server} can be reached, {told}"

    def _ask_app(self, fleet: Fleet) -> Iterator[Finding]:
        from fleet.rules.app import AppFailure, app_not_importable, routes_do_not_fit_app

        found = self._inventory(fleet)
        if isinstance(found, AppFailure):
            yield from app_not_importable(fleet, found)
            return
        from fleet.rules.app_pools import async_task_on_green_pool, plain_function_on_asyncio

        yield from routes_do_not_fit_app(fleet, found.tasks)
        yield from async_task_on_green_pool(fleet, found.tasks)
        yield from plain_function_on_asyncio(fleet, found.tasks)
        if found.celery is not None:
            from fleet.rules.celery import celery_setting_without_effect, celery_tasks_acknowledged_early

            yield from celery_setting_without_effect(fleet, found.celery)
            early = [task.name for task in found.tasks if task.early]
            yield from celery_tasks_acknowledged_early(fleet, early)

    def _inventory(self, fleet: Fleet) -> Inventory | AppFailure:
        from fleet.cli.file import app_inventory
        from fleet.config.resolve import app_import

        wanted = app_import(fleet)
        if (key := repr(wanted)) not in self._inventories:
            self._inventories[key] = app_inventory.take_inventory(wanted, fleet.folder, app_inventory.SECONDS)
        return self._inventories[key]

    def _ask_broker(self, fleet: Fleet) -> Iterator[Finding]:
        from fleet.rules.connect import broker_would_refuse

        found = self._preflight(fleet)
        objections = (found,) if isinstance(found, _Unreachable) else found.objections
        for objection in objections:
            yield from broker_would_refuse(fleet, objection)
        if fleet.schedules:
            from fleet.rules.schedules.sending import schedule_faster_than_its_task

            yield from schedule_faster_than_its_task(fleet, self._run_times(fleet))

    def _preflight(self, fleet: Fleet) -> Preflight | _Unreachable:
        from fleet.config.resolve import routing

        wanted = routing(fleet)
        key = f"{wanted.to_json()} {_connections(fleet)}"
        if key not in self._preflights:
            self._preflights[key] = _preflight(wanted.broker, wanted.queues, _connections(fleet))
        return self._preflights[key]


@dataclass(frozen=True, slots=True)
class _Unreachable:
    """The one objection of a broker that could not be asked for others."""

    text: str
    help: str | None = None
    queue: None = None
    argument: None = None
    refused: bool = True


def _is_askable(fleet: Fleet) -> bool:
    """Not where other checks have said that nobody can be asked (FLT723, FLT901 to FLT903), nor where `fleet up` makes
    the state directory and the broker in it.
    """
    from fleet.broker_url.mistakes import mistakes
    from fleet.config.resolve import broker
    from fleet.rules.broker.urls import no_place_for_file

    if _is_yet_to_be_made(fleet) or any(no_place_for_file(fleet)):
        return False
    spec = broker(fleet)
    return all(mistake.harmless for mistake in mistakes(spec.url, spec.transport_options))


def _is_yet_to_be_made(fleet: Fleet) -> bool:
    from fleet.config.resolve import state_dir

    return fleet.broker.url is None and not fleet.broker.url_file and not state_dir(fleet).root.is_dir()


def _preflight(
    broker: BrokerSpec, queues: tuple[QueueSpec, ...], connections: int
) -> Preflight | _Unreachable:
    from fleet.broker.delivery import BrokerUnavailable
    from fleet.broker.open import preflight

    try:
        return preflight(broker, queues, connections=connections, seconds=CONNECT_SECONDS)
    except BrokerUnavailable as error:
        return _Unreachable(f"the broker can't be used: {error}", _advice(str(error)))


def _advice(reason: str) -> str | None:
    """By what brokers and the kernel say; None when they have said it all."""
    return next((advice for words, advice in _ADVICE.items() if words in reason), None)


def _connections(fleet: Fleet) -> int:
    """Of the fleet, and one for whoever sends."""
    from fleet.rules.capacity.connections import connections_needed

    return connections_needed(fleet, fleet.workers) + 1
