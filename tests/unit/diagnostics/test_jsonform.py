from __future__ import annotations

import json

from fleet.diagnostics import Diagnostic, Edit, Fix, Span
from fleet.diagnostics.jsonform import render


def test_the_json_report_has_the_contracts_shape() -> None:
    found = Diagnostic(
        code="FLT302",
        name="green-pool-default-concurrency",
        severity="error",
        message="gevent pool without `concurrency`",
        path="workers.http",
        span=Span(12, 1, 12, 15),
        help="say how many",
        fix=Fix(False, (Edit(Span(13, 1, 13, 1), "concurrency = 500\n"),)),
    )
    report = json.loads(render([found], "fleet.toml"))
    assert (report["file"], report["errors"], report["warnings"]) == ("fleet.toml", 1, 0)
    (entry,) = report["diagnostics"]
    expected = {
        "code": "FLT302",
        "name": "green-pool-default-concurrency",
        "severity": "error",
        "message": "gevent pool without `concurrency`",
        "path": "workers.http",
        "line": 12,
        "column": 1,
        "end_line": 12,
        "end_column": 15,
        "help": "say how many",
        "fix": {
            "safe": False,
            "edits": [
                {"line": 13, "column": 1, "end_line": 13, "end_column": 1, "text": "concurrency = 500\n"}
            ],
        },
    }
    assert {key: entry[key] for key in expected} == expected


def test_the_json_report_of_no_findings_is_empty() -> None:
    report = json.loads(render([], "f"))
    assert report == {"file": "f", "errors": 0, "warnings": 0, "diagnostics": []}
