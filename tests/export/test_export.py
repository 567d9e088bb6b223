"""`fleet export`: the same bytes for the same file, no secrets, what engines accept, nothing left out by mistake."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleet.cli.options import Failure
from fleet.config.model import Broker, Fleet, Project, Queue, Rollout, Route, WorkerGroup
from tests.export.exporting import EVERYTHING, export, written
from tests.support import ROOT

TARGETS = ["kubernetes", "compose", "systemd", "dockerfile"]
MONITORING = ["grafana", "alerts"]
SHARED = ROOT.parent / "shared" / "data" / "keda-scaledobject-crd.yaml"
EXAMPLES = sorted((ROOT / "examples").glob("**/fleet.toml"))


@pytest.mark.parametrize("target", [*TARGETS, *MONITORING])
def test_the_same_file_gives_the_same_bytes_wherever_it_lies(tmp_path: Path, target: str) -> None:
    first = export(tmp_path / "a", target, EVERYTHING)
    second = export(tmp_path / "b", target, EVERYTHING, env={"API_TOKEN": "x", "LEVEL": "debug"})
    assert (first.exception, second.exception) == (None, None)
    assert written(tmp_path / "a") == written(tmp_path / "b")


@pytest.mark.parametrize("target", [*TARGETS, *MONITORING])
def test_check_says_what_is_stale(tmp_path: Path, target: str) -> None:
    export(tmp_path, target, EVERYTHING)
    assert export(tmp_path, target, EVERYTHING, "--check").return_value == 0
    name = sorted(written(tmp_path))[0]
    (tmp_path / "out" / name).write_text("other\n")
    stale = export(tmp_path, target, EVERYTHING, "--check")
    assert stale.return_value == 2
    assert f"{name} differs" in stale.stderr
    (tmp_path / "out" / name).unlink()
    assert f"{name} is not there" in export(tmp_path, target, EVERYTHING, "--check").stderr


SECRETS = [
    ('url = "${BROKER_URL}"', 'url = "${BROKER_URL}"', {"BROKER_URL": "redis://:s3cr3t@h/0"}),
    ('"${API_TOKEN}"', '"${API_TOKEN}"', {"API_TOKEN": "s3cr3t"}),
    ('"${LEVEL:-info}"', '"${LEVEL:-info}"', {"LEVEL": "s3cr3t"}),
]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("before", "after", "env"), SECRETS)
def test_a_secret_s_value_is_never_written(
    tmp_path: Path, target: str, before: str, after: str, env: dict[str, str]
) -> None:
    made = export(tmp_path, target, EVERYTHING.replace(before, after), env=env)
    assert made.exception is None
    assert "s3cr3t" not in "".join(written(tmp_path).values()) + made.output


IN_THE_FILE = {
    "url": ('url = "${BROKER_URL}"', 'url = "redis://:s3cr3t@h/0"'),
    "name": ('"${API_TOKEN}"', '"s3cr3t"'),
    "last word": ('REGION = "eu: west"', 'DB_PASS = "s3cr3t"'),
    "another URL": ('REGION = "eu: west"', 'HTTP_PROXY = "http://u:s3cr3t@p"'),
    "password as user": ('url = "${BROKER_URL}"', 'url = "redis://s3cr3t@h/0"'),
    "header": ('REGION = "eu: west"', 'HEADER = "Authorization: Bearer s3cr3tabc"'),
    "other environment": ("[rollout]", '[env.dev.workers.http.env]\nDB_PASSWORD = "s3cr3t"\n\n[rollout]'),
    "option": ("[queues.http]", 'transport_options = { password = "s3cr3t" }\n\n[queues.http]'),
}


@pytest.mark.parametrize("target", ["kubernetes", "compose", "systemd"])
@pytest.mark.parametrize("case", IN_THE_FILE)
def test_a_secret_that_stands_in_the_file_is_not_copied(tmp_path: Path, target: str, case: str) -> None:
    assert IN_THE_FILE[case][0] in EVERYTHING
    made = export(tmp_path, target, EVERYTHING.replace(*IN_THE_FILE[case]))
    assert "would go into files that many can read" in made.stderr
    assert "s3cr3t" not in made.output + made.stderr
    if target == "systemd":
        assert "s3cr3t" not in "".join(written(tmp_path).values())
    else:  # fleet.toml would be among the files
        assert isinstance(made.exception, Failure)
        assert made.exception.exit_code == 1
        assert not (tmp_path / "out").exists()


SECRET_DEFAULTS = [
    ('"${API_TOKEN}"', '"${API_TOKEN:-s3cr3t}"', "API_TOKEN"),
    ('"${LEVEL:-info}"', '"${DB:-postgres://u:s3cr3t@db/x}"', "DB"),
    ('url = "${BROKER_URL}"', 'url = "${BROKER_URL:-redis://:s3cr3t@h/0}"', "BROKER_URL"),
    (
        "[rollout]",
        '[env.dev.workers.http.env]\nDB_PASSWORD = "${DB_PASSWORD:-s3cr3t}"\n\n[rollout]',
        "DB_PASSWORD",
    ),
]


@pytest.mark.parametrize("target", ["kubernetes", "compose", "systemd"])
@pytest.mark.parametrize(("before", "after", "variable"), SECRET_DEFAULTS)
def test_the_default_of_a_secret_variable_stays_here(
    tmp_path: Path, target: str, before: str, after: str, variable: str
) -> None:
    """The variable is the engine's secret there, as one without a default is."""
    made = export(tmp_path, target, EVERYTHING.replace(before, after))
    assert made.exception is None
    assert f"the default of {variable} is not copied" in made.stderr
    files = written(tmp_path)
    assert "s3cr3t" not in "".join(files.values()) + made.output + made.stderr
    if target != "systemd":
        assert files["fleet.toml"] == EVERYTHING.replace(
            before,
            after.replace(":-s3cr3t", "")
            .replace(":-postgres://u:s3cr3t@db/x", "")
            .replace(":-redis://:s3cr3t@h/0", ""),
        )
    if target == "kubernetes":
        assert variable == "DB_PASSWORD" or variable in files["secret.example.yaml"]
        assert export(tmp_path, target, EVERYTHING.replace(before, after), "--strict").return_value == 0


