"""Which object `-A` names, by the files of a project and Celery's order of looking."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.takeover.app_object import find

CELERY = "from celery import Celery\napp = Celery('p')\n"


@pytest.mark.parametrize(
    ("files", "said", "entry"),
    [
        ({"proj/__init__.py": "", "proj/celery.py": CELERY}, "proj", "proj.celery:app"),
        ({"proj/__init__.py": "from .celery import app\n", "proj/celery.py": CELERY}, "proj", "proj:app"),
        ({"proj/__init__.py": "", "proj/celery.py": CELERY}, "proj.celery", "proj.celery:app"),
        ({"proj/__init__.py": "", "proj/celery.py": CELERY}, "proj.celery.app", "proj.celery:app"),
        ({"proj.py": "import celery\ncelery = celery.Celery()\n"}, "proj", "proj:celery"),
        ({"proj.py": "app = Flask()\nqueue: Celery = Celery()\n"}, "proj", "proj:queue"),
        ({"app.py": "app = Flask()\ncelery = create(app)\n"}, "app.celery", "app:celery"),
        ({"app.py": "app = create_app()\ncelery_app = app.extensions['celery']\n"}, "app", "app:celery_app"),
    ],
)
def test_the_app_object_is_found_by_the_files(
    files: dict[str, str], said: str, entry: str, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = find(said, [tmp_path / "elsewhere", tmp_path])
    assert (found.entry, found.known) == (entry, True)


@pytest.mark.parametrize(
    ("said", "entry"),
    [
        ("proj", "proj.celery:app"),
        ("proj.celery", "proj.celery:app"),
        ("config.celery_app", "config.celery_app:app"),
    ],
)
def test_an_app_object_without_files_is_guessed_and_said_to_be_unknown(
    said: str, entry: str, tmp_path: Path
) -> None:
    found = find(said, [tmp_path])
    assert (found.entry, found.known) == (entry, False)


def test_a_module_that_can_not_be_parsed_is_no_known_app(tmp_path: Path) -> None:
    (tmp_path / "proj.py").write_text("def (\n")
    assert not find("proj", [tmp_path]).known
