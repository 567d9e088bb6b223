"""`fleet init --from` at the command line: commands instead of files, and what is wrong with what it is given."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.cli.invoke import fleet


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)


def made(folder: str = ".") -> dict[str, Any]:
    return tomllib.loads(Path(folder, "fleet.toml").read_text())


def test_a_command_of_several_words() -> None:
    outcome = fleet("init", "--from", "celery", "-A", "proj", "worker", "-c", "4", "-Q", "a,b")
    assert outcome.code == 0, outcome.out + outcome.err
    assert made()["workers"]["worker"] == {"queues": ["a", "b"], "pool": "prefork", "concurrency": 4}


def test_a_command_as_one_word_into_another_folder() -> None:
    outcome = fleet("init", "new", "--from", "python -m celery -A proj.celery:app worker -P gevent -c 50")
    assert outcome.code == 0
    assert made("new")["fleet"]["app"] == "proj.celery:app"
    assert made("new")["workers"]["worker"]["pool"] == "gevent"


def test_several_files_are_one_fleet() -> None:
    for name in ("a", "b"):
        Path(f"{name}.service").write_text(
            f"[Service]\nExecStart=/bin/celery -A proj worker -n {name}@%%h -Q {name}\n"
        )
    assert fleet("init", "--from", "a.service", "b.service").code == 0
    assert [group["queues"] for group in made()["workers"].values()] == [["a"], ["b"]]


def test_a_unit_and_its_file_of_variables_are_one_group() -> None:
    shape = Path(__file__).parent / "shapes" / "systemd-multi"
    for name in ("celery.service", "celery-of-the-example"):
        Path(name).write_bytes((shape / name).read_bytes())
    alone = fleet("init", "alone", "--from", "celery.service")
    both = fleet("init", "both", "--from", "celery.service", "celery-of-the-example")
    assert (both.code, both.out.replace("both", "alone")) == (alone.code, alone.out)

    def settings(folder: str) -> str:
        return (Path(folder) / "fleet.toml").read_text().partition("\n")[2]

    assert settings("both") == settings("alone")


def test_a_files_variables_are_known_though_they_lie_elsewhere_than_the_unit_says() -> None:
    Path("etc").mkdir()
    Path("w.service").write_text(
        "[Service]\nEnvironmentFile=/nowhere/w.conf\nExecStart=/bin/celery -A proj worker -c ${MANY}\n"
    )
    Path("etc/w.conf").write_text("MANY=7\n")
    assert fleet("init", "--from", "w.service", "etc/w.conf").code in (0, 1)
    assert "concurrency = 7" in Path("fleet.toml").read_text()


def test_the_tz_of_a_crontab_is_of_its_commands_and_not_of_its_times() -> None:
    """As Debian's and Red Hat's manual pages have it: only CRON_TZ (Red Hat's) moves times."""
    Path("crontab").write_text("TZ=Europe/Berlin\n0 4 * * * /bin/report\n")
    outcome = fleet("init", "--from", "crontab")
    assert "crontab:1: TZ: it is of the commands" in outcome.out + outcome.err
    assert "timezone" not in made()["schedules"][0]


def test_standard_input() -> None:
    assert fleet("init", "--from", "-", stdin="worker: celery -A proj worker -c 3\n").code == 0
    assert made()["workers"]["worker"]["concurrency"] == 3


def test_groups_of_the_same_name_get_numbers() -> None:
    Path("run.sh").write_text("celery -A p worker -Q a\ncelery -A p worker -Q b\n")
    fleet("init", "--from", "run.sh")
    assert list(made()["workers"]) == ["worker", "worker-2"]


@pytest.mark.parametrize(
    "url",
    [
        "redis://:hunter2@host/0",
        "amqp://me:hunter2@host//",
        "redis://host/0?password=hunter2",
        "sentinel://h1;sentinel://:hunter2@h2",
        "sqs://hunter2:hun/ter2@",
        "redis://[hunter2@host",
    ],
)
def test_no_password_is_written_or_printed(url: str) -> None:
    words = (
        "celery",
        "-A",
        "p",
        "-b",
        url,
        f"--result-backend={url}",
        "worker",
        "--our-token=hunter2",
        "-k",
        "hunter2",
    )
    outcome = fleet("init", "--from", *words)
    assert outcome.code == 1
    assert made()["broker"]["url"] == "${CELERY_BROKER_URL}"
    assert "hunter2" not in Path("fleet.toml").read_text() + outcome.out + outcome.err
    for what in ("-b", "--result-backend", "--our-token", "-k"):
        assert f": {what}: " in outcome.out


def test_what_is_not_known_is_said() -> None:
    line = "celery -A p worker -c $(half_of_them) -Q main,$EXTRA -l loud --prefetch-multiplier 0 --time-limit never"
    outcome = fleet("init", "--from", line)
    assert outcome.code == 1
    for what in (
        "-c $(half_of_them)",
        "-Q main,$EXTRA",
        "-l loud",
        "--prefetch-multiplier 0",
        "--time-limit never",
    ):
        assert f": {what}: " in outcome.out
    assert made()["workers"]["worker"] == {"queues": ["main"], "pool": "prefork", "concurrency": "cpus"}


def test_without_an_app_it_says_what_to_decide() -> None:
    outcome = fleet("init", "--from", "celery worker -c 2")
    assert outcome.code == 1
    assert 'write app = "MODULE:NAME"' in outcome.out


def test_init_from_overwrites_nothing() -> None:
    Path("fleet.toml").write_text("mine")
    outcome = fleet("init", "--from", "celery -A p worker")
    assert outcome.code == 1
    assert "already there" in outcome.err
    assert Path("fleet.toml").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "expected a file"),
        (("nothing.conf",), 2, "there is no file 'nothing.conf'"),
        (("celery -A 'p worker",), 2, "can't be read as a command"),
        (("celery", "-A", "p", "flower"), 1, "no `celery worker`"),
        (("web: gunicorn",), 2, "there is no file"),
    ],
)
def test_init_from_what_has_no_worker_writes_nothing_and_says_why(
    words: tuple[str, ...], code: int, said: str
) -> None:
    outcome = fleet("init", "--from", *words)
    assert (outcome.code, said in outcome.err) == (code, True), outcome.err
    assert not Path("fleet.toml").exists()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("binary.sh", b"\xff\xfe\x00celery", "not UTF-8"),
        ("large.sh", b"#" * (2**20 + 1), "larger than 1 MiB"),
        ("chart.yaml", b"command: {{ .Values.command }}\n", "helm template"),
        ("broken.yml", b"services:\n  a: [\n", "it is not YAML"),
        (
            "odd.yml",
            b"services: [celery, worker]\nspec: celery worker\n---\n- celery\n",
            "no `celery worker`",
        ),
        ("odd.conf", b"[program:a]\ncommand=celery -A 'p worker\n", "it can't be read as shell"),
        ("empty.service", b"", "no `celery worker`"),
    ],
)
def test_files_that_can_not_be_read(name: str, content: bytes, said: str) -> None:
    Path(name).write_bytes(content)
    outcome = fleet("init", "--from", name)
    assert outcome.code in (1, 2)
    assert said in outcome.out + outcome.err
    assert "Traceback" not in outcome.err


def test_init_from_yaml_without_pyyaml_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    Path("compose.yaml").write_text("services: {}\n")
    outcome = fleet("init", "--from", "compose.yaml")
    assert (outcome.code, "pip install pyyaml" in outcome.err) == (1, True)


@pytest.mark.parametrize("words", [("a", "b"), ("--form", "x"), ("a", "b", "--from", "x")])
def test_init_from_with_wrong_words_is_a_usage_error(words: tuple[str, ...]) -> None:
    outcome = fleet("init", *words)
    assert outcome.code == 2
    assert list(Path().iterdir()) == []
