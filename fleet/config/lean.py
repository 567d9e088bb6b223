"""A quick start for fleet's own processes where they need pydantic: without its search for plugins.

To find plugins, pydantic imports importlib.metadata (and with it email, zipfile, socket …) and reads the
metadata of every installed package, which takes 20 ms. fleet's models need none. Commands and the controller
ask for it; programs that send tasks may want their plugins.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

_LOADER = "pydantic.plugin._loader"


class _NoPlugins(ModuleType):
    """Stands in for the loader; whatever else is asked of it comes from the real one."""

    @staticmethod
    def get_plugins() -> tuple[()]:
        return ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        sys.modules.pop(_LOADER)
        return getattr(importlib.import_module(_LOADER), name)


def without_plugins() -> None:
    """Before pydantic builds its first model. Does nothing when that has happened."""
    sys.modules.setdefault(_LOADER, _NoPlugins(_LOADER))
