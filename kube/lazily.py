"""Modules that only some operations need, imported when one does, by one thread at a time.

The host of dynamic providers calls them from several threads. Of two that import modules which
import one another, as those of requests do, each may otherwise get the other's half.
"""

import importlib
import threading
from typing import Any

_importing = threading.RLock()


def module(name: str) -> Any:
    """The module of that name."""
    with _importing:
        return importlib.import_module(name)
