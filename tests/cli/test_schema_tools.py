"""The schema in the hands of others: Taplo, the TOML tool of editors, and a validator of JSON Schema."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest
import tomli

from fleet.config.schema import json_schema
from tests.cli.invoke import fleet
from tests.support import ROOT

# Installed with the development dependencies, into the folder of this Python.
TAPLO = Path(sys.executable).parent / "taplo"

GOOD_FILES = sorted(
    [
        ROOT / "fleet.toml",
        *ROOT.glob("examples/**/fleet.toml"),
        *ROOT.glob("tests/rules/*/good.toml"),
        ROOT / "tests/unit/config/everything.toml",
    ]
)
# Mistakes that a schema can see, and where Taplo must point: the text there.
MISTAKES = {
    'pool = "gevnt"': '"gevnt"',
    'concurrency = "lots"': '"lots"',
    "replicas = true": "true",
    "replicas = { min = 1 }": "{ min = 1 }",
    'time_limit = "10 mins"': '"10 mins"',
    'max_memory = "lots"': '"lots"',
    "concurency = 5": "concurency",
    "queues = []": "[]",
    "nice = 40": "40",
    'acks = "sometimes"': '"sometimes"',
}


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("schema") / "fleet.schema.json"
    path.write_text(fleet("schema").out)
    return path


def taplo(*files: Path, schema: Path | None = None) -> subprocess.CompletedProcess[str]:
    chosen = ["--schema", schema.as_uri()] if schema else []
    return subprocess.run(
        [TAPLO, "lint", "--colors", "never", *chosen, *files],
        cwd=files[0].parent,
        capture_output=True,
        text=True,
        check=False,
    )


def test_taplo_accepts_every_right_file(schema: Path) -> None:
    outcome = taplo(*GOOD_FILES, schema=schema)
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.parametrize("mistake", MISTAKES)
def test_taplo_finds_each_mistake_at_its_place(mistake: str, schema: Path, tmp_path: Path) -> None:
    file = tmp_path / "fleet.toml"
    lines = ['queues = ["q"]', 'pool = "solo"']
    lines = [line for line in lines if not mistake.startswith(line[:4])] + [mistake]
    file.write_text('[fleet]\napp = "x"\n[queues.q]\n[workers.w]\n' + "\n".join(lines) + "\n")
    outcome = taplo(file, schema=schema)
    assert outcome.returncode == 1, outcome.stderr
    line, column = 4 + len(lines), mistake.index(MISTAKES[mistake]) + 1
    assert f":{line}:{column}\n" in outcome.stderr


def test_the_schema_line_of_a_new_fleet_leads_taplo_to_it(tmp_path: Path) -> None:
    fleet("init", tmp_path)
    file = tmp_path / "fleet.toml"
    assert file.read_text().startswith("#:schema ./fleet.schema.json\n")
    assert taplo(file).returncode == 0
    file.write_text(file.read_text().replace("concurrency = ", "concurency = "))
    outcome = taplo(file)
    assert outcome.returncode == 1
    assert "'concurency' was unexpected" in outcome.stderr


@pytest.mark.parametrize("file", GOOD_FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_a_file_without_findings_is_right_by_the_schema(file: Path) -> None:
    check(tomli.loads(file.read_text()))


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"fleet": {}},
        {"fleet": {"app": []}},
        {"fleet": {"app": "x"}, "queue": {}},
        {"fleet": {"app": "x"}, "routes": [{"task": "x"}]},
        {"fleet": {"app": "x"}, "workers": {"a b": {"queues": ["q"]}}},
        {"fleet": {"app": "x"}, "env": {"prod": {"workers": {"w": {"pol": "solo"}}}}},
        {"fleet": {"app": "x"}, "defaults": {"queues": ["q"]}},
    ],
)
def test_a_file_with_a_wrong_shape_is_wrong_by_the_schema(wrong: dict[str, Any]) -> None:
    with pytest.raises(fastjsonschema.JsonSchemaValueException):
        check(wrong)


def test_the_schema_accepts_a_variable_in_place_of_any_value() -> None:
    check(
        {
            "fleet": {"app": "${APP}"},
            "queues": {"q": {"max_priority": "${P:-5}", "durable": "${D}", "workload": "${W}"}},
            "workers": {"w": {"queues": ["q"], "pool": "${POOL}", "replicas": "${N}", "time_limit": "${T}"}},
        }
    )


check = fastjsonschema.compile(json.loads(json.dumps(json_schema())))
