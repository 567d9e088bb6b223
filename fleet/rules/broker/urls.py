"""The name of the broker: what can't be a URL, what its client would not take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fleet.config.model import Fleet
from fleet.diagnostics import Severity
from fleet.machine import Machine
from fleet.rules.brokers import embedded_file, is_kind_decided_here, together, url_to_use
from fleet.rules.files import is_folder, why_no_folder
from fleet.rules.finding import Finding, KeyPath, Part
from fleet.rules.registry import rule

if TYPE_CHECKING:
    from fleet.broker_url.mistakes import Kind, Mistake

_READS = ("broker.url", "broker.url_file", "broker.transport_options")


@rule("FLT901", "unusable-broker-url", "error", varies=True, reads=_READS)
def unusable_broker_url(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A broker URL that leads nowhere: no scheme, no such broker, no port.

    Nobody could connect by it, and workers would try for ever. Looked at are the scheme, host and port,
    Redis' database, what Sentinel needs, and each of several URLs ("url;url", tried in turn), which have to
    name brokers of one kind. A broker in memory is another one in each process, and loses what it is sent. The value
    of `${VAR}` and the content of `url_file` count where they are known here. Redis Cluster is not supported.

    Bad:

        [broker]
        url = "ampq://rabbit.internal/shop"

    Good:

        [broker]
        url = "${BROKER_URL}"
    """
    yield from _found(fleet, "url")
    yield from no_place_for_file(fleet)
    if (name := _of_one_process(fleet.broker.url or "")) is not None:
        yield Finding(
            ("broker", "url"),
            f"{name} is a broker inside one process: what is sent there never reaches a worker",
            help="leave `url` out for the embedded broker, which is a file, or name a server",
        )


def no_place_for_file(fleet: Fleet) -> Iterator[Finding]:
    """Where an embedded broker's file that the URL names can't be."""
    file = embedded_file(fleet) if fleet.broker.url else None
    if (
        file is None
        or "\0" in str(file)
        or not fleet.folder.is_dir()
        or _of_one_process(fleet.broker.url or "")
    ):
        return
    path: KeyPath = ("broker", "url")
    if is_folder(file):
        yield Finding(
            path,
            f"{file} is a folder: the embedded broker is a file",
            help="name a file in it, such as broker.db",
        )
    elif (why := why_no_folder(file.parent)) is not None:
        yield Finding(
            path,
            f"the embedded broker's file can't be made there: {why}",
            help="correct the path: sqlite:/// begins at fleet.toml's folder, sqlite://// at the root",
        )
    elif not is_folder(folder := file.parent.parent):
        yield Finding(
            path,
            f"there is no folder {folder} here, and fleet makes only the last one of a path",
            help="create it on the fleet's machine, or correct the path: sqlite:/// begins at fleet.toml's folder, "
            "sqlite://// at the root",
            severity="warning",
        )


def _of_one_process(url: str) -> str | None:
    if not url:
        return None
    from fleet.broker_url.parts import family

    if family(url) == "memory":
        return "memory://"
    return "sqlite:///:memory:" if family(url) == "sqlite" and url.endswith("/:memory:") else None


@rule("FLT902", "password-not-encoded", "error", varies=True, reads=_READS)
def password_not_encoded(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A password in the broker URL with characters that mean something in a URL.

    The first / or ? or # ends the host, and what follows in the password is taken for a path: fleet would
    connect to the wrong place, or not at all. Where a character is ambiguous only (@, : or a space), it is
    a warning. Each of them can be percent-encoded: / is %2F, # is %23, @ is %40.

    Bad:

        [broker]
        url = "redis://:p/w#x@redis.internal:6379/0"

    Good:

        [broker]
        url = "redis://:p%2Fw%23x@redis.internal:6379/0"
    """
    yield from _found(fleet, "password")


@rule("FLT903", "unknown-broker-option", "error", varies=True, reads=_READS)
def unknown_broker_option(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A URL parameter or transport option that the broker's client does not take.

    The client would refuse to connect, with words of its own; or it would leave out what was meant, which is
    a warning. Redis' client names the options of TLS with `ssl_`. The embedded broker has none.

    Bad:

        [broker]
        url = "rediss://redis.internal/0"
        transport_options = { ssl = { ca_certs = "ca.pem" } }

    Good:

        [broker]
        url = "rediss://redis.internal/0"
        transport_options = { ssl = { ssl_ca_certs = "ca.pem" } }
    """
    yield from _found(fleet, "parameter")


def _found(fleet: Fleet, kind: Kind) -> Iterator[Finding]:
    is_embedded = fleet.broker.url is None and not fleet.broker.url_file
    if is_embedded and not fleet.broker.transport_options:
        return  # before the imports
    url = "sqlite:///broker.db" if is_embedded else url_to_use(fleet)
    if url is None:
        return
    from fleet.broker_url.mistakes import mistakes

    place: KeyPath = ("broker", "url_file" if fleet.broker.url_file else "url")
    found = []
    for mistake in mistakes(url, fleet.broker.transport_options):
        # With a variable another broker may be meant elsewhere, which takes what this one leaves out.
        is_for_others = mistake.harmless and mistake.option is not None and not is_kind_decided_here(fleet)
        if mistake.kind == kind and not is_for_others:
            path = place if mistake.option is None else ("broker", "transport_options", *mistake.option)
            severity: Severity | None = "warning" if mistake.harmless else None
            found.append(
                Finding(
                    path,
                    mistake.text,
                    help=mistake.help,
                    within=mistake.where,
                    part=_part(mistake),
                    severity=severity,
                )
            )
    yield from together(fleet, place, found)


def _part(mistake: Mistake) -> Part:
    """An option that is not known is shown by its name, one with a wrong value by that."""
    return "key" if mistake.option is not None and mistake.by_name else "whole"
