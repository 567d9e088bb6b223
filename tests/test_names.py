"""The names in fleet: one that occurs twice means the same in both places. What occurs twice is listed here, with that.

Names of files and of public classes. Where a new one clashes and means something else, one of the two changes.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable

from tests.support import ROOT

FILES = sorted(file for file in (ROOT / "fleet").rglob("*.py") if not file.name.startswith("__"))

# Base name → what each file of that name is about.
SAME_FILE = {
    "address": "a broker's address, taken apart by its own kind of broker",
    "app": "the user's app: imported, and checked",
    "backoff": "how long to wait before the next try",
    "bench": "`fleet bench`, and what it shows",
    "changes": "what has changed, as lines of the event log: in the file, in what runs, in rollouts",
    "clock": "the time: ours, and as SQLite has it",
    "commands": "the controller's commands, asked for and carried out",
    "connect": "connecting to a broker, and what `--connect` finds",
    "connection": "a connection to a broker",
    "consumer": "who takes deliveries: a role of brokers, and the worker's loop that does it",
    "dead": "`fleet dead`, and what it shows",
    "delayed": "messages that are not due yet: on the broker, told, listed",
    "dead_letters": "the role, and each broker that fills it",
    "evidence": "what advice goes by: its values, and where a command gets it",
    "events": "events of what happens, written down: the controller's log, Celery's messages",
    "exposition": "metrics as text for Prometheus: of a fleet, of one worker",
    "files": "what is wrong about files that fleet.toml names",
    "frames": "pieces of a byte stream with their lengths",
    "green": "green threads: the pool, and what is wrong about how many there are",
    "inventory": "what there is to run: the tasks of an app, of a Celery app",
    "keys": "names of what is stored: in Redis, in TOML",
    "kombu_transport": "the transport for clients that are not fleet's, per broker",
    "leases": "claims that end by themselves, and who keeps them",
    "lifetimes": "when queues and messages expire, per broker",
    "limits": "time limits, and what is wrong about them",
    "memory": "memory of processes, measured and checked",
    "loading": "finding and loading what the user names: the file, a Celery app",
    "logs": "logs of workers: shown by `fleet logs`, set up as Celery does",
    "metrics": "the metrics of a fleet: told by the controller, printed",
    "messages": "messages as they are on the wire, and what may be wrong about them",
    "mistakes": "what a user may have meant",
    "model": "the values of a package",
    "prefetch": "how many deliveries a worker holds, and what is wrong about that",
    "runner": "runs one delivery to its end: a coroutine, a Celery task",
    "options": "options on a command line: of commands, of supervisord",
    "overrides": "what a person has put over the file, kept and shown",
    "peers": "who is at the other end of a socket",
    "plan": "the plan: made, asked for, shown",
    "preflight": "the role, and each broker that fills it",
    "probes": "questions from outside: to a worker, and to app and broker",
    "process": "a process, as its parent sees it: the supervisor, a pool",
    "progress": "whether something gets on: a worker's work, a rollout",
    "publisher": "the role, and each broker that fills it",
    "pulses": "what carries pulses of hosts: the role, and each broker that fills it",
    "everywhere": "all hosts of a fleet: heard, shown",
    "queues": "a broker's operations on queues",
    "reload": "`fleet reload`: asked for and done",
    "routing": "which queue a task goes to",
    "run": "the door of a package: run the worker, run the rules",
    "schema": "the JSON Schema, made and printed",
    "masking": "secrets made unreadable: in URLs, in findings",
    "send": "`fleet send`: asked for, handed to the controller, done by it",
    "settings": "what a process is to go by",
    "stats": "numbers: of a worker, of queues per broker",
    "stacks": "stacks of a worker: written, asked for, told, shown",
    "status": "`fleet status`: answered, fetched, shown",
    "store": "what keeps things: messages with leases, the controller's state",
    "transport": "kombu's transports",
    "urls": "broker URLs",
    "values": "what is wrong about values in the file",
    "wakeup": "waking a loop that sleeps",
    "why": "why the autoscaler does what it does: worded, shown",
    "words": "wording of messages for people",
    "zygote": "the process that forks workers, and its other end in the supervisor",
    "threads": "threads: the pool, and those that libraries start beside it",
    "due": "what is due: delayed messages, runs of schedules",
    "known": "what is known, from a file: to a check, of past runs",
    "log": "the log lines of a process",
    "notes": "notes on schedules: the text, and each store that keeps it",
    "orders": "what a process is told to do: a worker by its controller, a scheduler by people",
    "schedules": "schedules: asked for, shown, ordered about, observed",
    "sending": "sending tasks, and what is wrong about what schedules send",
}

# Class name → why there are two.
SAME_CLASS = {
    "Autoscale": "the table of the file, and what it resolves to",
    "Channel": "kombu's name, per transport",
    "Dashboard": "the table of the file, and what it resolves to",
    "Exit": "exit codes: of a worker, of a command",
    "Objection": "a broker's, and the same as the rules see it, who may not import the broker",
    "Transport": "kombu's name, per transport",
    "Entry": "one line of a table: of permits, of notes",
    "Log": "the log lines of a process: a worker's, a scheduler's",
    "Supervisor": "the part of SupervisorClient that is used there",
    "Written": "what has been written down: a message, a note",
}


def twice(names: Iterable[str]) -> set[str]:
    return {name for name, count in Counter(names).items() if count > 1}


def classes() -> Iterable[str]:
    for file in FILES:
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name


def test_a_file_name_that_occurs_twice_is_known_to_mean_the_same() -> None:
    found = twice(file.stem for file in FILES)
    assert found - SAME_FILE.keys() == set(), "rename one of them, or say in SAME_FILE what both mean"


def test_a_class_name_that_occurs_twice_is_known_to_mean_the_same() -> None:
    found = twice(classes())
    assert found - SAME_CLASS.keys() == set(), "rename one of them, or say in SAME_CLASS why there are two"


def test_nothing_is_excused_that_occurs_once() -> None:
    assert SAME_FILE.keys() - twice(file.stem for file in FILES) == set()
    assert SAME_CLASS.keys() - twice(classes()) == set()
