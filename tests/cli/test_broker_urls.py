"""A broker that nobody could connect to: found before anything starts, and its password is shown nowhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.fleets import Project
from tests.cli.invoke import fleet
from tests.support import eventually

SECRET = "hunter2"
WRONG = {
    "empty": ('url = ""', "FLT901"),
    "variable set to nothing": ('url = "${FLEET_TEST_NOTHING:-}"', "FLT901"),
    "shell's variable": ('url = "$BROKER_URL"', "FLT901"),
    "shell's variable as host": ('url = "redis://$REDIS_HOST:6379/0"', "FLT901"),
    "no scheme": ('url = "user:hunter2@rabbit:5672"', "FLT901"),
    "mistyped scheme": ('url = "reddis://user:hunter2@h/0"', "FLT901"),
    "unknown scheme": ('url = "https://user:hunter2@h/0"', "FLT901"),
    "cluster": ('url = "redis+cluster://h/0"', "FLT901"),
    "port": ('url = "amqp://user:hunter2@h:port/0"', "FLT901"),
    "port too high": ('url = "redis://:hunter2@h:99999/0"', "FLT901"),
    "brackets": ('url = "redis://:hunter2@[::1/0"', "FLT901"),
    "database": ('url = "redis://:hunter2@h/images"', "FLT901"),
    "two kinds": ('url = "redis://:hunter2@h/0;amqp://h//"', "FLT901"),
    "sentinel alone": ('url = "sentinel://:hunter2@h:26379/0"', "FLT901"),
    "sqlite with a host": ('url = "sqlite://broker.db"', "FLT901"),
    "slash in password": ('url = "amqp://user:hunter2/x@h/v"', "FLT902"),
    "hash in password": ('url = "redis://:hunter2#x@h/0"', "FLT902"),
    "question mark in password": ('url = "redis://:hunter2?x@h/0"', "FLT902"),
    "all of them in password": ('url = "redis://u:a@b/#:x@127.0.0.1:7391/9"', "FLT902"),
    "all of them in password, AMQP": ('url = "amqp://u:a@b/#:x@127.0.0.1:7391/v"', "FLT902"),
    "semicolon in password": ('url = "amqp://user:hunter2;x@h/v"', "FLT902"),
    "unknown parameter": ('url = "redis://h/0?pasword=hunter2"', "FLT903"),
    "parameter of the wrong type": ('url = "redis://h/0?socket_timeout=soon"', "FLT903"),
    "unknown option of TLS": (
        'url = "rediss://h/0"\ntransport_options = { ssl = { ca_certs = "x", ssl_password = "hunter2" } }',
        "FLT903",
    ),
    "option of the wrong type": (
        'url = "redis://h/0"\ntransport_options = { max_connections = "many" }',
        "FLT903",
    ),
    "two ways": ('url = "redis://h/0"\nurl_file = "held"', "FLT904"),
    "no file": ('url_file = "nowhere"', "FLT904"),
    "a folder": ('url_file = "."', "FLT904"),
    "no text": ('url_file = "binary"', "FLT904"),
    "nothing in the file": ('url_file = "void"', "FLT901"),
    "wrong in the file": ('url_file = "held"', "FLT902"),
}


@pytest.fixture
def project(short_folder: Path) -> Iterator[Project]:
    project = Project(short_folder)
    (short_folder / "held").write_text(f"redis://:{SECRET}/x@127.0.0.1:1/0\n")
    (short_folder / "void").write_text("\n")
    (short_folder / "binary").write_bytes(b"\xff\xfe\n")
    yield project
    project.end()


def broker(project: Project, lines: str) -> Path:
    file = project.folder / "fleet.toml"
    before, _, rest = Path(file).read_text().partition("[broker]\n")
    file.write_text(f"{before}[broker]\n{lines}\n\n[queues.q]{rest.partition('[queues.q]')[2]}")
    return file


@pytest.mark.parametrize("case", WRONG)
def test_validate_tells_a_wrong_broker_url_once_and_without_the_password(project: Project, case: str) -> None:
    lines, code = WRONG[case]
    file = broker(project, lines)
    outcome = fleet("validate", file, "--json")
    errors = [each["code"] for each in json.loads(outcome.out)["diagnostics"] if each["severity"] == "error"]
    assert (outcome.code, errors) == (1, [code])
    for form in ("text", "concise", "github", "gitlab", "sarif", "junit"):
        assert SECRET not in fleet("validate", file, "--strict", "--format", form).out.replace(
            "amqp://shop:hunter2@rabbit.internal",
            "",  # the example of FLT601, which SARIF has with it
        )


@pytest.mark.parametrize("case", ["mistyped scheme", "slash in password", "unknown option of TLS", "no file"])
def test_up_starts_nothing_with_a_wrong_broker_url(project: Project, case: str) -> None:
    broker(project, WRONG[case][0])
    refused = project.run("up")
    assert refused.returncode == 78
    assert WRONG[case][1] in refused.stderr
    assert "nothing was started" in refused.stderr
    assert SECRET not in refused.stdout + refused.stderr
    assert not project.state.root.exists()


@pytest.mark.parametrize("lines", ['url_file = "/nowhere/url"', ""])
def test_up_starts_nothing_without_a_file_of_this_machine(project: Project, lines: str) -> None:
    file = broker(project, lines)
    if not lines:
        file.write_text(file.read_text().replace("[fleet]", '[fleet]\nenv_file = "/nowhere/env"'))
    refused = project.run("up", "--detach")
    assert refused.returncode == 78
    assert "/nowhere/" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not project.state.root.exists()


@pytest.mark.parametrize(
    "url",
    ["redis://:hunter2#x@127.0.0.1:1/0", "amqp://svc:hunter2/x@127.0.0.1:1/v", "amqp://u:hunter2@h:port//"],
)
def test_no_command_shows_the_password(project: Project, url: str) -> None:
    broker(project, f'url = "{url}"')
    for arguments in (
        ["validate", "--connect"],
        ["send", "x"],
        ["dead", "list"],
        ["status"],
        ["plan"],
        ["route", "x"],
    ):
        done = project.run(*arguments)
        assert SECRET not in done.stdout + done.stderr
        assert "bug in fleet" not in done.stderr
        assert "Traceback" not in done.stderr


def test_an_edit_to_a_broken_url_leaves_the_fleet_as_it_is(project: Project) -> None:
    assert project.run("up", "--detach", "--wait").returncode == 0
    before = [program.pid for program in project.working()]
    broker(project, f'url = "redis://:{SECRET}/x@127.0.0.1:1/0"')
    shown = eventually(
        lambda: (text := project.run("status").stdout) and "FLT902" in text and text, within=30
    )
    assert SECRET not in shown
    assert [program.pid for program in project.workers()] == before
    assert all(SECRET not in log.read_text() for log in project.state.logs.glob("*.log"))
    assert project.run("down").returncode == 0


def test_an_environment_may_name_its_broker_the_other_way(project: Project) -> None:
    file = broker(project, 'url = "sqlite:///.fleet/broker.db"')
    file.write_text(file.read_text() + '\n[env.production]\nbroker.url_file = "good"\n')
    (project.folder / "good").write_text("redis://127.0.0.1:1/0\n")
    assert fleet("validate", file, "--format", "concise").out.count("FLT904") == 0
    assert fleet("validate", file, "--env", "production", "--format", "concise").out.count("FLT9") == 0
