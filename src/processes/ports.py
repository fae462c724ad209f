"""A port of this machine for a server that is about to start."""

from __future__ import annotations

import random
import socket

HOST = "127.0.0.1"
# Below the ports that Linux and macOS give to outgoing connections: none of those can take it meanwhile.
PORTS = range(18_000, 32_000)
_NUM_TRIES = 200


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on now.

    Raises:
        OSError: None was found.
    """
    # The system's random numbers: a notebook may have seeded Python's, and so may the one beside it.
    for port in random.SystemRandom().sample(PORTS, _NUM_TRIES):
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise OSError(f"{_NUM_TRIES} ports of {HOST} were tried and none is free")
