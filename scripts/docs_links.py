"""A hook of MkDocs: README and the other pages of the root become pages of the site, and no link leads nowhere.

A link to a file outside of docs/ (an example) brings that file along; one to a folder becomes its text. A target that
is not there is a warning, and the build is strict. Headings are linked to as GitHub has them.
"""

from __future__ import annotations

import logging
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
_LINK = re.compile(r"(!?\[[^\]\n]+\])\(([^)\s]+)\)")  # and pictures
_FENCE = re.compile(r"(?ms)^```.*?^```$|^    .*?$|`[^`\n]+`(?!\])")
log = logging.getLogger("mkdocs.hooks.docs_links")


def on_files(files: Files, config: Any) -> Files:
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    for page in list(files.documentation_pages()):
        for _, target in _LINK.findall(page.content_string):
            path = _in_repository(page.src_uri, target)
            if path and not _page(path) and (ROOT / path).is_file() and not files.get_file_from_path(path):
                files.append(File.generated(config, path, content=(ROOT / path).read_text()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    here = page.file.src_uri

    def link(match: re.Match[str]) -> str:
        shown, target = match.groups()
        path = _in_repository(here, target)
        if path is None:
            return match[0]
        if (ROOT / path).is_dir():
            return shown[1:-1]
        if not (ROOT / path).exists():
            log.warning("%s links to %s, which is not there", here, target)
        anchor = target.partition("#")[2]
        to = posixpath.relpath(_page(path) or path, posixpath.dirname(here) or ".")
        return f"{shown}({to}{'#' if anchor else ''}{anchor})"

    return _LINK.sub(link, markdown)


def _in_repository(page: str, target: str) -> str | None:
    """The path of what a page links to; None when it is on the page itself or elsewhere in the world."""
    if re.match(r"[a-z]+:|#", target):
        return None
    source = next((name for name, at in PAGES.items() if at == page), f"docs/{page}")
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), target.partition("#")[0]))


def _page(path: str) -> str | None:
    """Of the site, for a file of the repository."""
    return PAGES.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
