"""The names of supervisor that fleet.supervisor builds on without their being documented.

When a new version of supervisor breaks one of these, it must be here and not in somebody's production.
"""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import xmlrpc.client
from pathlib import Path

import pytest
from supervisor import dispatchers, events, http, loggers, options, poller, process, states, supervisord
from supervisor import xmlrpc as rpc

from tests.process.supervising import supervised


def parameters(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)  # type: ignore[arg-type]


def source(thing: object) -> str:
    return inspect.getsource(thing)  # type: ignore[arg-type]


def test_supervisords_subprocess_has_the_methods_that_are_overridden() -> None:
    expected = {
        "change_state": ["self", "new_state", "expected"],
        "transition": ["self"],
        "spawn": ["self"],
        "get_execv_args": ["self"],
        "_spawn_as_parent": ["self", "pid"],
        "_spawn_as_child": ["self", "filename", "argv"],
        "finish": ["self", "pid", "sts"],
        "stop": ["self"],
        "kill": ["self", "sig"],
        "signal": ["self", "sig"],
    }
    for name, signature in expected.items():
        assert parameters(getattr(process.Subprocess, name)) == signature
    for name in ("pid", "state", "killing", "laststart", "pipes", "group"):
        assert hasattr(process.Subprocess, name)


def test_supervisords_spawn_calls_the_methods_that_are_overridden() -> None:
    text = source(process.Subprocess.spawn)
    for call in (
        "self.get_execv_args()",
        "make_dispatchers(self)",
        "options.fork()",
        "_spawn_as_child(filename, argv)",
    ):
        assert call in text


def test_supervisords_options_have_the_methods_that_are_overridden() -> None:
    for name, signature in {
        "usage": ["self", "msg"],
        "set_uid_or_exit": ["self"],
        "set_rlimits_or_exit": ["self"],
        "make_logger": ["self"],
        "write_pidfile": ["self"],
        "setsignals": ["self"],
        "get_signal": ["self"],
        "fork": ["self"],
        "waitpid": ["self"],
        "cleanup": ["self"],
        "make_pipes": ["self", "stderr"],
        "readfd": ["self", "fd"],
    }.items():
        assert parameters(getattr(options.ServerOptions, name)) == signature


def test_main_needs_only_the_attributes_that_are_set() -> None:
    """Everything that Supervisor reads from its options is either inherited or set by EngineOptions."""
    from fleet.statedir import StateDir
    from fleet.supervisor.options import EngineOptions

    made = EngineOptions(StateDir(Path("/tmp/none")))
    read = set(re.findall(r"self\.options\.(\w+)", source(supervisord.Supervisor)))
    made_later = {"logger"}
    assert read - made_later <= set(dir(made))


def test_reap_uses_waitpid_pidhistory_and_finish() -> None:
    text = source(supervisord.Supervisor.reap)
    for used in ("self.options.waitpid()", "self.options.pidhistory.get(pid", "process.finish(pid, sts)"):
        assert used in text


def test_supervisord_takes_one_signal_in_a_pass_of_its_loop() -> None:
    receiver = options.SignalReceiver()
    receiver.receive(15, None)
    assert receiver._signals_recvd == [15]
    assert source(supervisord.Supervisor.handle_signal).count("get_signal()") == 1


def test_the_main_loop_polls_then_transitions_then_reaps() -> None:
    """Why reaping is left in its place: it closes descriptors that this pass may still read."""
    text = source(supervisord.Supervisor.runforever)
    order = [
        text.index(call) for call in ("poller.poll(", "group.transition()", "self.reap()", "handle_signal()")
    ]
    assert order == sorted(order)


def test_whatever_is_in_the_pid_history_is_told_of_its_end() -> None:
    """Zygotes are in there too, although they are no Subprocess."""
    text = source(supervisord.Supervisor.reap)
    for used in (
        "self.options.pidhistory.get(pid, None)",
        "process.finish(pid, sts)",
        "del self.options.pidhistory[pid]",
    ):
        assert used in text


def test_the_main_loop_serves_the_asyncore_map() -> None:
    text = source(supervisord.Supervisor.runforever)
    for used in ("combined_map.update(socket_map)", "handle_read_event()", "handle_error()"):
        assert used in text


def test_process_config_takes_the_parameters_that_we_give() -> None:
    from fleet.launch_specs import ProgramSpec
    from fleet.supervisor.settings import _parameters

    spec = ProgramSpec("g", "n", ("/bin/true",), "/", {}, "/tmp/x.log")
    assert set(_parameters(spec)) == set(options.ProcessConfig.req_param_names)
    assert parameters(options.ProcessGroupConfig) == ["options", "name", "priority", "process_configs"]


def test_groups_and_processes_are_plain_dictionaries() -> None:
    assert parameters(supervisord.Supervisor.add_process_group) == ["self", "config"]
    assert parameters(supervisord.Supervisor.remove_process_group) == ["self", "name"]
    assert "self.processes = {}" in source(process.ProcessGroupBase.__init__)


