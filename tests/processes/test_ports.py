"""A free port: nobody listens on it, and no outgoing connection can take it before its server does."""

from __future__ import annotations

import random
import socket
from pathlib import Path

import pytest

from processes import ports


def test_a_server_can_listen_on_it() -> None:
    with socket.create_server((ports.HOST, ports.free_port())):
        pass


def test_a_port_that_somebody_listens_on_is_not_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, free = ports.free_port(), ports.free_port()
    monkeypatch.setattr(random.SystemRandom, "sample", lambda *_: [taken, free])
    with socket.create_server((ports.HOST, taken)):
        assert ports.free_port() == free


def test_no_free_port_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = ports.free_port()
    monkeypatch.setattr(random.SystemRandom, "sample", lambda *_: [taken])
    with socket.create_server((ports.HOST, taken)), pytest.raises(OSError, match="none is free"):
        ports.free_port()


def test_two_programs_with_the_same_seed_get_different_ports() -> None:
    found = set()
    for _ in range(5):
        random.seed(42)
        found.add(ports.free_port())
    assert len(found) > 1


def test_it_is_no_port_of_outgoing_connections() -> None:
    setting = Path("/proc/sys/net/ipv4/ip_local_port_range")
    if not setting.exists():
        pytest.skip("only Linux tells which those are")
    assert max(ports.PORTS) < int(setting.read_text().split()[0])
