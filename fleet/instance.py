"""The instance of `fleet worker`: the pod or container a process runs in, and whether one of them still lives.

A restarted container has the host name, and as process 1 the pid, of the one before it. So each process has a token
of its own, "<instance>.<nonce>", and while it lives it holds an abstract Unix socket of that name: whoever comes after
it in the same network (as a pod's next container does) can tell at once that it is dead, without waiting for a lease.
"""

from __future__ import annotations

import _socket
import errno
import os
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any

_BY_ENGINES = (
    re.compile(r"/pods/([0-9a-f][0-9a-f-]{30,})/"),  # Kubernetes: of the pod, the same for its next container
    re.compile(r"/(?:containers|overlay-containers)/([0-9a-f]{64})/"),  # Docker, podman
)
_UNFIT = re.compile(r"[^A-Za-z0-9-]+")


def new_token(environment: dict[str, str] | None = None) -> str:
    """For a process that is about to start."""
    stated = (os.environ if environment is None else environment).get("FLEET_INSTANCE", "")
    instance = stated or _container() or _host()
    return f"{_UNFIT.sub('-', instance)[:64]}.{os.urandom(6).hex()}"


def _host() -> str:
    """With its network: two of one name would else take each other's processes for dead, which they can't see."""
    try:
        network = os.stat("/proc/self/ns/net").st_ino  # noqa: PTH116  no pathlib here
    except OSError:
        network = 0
    return f"{os.uname().nodename}-{network}"


def _container() -> str | None:
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:  # noqa: PTH123  no pathlib here
            return container_of(file)
    except OSError:
        return None


def container_of(mounts: Iterable[str]) -> str | None:
    """What the engine calls the container, or its pod, with these lines of /proc/PID/mountinfo."""
    text = "".join(mounts)
    return next((found[1] for pattern in _BY_ENGINES if (found := pattern.search(text))), None)


def hold(token: str) -> Any:
    """The socket that says, as long as this process has it, that it lives. None where there is no such thing."""
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        sock.bind(_address(token))
        sock.listen(1)
    except (OSError, TypeError, ValueError):
        sock.close()
        return None
    os.register_at_fork(after_in_child=_let_go(sock))  # a copy that outlives the worker is not the worker
    return sock


def _let_go(sock: Any) -> Callable[[], None]:
    return sock.close  # type: ignore[no-any-return]


def lives(token: str) -> bool:
    """Whether a process on this network has it. Where that can't be known (other than Linux) all live."""
    if sys.platform != "linux":
        return True
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        sock.connect(_address(token))
    except OSError as error:
        return error.errno not in (errno.ECONNREFUSED, errno.ENOENT)  # a full queue is one that somebody has
    finally:
        sock.close()
    return True


def _address(token: str) -> bytes:
    return b"\0fleet-worker-" + token.encode()[:90]
