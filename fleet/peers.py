"""The peer at the other end of a Unix socket, from the kernel: it can't be made up."""

from __future__ import annotations

import os
import pwd
import socket
import struct
import sys
from dataclasses import dataclass

_LOCAL_PEERCRED = 1  # macOS, of level 0: a struct xucred, which begins with version and uid


@dataclass(frozen=True, slots=True)
class Peer:
    """`pid` is 0 where the kernel does not tell."""

    pid: int
    uid: int

    @property
    def name(self) -> str:
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return f"uid {self.uid}"

    @property
    def may_command(self) -> bool:
        """The fleet's own user, and root, who can do everything anyway."""
        return self.uid in (0, os.getuid())


def peer_of(connection: socket.socket) -> Peer:
    """Raises OSError."""
    if sys.platform == "darwin":
        _, uid = struct.unpack_from("II", connection.getsockopt(0, _LOCAL_PEERCRED, 76))
        return Peer(0, uid)
    pid, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return Peer(pid, uid)
