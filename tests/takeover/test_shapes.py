"""Files as they run Celery in the world: each folder of shapes/ holds them, the fleet.toml and the report expected."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fleet.takeover.file_kinds import read
from tests.cli.invoke import fleet

SHAPES = Path(__file__).parent / "shapes"
READ = {
    "compose": "docker-compose.yml",
    "crontab": "crontab",
    "crontab-system": "crontab.txt",
    "kubernetes": "workers.yaml",
    "multi-env": "celeryd",
    "poetry-entrypoint": "entrypoint.sh",
    "procfile-beat": "Procfile",
    "procfile-beat-django": "Procfile",
    "procfile-heroku": "Procfile",
    "procfile-plain": "Procfile",
    "shell-multi": "deploy.sh",
    "shell-script": "start-worker.sh",
    "supervisord": "supervisord.conf",
    "systemd-multi": "celery.service",
    "systemd-template": "celery@.service",
    "systemd-user": "worker.service",
}
SECRETS = ("s3cr3t", "s3cret", "hunter2", "app:pw", "key@sentry", "abc")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
    return tmp_path


def test_each_shape_is_read() -> None:
    assert sorted(READ) == sorted(folder.name for folder in SHAPES.iterdir())


@pytest.mark.parametrize("shape", sorted(READ))
def test_a_shape_is_taken_over_as_expected_without_its_secrets(shape: str, place: Path) -> None:
    shutil.copytree(SHAPES / shape, place, dirs_exist_ok=True, ignore=shutil.ignore_patterns("expected.*"))
    outcome = fleet("init", "--from", READ[shape])
    assert outcome.err == ""
    text = (place / "fleet.toml").read_text()
    assert text == (SHAPES / shape / "expected.toml").read_text()
    assert f"exit {outcome.code}\n{outcome.out}" == (SHAPES / shape / "expected.txt").read_text()
    assert not [secret for secret in SECRETS if secret in text + outcome.out]


@pytest.mark.parametrize("shape", sorted(READ))
def test_what_is_written_has_no_errors(shape: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "fleet.toml").write_text((SHAPES / shape / "expected.toml").read_text())
    for name in ("CELERY_BROKER_URL", "REDIS_URL"):
        monkeypatch.setenv(name, "redis://127.0.0.1:6379/0")
    outcome = fleet("validate", place / "fleet.toml")
    assert outcome.code == 0, outcome.out


@pytest.mark.parametrize("shape", sorted(set(READ) - {"multi-env", "poetry-entrypoint"}))
def test_the_content_tells_the_kind_as_the_name_does(shape: str) -> None:
    """Standard input has no name; an env file and a script are told by what only they hold."""
    text = (SHAPES / shape / READ[shape]).read_text()
    by_name = read(text, READ[shape], {})
    by_content = read(text, "-", {})
    assert [each.words for each in by_content.found] == [each.words for each in by_name.found]
