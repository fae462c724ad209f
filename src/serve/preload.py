"""What a fork server imports for all servers: the libraries, which are nearly all of a server's start.

For the fork server alone (processes/warm.py): it works when it is imported, which is all that can be asked of
one. What it imports of this package reads nothing of the environment: each server does that itself.
"""

import gc
import importlib
import os
import threading

from serve.engines.load import hide_unneeded_packages

# numpy's and torch's pools of threads would be lost in a fork. A server sets its own number later.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")
hide_unneeded_packages()
for _library in (
    "torch",
    "transformers.models.llama.modeling_llama",
    "starlette.applications",
    "uvicorn.protocols.http.auto",
):
    try:
        importlib.import_module(_library)
    except ImportError as error:  # which a fork server would pass over silently
        raise SystemExit(f"{_library} cannot be imported: {error}") from None
if max(threading.active_count(), len(os.listdir("/proc/self/task"))) > 1:
    raise SystemExit("a library has started a thread, which no fork would have: servers start without it")
# Objects that no search for cycles touches stay in pages that the servers share.
gc.collect()
gc.freeze()
