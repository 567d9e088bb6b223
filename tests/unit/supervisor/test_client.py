from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleet.launch_specs import ProgramSpec
from fleet.supervisor import rpc_call
from fleet.supervisor.client import SupervisorClient

PLAIN = ProgramSpec("g", "n", ("/bin/true",), "/", {}, "/n.log")


def test_an_older_supervisor_understands_programs_that_need_nothing_new(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The controller is replaced first in an upgrade; a field that is not known there is refused."""
    sent = []
    monkeypatch.setattr(rpc_call, "call", lambda _socket, _method, argument, _seconds: sent.append(argument))
    SupervisorClient(Path("s")).add(PLAIN)
    assert "preload" not in json.loads(sent[0])
    assert ProgramSpec.from_dict(json.loads(sent[0])) == PLAIN
