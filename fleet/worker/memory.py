"""The memory that a process holds."""

from __future__ import annotations

import os
import resource
import sys

_PAGE = os.sysconf("SC_PAGE_SIZE")


def rss_bytes(pid: int | None = None) -> int:
    """Resident bytes of `pid`, 0 when it is gone; without a pid of this process."""
    try:
        fd = os.open(f"/proc/{pid or 'self'}/statm", os.O_RDONLY)
    except OSError:
        return 0 if pid else _peak()
    try:
        return int(os.read(fd, 128).split()[1]) * _PAGE
    except OSError:
        return 0
    finally:
        os.close(fd)


def _peak() -> int:
    """Where there is no /proc: the most it ever was. macOS counts in bytes, others in KiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
