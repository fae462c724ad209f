"""From arguments to a listening server: the socket first, the model in the background."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence

from processes.errors import UserError
from serve import container_paths
from serve.adapter_rank import check_rank
from serve.container_paths import ContainerPaths
from serve.dialect import ServerApplication
from serve.dialects.registry import DIALECTS
from serve.model_options import read_model
from serve.settings import ServeSettings, read_settings, token_limits

logger = logging.getLogger(__name__)

# SageMaker sends SIGKILL 30 s after SIGTERM; a running request rarely needs more than this.
SHUTDOWN_S = 10


def start(argv: Sequence[str]) -> int:
    """Serve, and return the exit status: 0 after a signal, 2 when something cannot be served."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        return serve(read_settings(argv))
    except UserError as error:
        paths = ContainerPaths(os.environ.get(container_paths.VARIABLE, ""))
        print(paths.shown(str(error)), file=sys.stderr)
        return 2
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1


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
    prepare = DIALECTS[settings.dialect].prepare or prepare_generation
    make_application = prepare(settings)
    listener = listen(settings)
    host, port = listener.getsockname()[:2]
    print(f"listening on http://{f'[{host}]' if ':' in host else host}:{port}", flush=True)

    import uvicorn

    application = make_application()
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
            application.load()
            logger.info("ready after %.1f s", time.perf_counter() - started_s)
        except UserError as error:
            failure.append(error)
            server.should_exit = True

    threading.Thread(target=load, name="load", daemon=True).start()
    try:
        server.run(sockets=[listener])
    finally:
        application.close()
    if failure:
        raise failure[0]
    return 0


def prepare_generation(settings: ServeSettings) -> Callable[[], ServerApplication]:
    """Check the model that generates text and its limits, and return what makes the application.

    Raises:
        UserError: The model cannot be served.
    """
    model = read_model(settings)
    for name, folder in settings.adapters.items():
        check_rank(name, folder, settings.max_lora_rank)
    max_input, max_total = token_limits(settings, model.max_positions)

    def application() -> ServerApplication:
        from serve.app import Application

        return Application(model, settings, max_input=max_input, max_total=max_total)

    return application


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


def _end(*_: object) -> None:
    raise SystemExit(0)
