"""Broker URLs: which kind, and how to show one to people. Standard library only, without sockets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker_url.masking import MASK, mask_url, scrub
from fleet.broker_url.mistakes import mistakes
from fleet.broker_url.parts import family as scheme

__all__ = ["mask_url", "opening", "refuse_bad_url", "scheme", "scrub", "sqlite_path", "unavailable"]


def refuse_bad_url(url: str, options: Mapping[str, Any] | None = None) -> None:
    """Raises BrokerUnavailable in fleet's words: a driver's may show the password, or crash."""
    for mistake in mistakes(url, options):
        if not mistake.harmless:
            remedy = f"; {mistake.help}" if mistake.help else ""
            raise BrokerUnavailable(f"{_named(url)}{mistake.text}{remedy}")


def unavailable(url: str, error: BaseException) -> BrokerUnavailable:
    """What a driver raised, without what it repeats of the URL's secrets."""
    return BrokerUnavailable(f"{_named(url)}{scrub(str(error), url) or type(error).__name__}")


@contextmanager
def opening(url: str) -> Iterator[None]:
    """While a driver reads a URL and options: what it raises for one that it does not take is no bug of fleet's."""
    try:
        yield
    except (TypeError, ValueError, LookupError, AttributeError, ImportError) as error:
        raise unavailable(url, error) from error


def sqlite_path(url: str) -> Path:
    """The file of `sqlite:///relative` or `sqlite:////absolute`, read as SQLAlchemy reads them."""
    path = url.partition("://")[2].partition("?")[0]
    return Path(path.removeprefix("/") or "fleet.db")


def _named(url: str) -> str:
    """The URL before what is said of it; nothing of one that had to be masked as a whole."""
    shown = mask_url(url)
    return "" if shown == MASK else f"{shown}: "
