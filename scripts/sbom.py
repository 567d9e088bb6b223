"""Print the software bill of materials (CycloneDX 1.6, JSON) of fleet-workers, from requirements.lock.

`python scripts/sbom.py [-o FILE]`, in the environment that scripts/setup makes: who needs whom and under which licence
is read from what is installed there. Each package says by its scope what it is for: `required` by fleet itself,
`optional` for one of its extras, `excluded` from what is shipped (tests and tools). The same lock gives the same text.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tomllib
import uuid
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_NEEDED = re.compile(r"^\s*([A-Za-z0-9._-]+)\s*(?:\[([^\]]*)\])?")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")

Node = dict[str, Any]
Lock = dict[str, dict[str, list[str]]]  # by normal name and version: the hashes of the files


def bill() -> Node:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = read_lock((ROOT / "requirements.lock").read_text())
    required = closure(project["dependencies"], locked)
    extras = [each for needs in project["optional-dependencies"].values() for each in needs]
    optional = closure(extras, locked) - required
    scopes = {**dict.fromkeys(optional, "optional"), **dict.fromkeys(required, "required")}
    own = f"pkg:pypi/{project['name']}@{_version()}"
    components = [
        _component(name, version, hashes, scopes.get(name, "excluded"))
        for name in sorted(locked)
        for version, hashes in locked[name].items()
    ]
    refs = {name: {f"pkg:pypi/{name}@{version}" for version in versions} for name, versions in locked.items()}
    edges = {own: set().union(*(refs[name] for name in _names([*project["dependencies"], *extras])))}
    for name, mine in refs.items():
        needs = set().union(*(refs.get(each, set()) for each, _ in needs_of(name, frozenset())))
        edges.update(dict.fromkeys(mine, needs))
    known = {
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": project["name"],
                "version": _version(),
                "description": project["description"],
                "licenses": [{"expression": project["license"]}],
                "purl": own,
            }
        },
        "components": components,
        "dependencies": [{"ref": ref, "dependsOn": sorted(to)} for ref, to in sorted(edges.items())],
    }
    # By its content, so that it changes when and only when that does.
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(known, sort_keys=True))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        **known,
    }


def read_lock(text: str) -> Lock:
    """Some have a version for old Pythons and one for new ones."""
    found: Lock = {}
    hashes: list[str] = []
    for line in text.splitlines():
        if pinned := _PINNED.match(line):
            hashes = []
            found.setdefault(normal(pinned[1]), {})[pinned[2]] = hashes
        hashes.extend(_HASH.findall(line))
    return found


def closure(requirements: list[str], locked: Lock) -> set[str]:
    """What these need, directly or not, of what is locked."""
    found: set[str] = set()
    ahead = [_name_and_extras(each) for each in requirements]
    seen = set()
    while ahead:
        name, extras = ahead.pop()
        if name not in locked or (name, extras) in seen:
            continue
        seen.add((name, extras))
        found.add(name)
        ahead += needs_of(name, extras)
    return found


def needs_of(name: str, extras: frozenset[str]) -> list[tuple[str, frozenset[str]]]:
    """Of one that is installed. Conditions on Python and platform are not looked at: the lock is for all."""
    try:
        needs = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []  # of another platform
    found = []
    for each in needs:
        extra = _EXTRA.search(each)
        if extra is None or extra[1] in extras:
            found.append(_name_and_extras(each))
    return found


def _name_and_extras(requirement: str) -> tuple[str, frozenset[str]]:
    parts = _NEEDED.match(requirement)
    assert parts, requirement
    return normal(parts[1]), frozenset(each.strip() for each in (parts[2] or "").split(",") if each.strip())


def _names(requirements: list[str]) -> list[str]:
    return [_name_and_extras(each)[0] for each in requirements]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _component(name: str, version: str, hashes: list[str], scope: str) -> Node:
    purl = f"pkg:pypi/{name}@{version}"
    licence = _licence(name)
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "scope": scope,
        # One for each file of this version that may be installed.
        "hashes": [{"alg": "SHA-256", "content": each} for each in hashes],
        **({"licenses": [licence]} if licence else {}),
        "purl": purl,
    }


def _licence(name: str) -> Node | None:
    try:
        said = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    if expression := said.get("License-Expression"):
        return {"expression": expression}
    kinds = [
        each.rpartition(" :: ")[2]
        for each in said.get_all("Classifier") or ()
        if each.startswith("License ::")
    ]
    free = (said.get("License") or "").strip()
    text = ", ".join(kinds) or (free if "\n" not in free else "")
    return {"license": {"name": text}} if text else None


def _version() -> str:
    text = (ROOT / "fleet" / "__init__.py").read_text()
    found = re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE)
    assert found
    return found[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, help="file to write; default: standard output")
    output = parser.parse_args().output
    text = json.dumps(bill(), indent=2) + "\n"
    if output:
        output.write_text(text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