def test_a_secret_in_a_comment_is_not_copied(tmp_path: Path) -> None:
    text = '# url = "redis://:s3cr3t@h/0"\n' + EVERYTHING.replace(
        "max_surge = 2", "max_surge = 2 # PASSWORD=s3cr3t"
    )
    assert export(tmp_path, "compose", text).exception is None
    assert written(tmp_path)["fleet.toml"] == text.replace("s3cr3t", "***")


def test_switches_and_variables_are_no_secrets_whatever_their_names(tmp_path: Path) -> None:
    text = EVERYTHING.replace(
        'REGION = "eu: west"', 'USE_TOKEN = "true", PASS = "${PASS:-}", P = "http://p:80"'
    )
    assert export(tmp_path, "kubernetes", text, "--strict").return_value == 0


@pytest.mark.parametrize("version", ["1.32", "1.34"])
@pytest.mark.parametrize("scaler", ["view", "broker", "none"])
def test_kubernetes_knows_every_key_that_is_written(tmp_path: Path, scaler: str, version: str) -> None:
    assert export(tmp_path, "kubernetes", EVERYTHING, "--scaler", scaler).exception is None
    accept(sorted((tmp_path / "out").glob("*.yaml")), version)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT / "examples")))
def test_kubernetes_knows_every_key_of_the_examples(tmp_path: Path, path: Path) -> None:
    made = export(tmp_path, "kubernetes", path.read_text(), "--memory", "256MiB")
    assert made.exception is None
    accept(sorted((tmp_path / "out").glob("*.yaml")), "1.34")


