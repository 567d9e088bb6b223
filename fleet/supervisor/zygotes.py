"""All zygotes of this supervisor: there is one for each kind of program that wants it, and none else."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from fleet.launch_specs import ProgramSpec
from fleet.supervisor import spawn
from fleet.supervisor.zygote import Zygote

if TYPE_CHECKING:
    from fleet.supervisor.options import EngineOptions


def kind_of(program: ProgramSpec) -> str | None:
    """Programs of the same kind can be forked by the same zygote; None: by none."""
    if not program.preload or not spawn.can_adopt():
        return None
    shared = (
        *(program.preload, program.directory, program.environment),
        *(program.user, program.nice),
    )
    return hashlib.sha256(json.dumps(shared, sort_keys=True).encode()).hexdigest()


class Zygotes:
    """By kind. `tend` says which kinds are wanted."""

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._zygotes: dict[str, Zygote] = {}

    def tend(self, wanted: Mapping[str, ProgramSpec]) -> None:
        """Any program of each kind that is to be kept running."""
        for kind in self._zygotes.keys() - wanted.keys():
            self._zygotes.pop(kind).end()
        for kind, program in wanted.items():
            zygote = self._zygotes.get(kind)
            if zygote is None or zygote.may_be_followed(time.monotonic()):
                self._begin(kind, program, zygote)

    def awaited_until(self, kind: str | None) -> float:
        """How long programs of that kind shall not start yet (monotonic seconds)."""
        zygote = self._zygotes.get(kind) if kind else None
        return 0.0 if zygote is None else zygote.awaited_until

    def fork(self, kind: str | None, program: ProgramSpec, stdin: int, output: int) -> int | None:
        """As os.fork in the parent; None when it has to be done without a zygote."""
        zygote = self._zygotes.get(kind) if kind else None
        return None if zygote is None else zygote.fork(program, stdin, output)

    def _begin(self, kind: str, program: ProgramSpec, before: Zygote | None) -> None:
        try:
            spawn.adopt_orphans()
            self._zygotes[kind] = Zygote(self._options, program, before)
        except OSError as error:
            self._options.logger.warn(f"no zygote for {program.group}: {error}")
