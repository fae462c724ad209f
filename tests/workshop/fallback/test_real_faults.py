"""Faults that nobody plants: components without copies, closed ports, and servers that keep one waiting."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import boto3
import pytest
from tests.sandbox.conftest import RunningSandbox
from tests.sandbox.hosting.components import Components
from tests.sandbox.hosting.conftest import Hosting
from tests.workshop.fallback.conftest import ARTICLE, container_body

from processes.ports import free_port
from workshop.errors import WorkshopError
from workshop.fallback import FallbackAnswer, FallbackClient, RetryPolicy, Rung, RuntimeClients, lead_rung
from workshop.inference import TGI
from workshop.inference.answers import Answer

BUDGET_S = 0.6
SLACK_S = 10.0  # a loaded machine's: without a bound each of these would take a minute, or have no end


def asked_at(url: str, budget_s: float = BUDGET_S, **where: Any) -> FallbackAnswer:
    """Ask an endpoint at an address, then the first sentences; the budget is kept."""
    session = boto3.session.Session("test", "test", region_name="us-east-1")

    class Here:
        def client(self, service: str, config: Any) -> Any:
            return session.client(service, endpoint_url=url, config=config)

    runtime = RuntimeClients(Here())

    def ask(question: Any, timeout_s: float) -> Answer:
        sent = {"EndpointName": "any", "Body": container_body("요약입니다."), **where}
        return TGI.answer(runtime(timeout_s).invoke_endpoint(**sent)["Body"].read())

    runtime(budget_s)  # the first client of a process takes its time
    client = FallbackClient(
        [Rung(name="tuned", ask=ask, usd_per_hour=1), lead_rung()],
        budget_s=budget_s,
        retries=RetryPolicy(most=0),
    )
    started_s = time.monotonic()
    answer = client.ask(ARTICLE)
    assert time.monotonic() - started_s < budget_s + SLACK_S
    return answer


@contextmanager
def server(answering: Any = None) -> Iterator[str]:
    """Listen, and do with each connection what is given; with nothing given accept none."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=1)) as listening:
        address = listening.getsockname()

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=answering, args=(connection,), daemon=True).start()

        if answering is not None:
            threading.Thread(target=serve, daemon=True).start()
        yield f"http://{address[0]}:{address[1]}"


def test_nobody_listens() -> None:
    answer = asked_at(f"http://127.0.0.1:{free_port()}")
    assert (answer.why, answer.attempts[0].cost_usd, answer.rung) == ("broken connection", 0, "lead-3")


def test_a_connection_that_is_never_made_times_out_and_costs_nothing() -> None:
    with server() as url:
        host, port = url.removeprefix("http://").split(":")
        waiting = [socket.socket() for _ in range(16)]  # fill the queue of connections
        for one in waiting:
            one.setblocking(False)
            one.connect_ex((host, int(port)))
        answer = asked_at(url)
        for one in waiting:
            one.close()
    assert (answer.why, answer.attempts[0].cost_usd) == ("timed out", 0)


def test_a_server_that_says_nothing_times_out() -> None:
    with server(lambda connection: time.sleep(30)) as url:
        answer = asked_at(url)
    assert answer.why == "timed out"
    assert answer.attempts[0].cost_usd > 0


def test_a_server_that_sends_a_byte_now_and_then_is_left_all_the_same() -> None:
    """botocore's time-out is between two bytes: it would wait for such an answer for ever."""

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        try:
            for _ in range(600):
                connection.sendall(b" ")
                time.sleep(0.05)
        except OSError:
            pass

    with server(drip) as url:
        assert asked_at(url).why == "timed out"


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{"])
def test_a_connection_that_ends_before_the_answer_does_is_broken(sent: bytes) -> None:
    def hang_up(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(sent)
        connection.close()

    with server(hang_up) as url:
        assert asked_at(url, 5.0).why == "broken connection"


def test_a_component_without_copies_has_no_capacity_and_one_that_is_not_there_is_an_error(
    fallback_hosting: Hosting, fallback_sandbox: RunningSandbox
) -> None:
    components = Components(fallback_hosting)
    endpoint = components.endpoint()
    name = components.deploy(endpoint)
    where = {"EndpointName": endpoint, "InferenceComponentName": name}
    assert asked_at(fallback_sandbox.url, 10.0, **where).rung == "tuned"
    components.scale(name, 0)
    answer = asked_at(fallback_sandbox.url, 10.0, **where)
    assert (answer.why, answer.rung, answer.cost_usd) == ("no capacity", "lead-3", 0)
    with pytest.raises(WorkshopError, match="not found"):
        asked_at(fallback_sandbox.url, 10.0, EndpointName=endpoint, InferenceComponentName="other")