def test_supervisords_states_and_moods_are_those_that_are_used() -> None:
    assert (
        states.SupervisorStates.SHUTDOWN
        < states.SupervisorStates.RESTARTING
        < states.SupervisorStates.RUNNING
    )
    expected = {"STOPPED", "EXITED", "FATAL", "UNKNOWN"}
    assert {getattr(states.ProcessStates, name) for name in expected} == set(states.STOPPED_STATES)


def test_supervisords_event_bus_has_the_events_that_are_used() -> None:
    assert parameters(events.subscribe) == ["type", "callback"]
    assert issubclass(events.SupervisorStoppingEvent, events.Event)


def test_deferred_answers_come_back_after_their_delay() -> None:
    assert "callback.delay" in source(rpc.DeferredXMLRPCResponse.__init__)
    assert "NOT_DONE_YET" in source(rpc.DeferredXMLRPCResponse.more)
    assert "elapsed > self.delay" in source(http.deferring_http_channel.writable)


def test_supervisord_has_the_classes_that_are_subclassed() -> None:
    assert parameters(dispatchers.PDispatcher.__init__) == ["self", "process", "channel", "fd"]
    assert parameters(loggers.Handler.emit) == ["self", "record"]
    assert parameters(poller.Poller.poll) == ["self", "timeout"]


def test_the_warning_that_is_left_out() -> None:
    assert "Server %r running without any HTTP '\n                'authentication checking'" in source(
        http.make_http_servers
    )


def test_the_server_config_has_the_keys_that_are_read() -> None:
    text = source(http.make_http_servers)
    for key in ("family", "file", "chmod", "chown", "username", "password", "section"):
        assert f"config['{key}']" in text


@pytest.mark.process
def test_supervisorctl_can_read_and_steer(state_dir: Path) -> None:
    with supervised(state_dir) as sup:
        sup.add("0")
        transport = rpc.SupervisorTransport(serverurl=f"unix://{sup.state.supervisor_socket}")
        server = xmlrpc.client.ServerProxy("http://localhost", transport)
        names = {info["name"]: info["statename"] for info in server.supervisor.getAllProcessInfo()}  # type: ignore[attr-defined,union-attr,call-overload,index]
        assert names == {"fleet.controller": "RUNNING", "g.0": "RUNNING"}
        server.supervisor.stopProcess("g:g.0", False)
        sup.until("g:0", lambda p: p.state == "stopped")
        server.supervisor.startProcess("g:g.0", False)
        sup.running("g:0")
        transport.close()


@pytest.mark.process
@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("restart", ()),  # supervisorctl reload
        ("shutdown", ()),
        ("reloadConfig", ()),  # supervisorctl update, reread
        ("stopAllProcesses", ()),
        ("stopProcess", ("fleet:fleet.controller",)),
        ("stopProcess", ("fleet:*",)),
        ("stopProcessGroup", ("fleet",)),
    ],
)
def test_supervisorctl_cannot_end_the_fleet(state_dir: Path, method: str, arguments: tuple[str, ...]) -> None:
    with supervised(state_dir) as sup:
        sup.add("0")
        before = sup.client.snapshot()
        transport = rpc.SupervisorTransport(serverurl=f"unix://{sup.state.supervisor_socket}")
        server = xmlrpc.client.ServerProxy("http://localhost", transport)
        with pytest.raises(xmlrpc.client.Fault, match=r"`fleet (down|reload)`"):
            getattr(server.supervisor, method)(*arguments)
        calls = [{"methodName": f"supervisor.{method}", "params": list(arguments)}]
        (said,) = server.system.multicall(calls)  # type: ignore[misc]
        assert "`fleet " in said["faultString"]  # type: ignore[index,call-overload]
        transport.close()
        after = sup.client.snapshot()
        assert not after.stopping
        assert {program.pid for program in after.programs} == {program.pid for program in before.programs}


@pytest.mark.process
@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user")
def test_a_stranger_at_the_supervisors_socket_is_not_heard(short_folder: Path) -> None:
    with supervised(short_folder) as sup:
        for folder in (short_folder, *short_folder.parents):
            if folder.stat().st_uid == os.getuid() and folder != folder.parent and folder.name != "tmp":
                folder.chmod(0o755)
        sup.state.supervisor_socket.parent.chmod(0o755)
        sup.state.supervisor_socket.chmod(0o777)
        ask = (
            "import socket, sys; s = socket.socket(socket.AF_UNIX); s.settimeout(9); s.connect(sys.argv[1])\n"
            "s.sendall(b'POST /RPC2 HTTP/1.0\\r\\nContent-Length: 0\\r\\n\\r\\n'); print(s.recv(100))"
        )
        stranger = subprocess.run(
            ["/usr/bin/python3", "-c", ask, str(sup.state.supervisor_socket)],
            user="nobody",
            capture_output=True,
            text=True,
            check=False,
        )
        assert stranger.stdout.strip() in ("b''", ""), stranger.stdout
        assert "Permission" not in stranger.stderr
        assert sup.client.snapshot().pid
        assert "may not command" in (sup.state.logs / "supervisord.log").read_text()
