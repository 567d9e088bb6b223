"""One connection for several threads of one process: kombu's clients acknowledge from where the work was done."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from fleet.broker.delivery import BrokerUnavailable

_ANY_THREAD = ("renew",)  # these need no turn, and must not wait for one


class Locked:
    """`target` with one method at a time; every method raises BrokerUnavailable once it is closed.

    `lock` may be shared with others that speak on the same connection. Reentrant: a finalizer may run at any
    moment, also in a thread that has the lock.
    """

    def __init__(self, target: Any, lock: Any) -> None:
        self._target = target
        self._lock = lock
        self._closed = False
        self._pid = os.getpid()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)
        if name in _ANY_THREAD:
            return method

        def alone(*args: Any, **kwargs: Any) -> Any:
            self._refuse_copies()
            with self._lock:
                # A store that is closed would connect again, for an acknowledgement that comes too late.
                if self._closed:
                    raise BrokerUnavailable("the connection is closed")
                return method(*args, **kwargs)

        self.__dict__[name] = alone  # the next time is quicker
        return alone

    def _refuse_copies(self) -> None:
        """A copy in a forked process has the parent's socket, and a lock that nobody may ever release."""
        if os.getpid() != self._pid:
            raise BrokerUnavailable("the connection belongs to the process that opened it, which has forked")

    def close(self) -> None:
        if os.getpid() != self._pid:
            return  # closing would give back what the parent holds
        with self._lock, suppress(BrokerUnavailable):
            if not self._closed:
                self._closed = True
                self._target.close()
