"""Start the server.

python -m serve --model FOLDER --port 8080
HF_MODEL_ID=FOLDER PORT=0 python -m serve serve
"""

from __future__ import annotations

import os
import sys

from serve.server import start

if __name__ == "__main__":
    status = start(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # At once: a thread that still loads a model would crash in torch's destructors.
    os._exit(status)
