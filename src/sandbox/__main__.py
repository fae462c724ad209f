"""Start or stop the sandbox: `python -m sandbox --home DIR`, and the same with `--stop`."""

from __future__ import annotations

import argparse
import fcntl
import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import IO

ALREADY_RUNNING = 3
STOP_TIMEOUT_S = 30.0


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="folder of everything it keeps")
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1; a free one when left out")
    parser.add_argument("--stop", action="store_true", help="end the sandbox of this home and wait for it")
    options = parser.parse_args(argv)
    home = options.home.absolute()
    if options.stop:
        return stop(home)
    home.mkdir(parents=True, exist_ok=True)
    lock = (home / "lock").open("a")
    if not _try_lock(lock):
        print(f"found     another sandbox that serves {home}{_where(home)}", file=sys.stderr)
        print("expected  one sandbox a home", file=sys.stderr)
        print(f"do next   use it, or end it: python -m sandbox --home {home} --stop", file=sys.stderr)
        return ALREADY_RUNNING
    return serve(home, options.port)


def serve(home: Path, port: int) -> int:
    """Serve a home on a port until a signal comes; the caller holds the home's lock."""
    from sandbox.context import Context
    from sandbox.other_services import OtherServices
    from sandbox.server import Application, bind

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    logging.getLogger("botocore").setLevel(logging.WARNING)
    others, context = OtherServices(home), Context(home)
    try:
        server = bind(Application(context, others), port)
    except OSError as error:
        print(f"found     port {port} cannot be used: {error.strerror}", file=sys.stderr)
        print("expected  a free port\ndo next   leave --port out", file=sys.stderr)
        return 2
    context.url = f"http://127.0.0.1:{server.port}"
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    others.start()
    _announce(home, context.url)
    _recover(context, others)
    ended.wait()
    (home / "server.json").unlink(missing_ok=True)
    _end(context)
    return 0


def stop(home: Path) -> int:
    """End the sandbox that holds the lock of a home, and wait until it has let go."""
    lock_path = home / "lock"
    if not lock_path.exists():
        return 0
    with lock_path.open("a") as lock:
        if _try_lock(lock):
            return 0
        try:
            os.kill(json.loads((home / "server.json").read_text())["pid"], signal.SIGTERM)
        except (OSError, ValueError, KeyError):
            print(f"found     a sandbox that holds {lock_path} and is not in server.json", file=sys.stderr)
            print("expected  its pid there\ndo next   wait for its start or end, then again", file=sys.stderr)
            return 1
        waiter = threading.Thread(target=fcntl.flock, args=(lock, fcntl.LOCK_EX), daemon=True)
        waiter.start()
        waiter.join(STOP_TIMEOUT_S)
        return int(waiter.is_alive())


def _try_lock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _where(home: Path) -> str:
    try:
        return f" on {json.loads((home / 'server.json').read_text())['url']}"
    except (OSError, ValueError, KeyError):
        return ""


def _announce(home: Path, url: str) -> None:
    partial = home / "server.json.partial"
    facts = {"url": url, "port": int(url.rsplit(":", 1)[1]), "pid": os.getpid(), "home": str(home)}
    partial.write_text(json.dumps(facts))
    os.replace(partial, home / "server.json")
    print(f"listening on {url}", flush=True)


def _recover(context, others) -> None:
    """Tell of what ran when the last sandbox of this home ended that it has ended."""
    from sandbox.hosting import endpoints
    from sandbox.training import training_jobs

    others.wait()
    training_jobs.recover(context)
    endpoints.recover(context)


def _end(context) -> None:
    """End every child and say so in its record."""
    from sandbox.hosting import endpoints
    from sandbox.training import training_jobs

    training_jobs.end_all(context)
    endpoints.end_all(context)


if __name__ == "__main__":
    sys.exit(main())
