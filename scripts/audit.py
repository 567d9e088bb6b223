"""Ask for known vulnerabilities of what requirements.lock pins: pip-audit, in an environment of its own.

Exits 1 when there are some. Where pip-audit or the service that it asks can't be reached, nothing has been looked at:
that is said, and exits 0. $PIP_AUDIT names a pip-audit to use; arguments go to it (`--ignore-vuln ID`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINNED = "pip-audit==2.10.1"
HOME = ROOT / ".cache" / "audit"
LONGEST_SECONDS = 300


def main() -> int:
    program = os.environ.get("PIP_AUDIT") or _own()
    if program is None:
        return _skipped(f"{PINNED} can't be installed here")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [
            program,
            "-r",
            "requirements.lock",
            "--require-hashes",
            "--disable-pip",
            "--progress-spinner",
            "off",
        ]
        try:
            ran = subprocess.run(
                [*command, "-f", "json", "-o", str(report), *sys.argv[1:]],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
                timeout=LONGEST_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return _skipped(f"no answer within {LONGEST_SECONDS} s")
        except OSError as error:
            return _skipped(f"{program}: {error.strerror}")
        try:
            known = json.loads(report.read_text())["dependencies"]
        except (OSError, ValueError, KeyError):
            return _skipped((ran.stderr.strip().splitlines() or ["pip-audit wrote no report"])[-1])
    return _judged(known)


def _judged(known: list[dict[str, object]]) -> int:
    unknown = [each for each in known if "skip_reason" in each]
    if len(unknown) == len(known):
        return _skipped("the service knows none of the packages")
    bad = [each for each in known if each.get("vulns")]
    for each in bad:
        for found in each["vulns"]:  # type: ignore[attr-defined]
            mended = ", ".join(found.get("fix_versions") or ()) or "no version yet"
            print(f"{each['name']} {each['version']}: {found['id']}, mended in {mended}")
    print(
        f"audit: {len(known) - len(unknown)} of {len(known)} packages looked up, {len(bad)} with known vulnerabilities"
    )
    return 1 if bad else 0


def _own() -> str | None:
    program = HOME / "bin" / "pip-audit"
    stamp = HOME / "installed"
    if not (stamp.exists() and stamp.read_text() == PINNED):
        made = subprocess.run(
            [sys.executable, "-m", "venv", "--clear", HOME], capture_output=True, check=False
        )
        pip = [
            HOME / "bin" / "python",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            PINNED,
        ]
        if made.returncode or subprocess.run(pip, capture_output=True, check=False).returncode:
            return None
        stamp.write_text(PINNED)
    return str(program)


def _skipped(why: str) -> int:
    print(f"audit SKIPPED, nothing was looked up: {why}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