def accept(paths: list[Path], version: str) -> None:
    program = Path(sys.executable).with_name("kubernetes-validate")
    known = [path for path in paths if path.name != "kustomization.yaml"]
    plain = []
    for path in known:
        # Not one of Kubernetes' own: it is held against KEDA's schema.
        objects = [each for each in yaml.safe_load_all(path.read_text()) if each["kind"] != "ScaledObject"]
        path.with_suffix(".plain").write_text(yaml.safe_dump_all(objects))
        plain.append(path.with_suffix(".plain"))
    ran = subprocess.run(
        [program, "-k", version, "--strict", *plain], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("scaler", ["view", "broker"])
def test_keda_knows_every_key_of_a_scaled_object(tmp_path: Path, scaler: str) -> None:
    if not SHARED.exists():
        pytest.skip("KEDA's schema is not beside this checkout (../shared/data)")
    import jsonschema

    export(tmp_path, "kubernetes", EVERYTHING, "--scaler", scaler)
    found = [
        each for each in yaml.safe_load_all(written(tmp_path)["http.yaml"]) if each["kind"] == "ScaledObject"
    ]
    assert len(found) == 1
    crd = yaml.safe_load(SHARED.read_text())
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    jsonschema.validate(found[0], closed(schema))
    assert found[0]["spec"]["minReplicaCount"] == 1
    assert found[0]["spec"]["maxReplicaCount"] == 8


def closed(schema: Any) -> Any:
    """The same, but without room for keys that it does not name."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(value) for key, value in schema.items()}
    if "properties" in made and "additionalProperties" not in made:
        made["additionalProperties"] = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    if made.get("type") == "object" and set(made.get("properties", {})) == set():
        made.pop("additionalProperties", None)
    return made


def test_systemd_takes_every_unit(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    text = EVERYTHING.replace('env_file = ".env"\n', "").replace('user = "1000"', 'user = "root"')
    text += NIGHTLY
    assert export(tmp_path, "systemd", text).exception is None
    units = tmp_path / "units"
    units.mkdir()
    for name, unit in written(tmp_path).items():
        # What the unit starts and who it is are the host's.
        here = unit.replace("/srv/big-shop/.venv/bin/fleet", sys.executable).replace(
            "User=big-shop", "User=root"
        )
        (units / name.replace("@.service", "@0.service")).write_text(here)
        (units / name).write_text(here)
    for path in sorted([*units.glob("*@0.service"), *units.glob("*-view.service")]):
        ran = subprocess.run(
            ["systemd-analyze", "verify", path],
            capture_output=True,
            text=True,
            check=False,
            env={"SYSTEMD_UNIT_PATH": f"{units}:"},
        )
        ours = [line for line in ran.stderr.splitlines() if str(units) in line or path.name in line]
        assert ours == [], path.read_text()


def test_a_compose_file_has_what_docker_asks_for(tmp_path: Path) -> None:
    export(tmp_path, "compose", EVERYTHING)
    compose = yaml.safe_load(written(tmp_path)["compose.yaml"])
    images = compose["services"]["images"]
    assert images["command"] == ["fleet", "worker", "images"]
    assert images["stop_grace_period"] == "100s"
    assert images["deploy"]["replicas"] == 3
    assert images["deploy"]["update_config"]["order"] == "start-first"
    assert compose["services"]["ticker-1"]["deploy"]["update_config"]["order"] == "stop-first"
    assert images["environment"]["BROKER_URL"] == "${BROKER_URL:?set it in .env}"


def test_groups_that_would_have_one_name_are_refused(tmp_path: Path) -> None:
    text = EVERYTHING.replace("[workers.Ticker_1]", "[workers.IMAGES]")
    made = export(tmp_path, "kubernetes", text, "--strict")
    assert made.return_value == 1
    assert "would both be called 'images'" in made.stderr


def test_the_embedded_broker_is_refused_for_pods(tmp_path: Path) -> None:
    made = export(
        tmp_path, "kubernetes", EVERYTHING.replace('[broker]\nurl = "${BROKER_URL}"\n', ""), "--strict"
    )
    assert made.return_value == 1
    assert "the embedded broker is a file of one host" in made.stderr


def test_a_concurrency_that_depends_on_the_node_is_refused(tmp_path: Path) -> None:
    made = export(
        tmp_path, "kubernetes", EVERYTHING.replace("concurrency = 4", 'concurrency = "cpus"'), "--strict"
    )
    assert made.return_value == 1
    assert 'concurrency = "cpus"' in made.stderr


# --- every key of the model ------------------------------------------------------------------------------

# What a change of a key does to an export that ignores it, on purpose. All else has to show.
THE_FILE = "read by the worker from the file itself, which is mounted"
ENGINE = "the engine's own affair"
IGNORED = {
    "fleet.app": THE_FILE,
    "fleet.pythonpath": THE_FILE,
    "fleet.timezone": "of schedules; read by `fleet view` from the file itself",
    "fleet.beat": "of a Celery app; then the view is left out",
    "fleet.beat_scheduler": "of schedules; read by `fleet view` from the file itself",
    "fleet.state_dir": "`fleet worker` has none",
    "broker.accept": THE_FILE,
    "broker.allow_unsafe_serializers": THE_FILE,
    "broker.heartbeat": THE_FILE,
    "broker.lease": THE_FILE,
    "broker.transport_options": THE_FILE,
    "broker.max_message_size": THE_FILE,
    "broker.max_connections": "checked by `fleet validate`",
    **{f"queues.{key}": THE_FILE for key in Queue.fields},
    **{f"routes.{key}": THE_FILE for key in Route.fields},
    **{
        f"workers.{key}": THE_FILE
        for key in (
            *("queue_order", "prefetch", "acks", "max_deliveries", "max_retries", "retry_backoff"),
            *(
                "retry_backoff_max",
                "soft_time_limit",
                "time_limit",
                "max_tasks",
                "max_age",
                "opened_at_import",
            ),
            *("queues", "threads", "log_level", "log_format"),
        )
    },
}
TABLES = {
    "fleet": Project,
    "broker": Broker,
    "queues": Queue,
    "routes": Route,
    "workers": WorkerGroup,
    "rollout": Rollout,
}
APART = {"machine", "defaults", "dashboard", "history", "alerts", "schedules", "lint", "env"}
"""Tables that are about `fleet validate` and `fleet up`, or are merged into others."""
CHANGED = {
    "fleet.name": '"other"',
    "fleet.env_file": '"other.env"',
    "broker.url": '"${OTHER_URL}"',
    "broker.url_file": '"/run/secrets/url"',
    "workers.pool": '"threads"',
    "workers.concurrency": "7",
    "workers.replicas": "5",
    "workers.grace_period": '"77s"',
    "workers.max_memory": '"333MiB"',
    "workers.singleton": "true",
    "workers.env": '{ OTHER = "1" }',
    "workers.nice": "7",
    "workers.on": '["gpu"]',
    "workers.user": '"2000"',
    "workers.preload": "true",
    "rollout.max_surge": "3",
    "rollout.max_unavailable": "2",
    "rollout.min_ready": '"9s"',
    "rollout.progress_deadline": '"9m"',
    "rollout.on_failure": '"rollback"',
    "rollout.watch": '["*.py"]',
}
BASE = """\
[fleet]
name = "shop"
app = "shop"

[broker]
url = "${BROKER_URL}"

[queues.q]
workload = "io"

[[routes]]
task = "*"
queue = "q"

[workers.w]
queues = ["q"]
pool = "prefork"
concurrency = 4
max_memory = "100MiB"

[rollout]
max_surge = 1
"""


def every_key() -> list[str]:
    return [f"{table}.{key}" for table, model in TABLES.items() for key in model.fields]


def test_every_table_of_the_file_is_accounted_for() -> None:
    assert (
        set(Fleet.fields) - set(TABLES) - APART - {"fleet"} == set()
        or set(Fleet.fields) <= set(TABLES) | APART
    )


@pytest.mark.parametrize("key", every_key())
def test_every_key_is_said_refused_or_left_out_on_purpose(tmp_path: Path, key: str) -> None:
    assert (key in IGNORED) != (key in CHANGED), (
        f"{key}: map it, refuse it, or write down here why it is ignored"
    )
    if key in IGNORED:
        return
    export(tmp_path / "before", "kubernetes", BASE)
    text = changed(key, CHANGED[key])
    after = export(tmp_path / "after", "kubernetes", text)
    assert after.exception is None, after.output
    assert (
        engine_files(tmp_path / "before") != engine_files(tmp_path / "after")
        or key.split(".")[1] in after.stderr
    )


def engine_files(folder: Path) -> dict[str, list[str]]:
    """Without fleet.toml itself, and without the revision, in which everything shows."""
    return {
        name: [line for line in text.splitlines() if "fleet-workers/revision" not in line]
        for name, text in written(folder).items()
        if name != "fleet.toml"
    }


def changed(key: str, value: str) -> str:
    table, name = key.split(".")
    header = {"workers": "[workers.w]", "queues": "[queues.q]", "routes": "[[routes]]"}.get(
        table, f"[{table}]"
    )
    kept = []
    inside = False
    for line in BASE.splitlines():
        inside = line == header if line.startswith("[") else inside
        drop = inside and (
            line.startswith(f"{name} =") or (key == "broker.url_file" and line.startswith("url ="))
        )
        kept += [] if drop else [line]
        if line == header:
            kept.append(f"{name} = {value}")
    return "\n".join(kept) + "\n"


NIGHTLY = """
[[schedules]]
task = "shop.nightly"
cron = "30 3 * * Mon-Fri"
timezone = "Europe/Berlin"
"""


def view_of(folder: Path) -> Any:
    """The pod of `fleet view`; None where there is none."""
    text = written(folder).get("fleet-view.yaml")
    if text is None:
        return None
    return next(yaml.safe_load_all(text))["spec"]["template"]["spec"]["containers"][0]


def test_schedules_are_sent_by_the_view_of_a_cluster(tmp_path: Path) -> None:
    assert export(tmp_path / "without", "kubernetes", BASE).exception is None
    assert view_of(tmp_path / "without") is None
    assert export(tmp_path / "with", "kubernetes", BASE + NIGHTLY, "--strict").return_value == 0
    assert view_of(tmp_path / "with")["command"] == ["fleet", "view"]
    accept(sorted((tmp_path / "with" / "out").glob("*.yaml")), "1.34")
    app = BASE.replace('app = "shop"', 'app = "shop.celery:app"')
    assert export(tmp_path / "app", "kubernetes", app, "--strict").return_value == 0
    limit = view_of(tmp_path / "app")["resources"]["limits"]["memory"]
    assert limit == "512Mi", "it loads the app, which alone knows its beat_schedule"
    assert (
        export(tmp_path / "no", "kubernetes", app.replace("[broker]", "beat = false\n[broker]")).exception
        is None
    )
    assert view_of(tmp_path / "no") is None


def test_schedules_are_sent_by_one_service_or_unit(tmp_path: Path) -> None:
    assert export(tmp_path / "compose", "compose", BASE + NIGHTLY, "--strict").return_value == 0
    services = yaml.safe_load(written(tmp_path / "compose")["compose.yaml"])["services"]
    assert services["fleet-view"]["command"] == ["fleet", "view"]
    assert services["fleet-view"]["deploy"]["replicas"] == 1
    export(tmp_path / "systemd", "systemd", BASE + NIGHTLY)
    assert "/fleet view --listen" in written(tmp_path / "systemd")["fleet-shop-view.service"]


def test_schedules_that_nothing_would_send_are_named(tmp_path: Path) -> None:
    made = export(tmp_path, "kubernetes", EVERYTHING + NIGHTLY, "--strict", "--schedules", "none")
    assert made.return_value == 1
    assert "sends by the clock" in made.stderr
    assert view_of(tmp_path)["command"] == ["fleet", "view", "--no-schedules"]


def test_schedules_become_cron_jobs_where_asked(tmp_path: Path) -> None:
    quarterly = '[[schedules]]\ntask = "shop.sync"\nevery = "15m"\nenabled = false\n'
    made = export(tmp_path, "kubernetes", BASE + NIGHTLY + quarterly, "--schedules", "cronjob", "--strict")
    assert made.return_value == 0, made.stderr
    assert view_of(tmp_path) is None
    accept(sorted((tmp_path / "out").glob("*.yaml")), "1.34")
    nightly, sync = (each["spec"] for each in yaml.safe_load_all(written(tmp_path)["schedules.yaml"]))
    assert (nightly["schedule"], nightly["timeZone"]) == ("30 3 * * mon-fri", "Europe/Berlin")
    assert (sync["schedule"], sync["timeZone"], sync["suspend"]) == ("*/15 * * * *", "Etc/UTC", True)
    pod = nightly["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["command"] == ["fleet", "schedule", "fire", "shop.nightly"]
    assert {"FLEET_FILE", "FLEET_JOB"} == {each["name"] for each in pod["containers"][0]["env"]}


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ('every = "90s"', "every"),
        ('every = "45m"', "every"),
        ('cron = "0 3 L * *"', "cron"),
        ('cron = "0 3 * * 7"', "cron"),
        ('cron = "0 3 * * 1#2"', "cron"),
        ('cron = "0 3 */2 * 1"', "cron"),
        ('cron = "0 0 3 * * *"', "cron"),
        ('cron = "0 3 * * *"\ncatch_up = "all"', "catch_up"),
    ],
)
def test_what_no_cron_job_can_say_is_refused(tmp_path: Path, said: str, word: str) -> None:
    text = f'{BASE}\n[[schedules]]\ntask = "shop.sync"\n{said}\n'
    made = export(tmp_path, "kubernetes", text, "--schedules", "cronjob", "--strict")
    assert made.return_value == 1
    assert f"{word} =" in made.stderr, "with its line"
    if word == "every":
        assert f'for "every {tomllib.loads(said)["every"]}"' in made.stderr, "as the file says it"


@pytest.mark.parametrize(
    ("every", "cron"),
    [("1m", "*/1 * * * *"), ("1h", "0 */1 * * *"), ("6h", "0 */6 * * *"), ("1d", "0 0 * * *")],
)
def test_a_period_becomes_an_expression(tmp_path: Path, every: str, cron: str) -> None:
    text = f'{BASE}\n[[schedules]]\ntask = "shop.sync"\nevery = "{every}"\n'
    assert export(tmp_path, "kubernetes", text, "--schedules", "cronjob", "--strict").return_value == 0
    assert yaml.safe_load(written(tmp_path)["schedules.yaml"])["spec"]["schedule"] == cron
