"""The documentation as a site: it builds without a warning, has a search, and README is its first page."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT, folder)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def build(root: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(folder)]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def test_readme_is_the_first_page_and_its_links_lead_on(site: Path) -> None:
    page = (site / "index.html").read_text()
    assert 'href="tutorial.html"' in page
    assert 'href="security.html"' in page
    assert (site / "examples" / "systemd" / "fleet.service").is_file(), "a link to an example brings it along"


def test_everything_can_be_searched(site: Path) -> None:
    found = {
        each["location"].partition("#")[0]
        for each in json.loads((site / "search" / "search_index.json").read_text())["docs"]
    }
    pages = {str(path.relative_to(site)) for path in site.rglob("*.html")} - {
        "404.html",
        "index.html",
        "search.html",
    }
    assert pages <= found | {"index.html"}
    assert {"tutorial.html", "reference/rules.html", "how-to/redis.html", "security.html"} <= pages


@pytest.mark.parametrize(
    "link", ["how-to/nowhere.md", "../examples/nowhere.toml", "tutorial.md#no-such-heading"]
)
def test_a_link_that_leads_nowhere_fails_the_build(link: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("docs", "examples", "scripts"):
        shutil.copytree(ROOT / name, copy / name)
    for name in ("mkdocs.yml", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in ("tests/kombu_suite",):
        shutil.copytree(ROOT / name, copy / name)
    with (copy / "docs" / "supervision.md").open("a") as page:
        page.write(f"\n\nSee [there]({link}).\n")
    done = build(copy, tmp_path / "site")
    assert done.returncode != 0
    assert link.rpartition("/")[2].partition("#")[2] in done.stderr
    assert "supervision.md" in done.stderr
