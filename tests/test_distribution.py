"""The distribution is `fleet-workers`: `fleet` on the package index is somebody else's, so nothing may install it."""

from __future__ import annotations

import re
import subprocess
import tomllib

import pytest

from fleet import __distribution__
from tests.support import ROOT

EXTRAS = "gevent|eventlet|uvloop|redis|celery|otel|all"
# The bare name where a name of the index is meant: with an extra, in an installer's line, in a list of requirements.
STRANGER = re.compile(
    rf"""
    (?<![\w.-]) fleet \[ (?:{EXTRAS}) \b
    | \b (?:pip3?|pipx|uv|poetry|pdm|conda) \b [^\n#|&;`]* \b (?:install|add|inject) \s
      (?: [^\n#|&;`]* [\s'"] )? fleet (?= [\s'"`,;)\]<>=!~@] | $ )
    | \b uvx \s+ fleet (?![\w-])
    | (?: ^ | ['"] ) \s* fleet \s* (?: == | >= | ~= | <= | != ) \s* \d
    | ^ \s* [-+]? \s* - \s+ (?:['"])? fleet (?:['"])? \s* $
    """,
    re.VERBOSE | re.MULTILINE,
)
HERE = "tests/test_distribution.py"  # names it, to show that it is found


def texts() -> dict[str, str]:
    """What git knows, and what is new and not ignored; by path."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("needs git and its checkout")
    found = {}
    for name in listed.stdout.split("\0"):
        path = ROOT / name
        if name and name != HERE and path.is_file():
            found[name] = path.read_text(encoding="utf-8", errors="replace")
    return found


def test_no_text_installs_the_project_that_is_called_fleet() -> None:
    stray = [
        f"{name}:{text[: hit.start()].count(chr(10)) + 1}: {hit[0].strip()}"
        for name, text in texts().items()
        for hit in STRANGER.finditer(text)
        if not (name == "CHANGELOG.md" and hit[0].startswith("fleet["))  # what was is told as it was
    ]
    assert stray == []


@pytest.mark.parametrize(
    "line",
    [
        "pip install 'fleet[redis]'",
        'help=f"pip install fleet[{pool}]"'.replace("{pool}", "gevent"),
        "RUN pip install --no-cache-dir fleet",
        'RUN pip install "fleet==0.1.0"',
        "python -m pip install -U fleet",
        "uv pip install fleet",
        "uv add fleet",
        "uvx fleet validate",
        "pipx install fleet",
        "poetry add fleet",
        "fleet==0.1.0",
        'additional_dependencies: ["fleet>=0.1"]',
        "    additional_dependencies:\n      - fleet\n",
    ],
)
def test_such_a_line_would_be_found(line: str) -> None:
    assert STRANGER.search(line)
    ours = re.sub(r"\bfleet\b", __distribution__, line)
    assert not STRANGER.search(ours), "ours is not"


@pytest.mark.parametrize(
    "line",
    ["run `fleet up`", "uv run fleet up", "ExecStart=/srv/.venv/bin/fleet up", "- fleet validate --strict"],
)
def test_the_command_and_the_package_are_not_mistaken_for_it(line: str) -> None:
    assert not STRANGER.search(line)


def test_what_is_built_bears_the_name_that_is_said() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["name"] == __distribution__ == "fleet-workers"
    assert set(project["scripts"]) == {"fleet"}
    assert set(project["optional-dependencies"]) == set(EXTRAS.split("|"))
