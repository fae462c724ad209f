"""Start the server.

python -m serve --model FOLDER --port 8080
HF_MODEL_ID=FOLDER PORT=0 python -m serve serve

Start a parent from which servers are forked (see preload.py), and a server from it:

python -m serve preload --socket FOLDER/serve.socket
SERVE_PRELOADED=FOLDER/serve.socket python -m serve --model FOLDER --port 8080
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from serve.handover import VARIABLE, NotForkedError, hand_over


def main(argv: Sequence[str]) -> int:
    """Return the exit status: 0 after a signal, 2 when something given cannot be served.

    It is negative, for the signal, when the server was forked and ended by one.
    """
    if argv[:1] == ["preload"]:
        from serve.preload import preload

        return preload(argv[1:])
    note = ""
    if os.environ.get(VARIABLE):
        try:
            return hand_over(os.environ[VARIABLE], argv)
        except NotForkedError as refusal:
            note = f"started without preloaded libraries: {refusal}"
    from serve.server import start  # here: the proxy of a forked server needs none of it

    return start(argv, note)


def exit_with(status: int) -> None:
    """End the process at once, as the server ended: by its exit status, or by its signal when negative."""
    sys.stdout.flush()
    sys.stderr.flush()
    if status < 0:
        import resource
        import signal

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the server has left one, if any is wanted
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    # A thread that still loads a model would crash in torch's destructors.
    os._exit(status)


if __name__ == "__main__":
    exit_with(main(sys.argv[1:]))
