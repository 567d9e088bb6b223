"""The bill of materials says what the lock says, and the audit of the lock says plainly what it has not done."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fleet import __distribution__, __version__
from tests.support import ROOT

Node = dict[str, Any]


@pytest.fixture(scope="module")
def bill() -> Node:
    return made()


def made() -> Node:
    ran = subprocess.run(
        [sys.executable, ROOT / "scripts" / "sbom.py"], capture_output=True, text=True, check=True
    )
    document: Node = json.loads(ran.stdout)
    return document


def test_the_bill_of_materials_is_a_cyclonedx_document(bill: Node) -> None:
    """What the schema of CycloneDX 1.6 demands of the parts that are used here."""
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["specVersion"] == "1.6"
    assert bill["version"] >= 1
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bill["serialNumber"])
    known = {
        "$schema",
        "bomFormat",
        "specVersion",
        "serialNumber",
        "version",
        "metadata",
        "components",
        "dependencies",
    }
    assert bill.keys() <= known
    for each in [bill["metadata"]["component"], *bill["components"]]:
        assert each["type"] in ("library", "application")
        assert each["name"]
        assert each["purl"] == each["bom-ref"] == f"pkg:pypi/{each['name']}@{each['version']}"
        assert each.get("scope", "required") in ("required", "optional", "excluded")
        for licence in each.get("licenses", []):
            assert licence.keys() in ({"expression"}, {"license"})
        for one in each.get("hashes", []):
            assert one["alg"] == "SHA-256"
            assert re.fullmatch("[0-9a-f]{64}", one["content"])
    refs = [each["bom-ref"] for each in [bill["metadata"]["component"], *bill["components"]]]
    assert len(refs) == len(set(refs))
    assert {each["ref"] for each in bill["dependencies"]} == set(refs)
    assert {to for each in bill["dependencies"] for to in each["dependsOn"]} <= set(refs)


def test_the_bill_of_materials_says_what_the_lock_says(bill: Node) -> None:
    lock = (ROOT / "requirements.lock").read_text()
    pinned = re.findall(r"(?m)^([\w.-]+)==([^\s;\\]+)", lock)
    assert {(each["name"], each["version"]) for each in bill["components"]} == set(pinned)
    assert len(bill["components"]) == len(pinned)
    assert sum(len(each["hashes"]) for each in bill["components"]) == lock.count("--hash=sha256:")
    own = bill["metadata"]["component"]
    assert (own["name"], own["version"]) == (__distribution__, __version__)


def test_what_is_shipped_is_told_from_what_tests_need(bill: Node) -> None:
    scopes = {each["name"]: each["scope"] for each in bill["components"]}
    assert {scopes[name] for name in ("kombu", "amqp", "pydantic-core", "supervisor")} == {"required"}
    assert {scopes[name] for name in ("gevent", "greenlet", "redis")} == {"optional"}
    assert {scopes[name] for name in ("pytest", "ruff", "mypy")} == {"excluded"}


def test_the_same_lock_gives_the_same_bill(bill: Node) -> None:
    assert made() == bill


def audit(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    """With a stand-in for pip-audit: `$report` is the file that it is to write."""
    program = folder / "pip-audit"
    program.write_text(
        f'#!/bin/sh\nfor last; do [ "$before" = -o ] && report=$last; before=$last; done\n{script}\n'
    )
    program.chmod(0o755)
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "audit.py"],
        env={**os.environ, "PIP_AUDIT": str(program)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_audit_that_cannot_ask_says_so_and_fails_nothing(tmp_path: Path) -> None:
    done = audit(tmp_path, "echo 'connection refused' >&2; exit 1")
    assert done.returncode == 0
    assert "audit SKIPPED, nothing was looked up: connection refused" in done.stdout
    none = '{"dependencies": [{"name": "kombu", "skip_reason": "not found"}]}'
    assert "SKIPPED" in audit(tmp_path, f"echo '{none}' > $report").stdout


def test_an_audit_that_finds_something_fails(tmp_path: Path) -> None:
    found = {"id": "PYSEC-1", "fix_versions": ["5.6"]}
    known = [
        {"name": "kombu", "version": "5.5", "vulns": [found]},
        {"name": "amqp", "version": "5.3", "vulns": []},
        {"name": "ours", "skip_reason": "not found"},
    ]
    done = audit(tmp_path, f"echo '{json.dumps({'dependencies': known})}' > $report; exit 1")
    assert done.returncode == 1
    assert "kombu 5.5: PYSEC-1, mended in 5.6" in done.stdout
    assert "2 of 3 packages looked up" in done.stdout


def test_an_audit_without_vulnerabilities_passes(tmp_path: Path) -> None:
    known = [{"name": "amqp", "version": "5.3", "vulns": []}]
    done = audit(tmp_path, f"echo '{json.dumps({'dependencies': known})}' > $report")
    assert done.returncode == 0
    assert "1 of 1 packages looked up, 0 with known vulnerabilities" in done.stdout
