"""Keys that stand in a table to which they don't belong: where they do, and the document as if they stood there."""

from __future__ import annotations

from fleet.config import known
from fleet.config.document import Document
from fleet.rules.finding import KeyPath

# Tables that a file has once.
_SINGLE = ("fleet", "broker", "machine", "rollout", "dashboard", "lint")
_NAMED = {"workers": "group", "queues": "queue"}


def put_right(document: Document, path: KeyPath) -> str | None:
    """What to do about the unknown key at `path`, which another table has; None when no other has it. It is moved there
    when there can be no doubt, else taken out.
    """
    name, value, origin = str(path[-1]), document.get(path), document.origin(path)
    if path == ("defaults", "queues"):
        document.drop(path)
        return "each group names its own, in [workers.NAME]"
    if path != (name,) and name in known.keys(()):
        document.drop(path)
        example = f"[{name}.NAME]" if name in _NAMED else "[[routes]]" if name == "routes" else f"[{name}]"
        return f"`{name}` is a table of its own: {example}"
    single = [table for table in _SINGLE if path[:1] != (table,) and name in known.keys((table,))]
    if len(single) == 1:
        document.drop(path)
        target = (single[0], name)
        if not document.has(target):
            document.put(target, value, origin=origin)
        return f"it belongs into [{single[0]}]"
    named = [table for table in _NAMED if path[:1] != (table,) and name in known.keys((table, "any"))]
    if len(named) != 1:
        return None
    document.drop(path)
    table = named[0]
    namesake = (table, *path[1:2])
    if len(namesake) == 2 and document.has(namesake) and not document.has((*namesake, name)):
        document.put((*namesake, name), value, origin=origin)
        return f"it belongs into [{table}.{namesake[1]}]"
    return f"it belongs into the table of a {_NAMED[table]}, [{table}.NAME]"
