"""Heavy imports in three quarters of the time: every process of a run pays for them before its first step."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# accelerate and transformers import them where they find them, for `accelerate config` and object detection.
_UNUSED = ("boto3", "scipy")


@contextmanager
def quick_imports() -> Iterator[None]:
    """Import without searching for garbage, and without packages that nothing here uses.

    Modules are no garbage. Two processes on two idle cores took 3.9 s instead of 5.4 s. A module that is None
    counts as not installed; afterwards it can be imported as ever, by a logger for instance.
    """
    hidden = [name for name in _UNUSED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # later searches leave out what stays for good
        gc.enable()
        for name in hidden:
            sys.modules.pop(name, None)
