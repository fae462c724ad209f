"""From settings to a listening server: the socket first, the model in the background."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from typing import NoReturn

from serve.errors import UserError
from serve.model_folder import ModelFolder, read_model_folder
from serve.settings import ServeSettings, token_limits

logger = logging.getLogger(__name__)

# SageMaker sends SIGKILL 30 s after SIGTERM; a request under way rarely needs more than this.
SHUTDOWN_S = 10
# transformers imports these where it finds them; generating on a CPU needs none. A module that is None counts
# as not installed. Measured: ready 0.9 s earlier, 47 MB less memory.
UNNEEDED_PACKAGES = ("accelerate", "scipy")


def serve(settings: ServeSettings) -> int:
    """Serve until SIGTERM or SIGINT.

    Returns:
        Exit status 0.

    Raises:
        UserError: The model cannot be served, or the address cannot be listened on.
    """
    started_s = time.perf_counter()
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn puts its own handlers over these while it runs, and raises the signal again at its end.
        signal.signal(number, _end)
    model = read_model_folder(settings.model_dir)
    max_input, max_total = token_limits(settings, model.max_positions)
    listener = listen(settings)
    host, port = listener.getsockname()[:2]
    print(f"listening on http://{f'[{host}]' if ':' in host else host}:{port}", flush=True)

    import uvicorn

    from serve.app import Application

    application = Application(
        model,
        max_input=max_input,
        max_total=max_total,
        max_concurrent_requests=settings.max_concurrent_requests,
    )
    server = uvicorn.Server(
        uvicorn.Config(
            application.asgi(),
            lifespan="off",
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=SHUTDOWN_S,
            timeout_keep_alive=75,
            server_header=False,
        )
    )
    failure: list[UserError] = []

    def load() -> None:
        try:
            application.engine = _load_engine(model, settings.dtype)
            logger.info("ready after %.1f s", time.perf_counter() - started_s)
        except UserError as error:
            failure.append(error)
            server.should_exit = True

    threading.Thread(target=load, name="load", daemon=True).start()
    try:
        server.run(sockets=[listener])
    finally:
        if application.engine is not None:
            application.engine.close()
    if failure:
        raise failure[0]
    return 0


def exit_with(status: int) -> NoReturn:
    """End the process at once: a thread that still loads a model would crash in torch's destructors."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def listen(settings: ServeSettings) -> socket.socket:
    """Return a listening socket.

    Raises:
        UserError: The address is not this machine's, or the port is taken.
    """
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise UserError(
            found=f"{settings.host} port {settings.port}, which cannot be listened on: {error.strerror}",
            expected="an address of this machine and a port that is free",
            next_step="end what listens there, or set PORT (0 takes a free one)",
        ) from None
    # Connections inherit it: asyncio sets it only on sockets made with TCP's protocol number, which these are
    # not. Without it an answer's body waits 40 ms for the client's delayed acknowledgement of its headers.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _load_engine(model: ModelFolder, dtype: str):
    # The server's own process never asks the hub: what it serves is in the folder.
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")
    for package in UNNEEDED_PACKAGES:
        sys.modules.setdefault(package, None)
    try:
        from serve.engines.transformers_engine import TransformersEngine

        return TransformersEngine(model.path, model.codec, dtype=dtype)
    except Exception as error:  # whatever a damaged folder makes the libraries raise
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            found=f"a model in {model.path} that cannot be loaded: {type(error).__name__}: {reason}",
            expected="a causal language model that transformers can load",
            next_step="write or download the model again",
        ) from error


def _end(*_: object) -> None:
    raise SystemExit(0)
