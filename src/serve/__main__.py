"""Start the server.

python -m serve --model FOLDER --port 8080
HF_MODEL_ID=FOLDER PORT=0 python -m serve serve
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from serve.errors import UserError
from serve.server import exit_with, serve
from serve.settings import read_settings


def main(argv: Sequence[str]) -> int:
    """Return the exit status: 0 after a signal, 2 when something given cannot be served."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        return serve(read_settings(argv))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1


if __name__ == "__main__":
    exit_with(main(sys.argv[1:]))
