"""Slow imports, late and one at a time.

The libraries of this project cost seconds to import, so each is loaded when it is first needed, or by a thread while
something else is waited for. Two threads inside one package with circular imports see half of it: "cannot import name
… from partially initialized module" (seen with requests, which kubernetes and google-auth both bring). So every client
module passes through here once, before anything else touches its library.
"""

import importlib
import sys
import threading
from types import ModuleType

# Reentrant, since one library's import may bring our next gate with it.
LOCK = threading.RLock()


def load(name: str) -> ModuleType:
    """Import a module under the lock; one that is there already is given at once."""
    module = sys.modules.get(name)
    if module is not None and not getattr(module.__spec__, "_initializing", False):
        return module
    with LOCK:
        return importlib.import_module(name)
