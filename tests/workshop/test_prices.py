"""A price is AWS's own where AWS answers; where it does not, the table says that it is the table, and why."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.sandbox.conftest import RunningSandbox

from workshop import prices
from workshop.cost import estimate
from workshop.instance_types import CPU_USD_PER_HOUR, INSTANCE_TYPES
from workshop.prices import ENDPOINT, PROCESSING_JOB, TRAINING_JOB, price_of
from workshop.settings import Settings, load_settings

TYPE = "ml.g5.4xlarge"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    sandbox = RunningSandbox(tmp_path_factory.mktemp("prices") / "home")
    try:
        yield sandbox
    finally:
        sandbox.close()


@pytest.fixture(autouse=True)
def _asks_anew(running: RunningSandbox) -> Iterator[None]:
    prices.forget()
    yield
    prices.forget()
    for table in ("prices", "faults"):
        control(running, "DELETE", table)


@pytest.fixture
def debug() -> Settings:
    return load_settings(environ={"WORKSHOP_MODE": "debug"})


def control(running: RunningSandbox, method: str, table: str, body: Any = None) -> None:
    data = None if body is None else json.dumps(body).encode()
    urllib.request.urlopen(
        urllib.request.Request(f"{running.url}/_sandbox/{table}", data, method=method)
    ).close()


def session_of(url: str, folder: Path) -> boto3.Session:
    """Return a session of a person whose AWS is at an address."""
    (folder / "config").write_text(
        f"[default]\nendpoint_url = {url}\naws_access_key_id = a\naws_secret_access_key = b\n"
    )
    os.environ["AWS_CONFIG_FILE"] = str(folder / "config")
    return boto3.Session(region_name="ap-northeast-2")


@pytest.fixture
def session(running: RunningSandbox, tmp_path: Path) -> boto3.Session:
    return session_of(running.url, tmp_path)


def test_awss_own_price_is_taken_and_said(
    running: RunningSandbox, debug: Settings, session: boto3.Session
) -> None:
    control(running, "PUT", "prices", {"name": TYPE, "value": 3.5})
    cost = estimate(debug, TYPE, hours=2, kind=TRAINING_JOB, session=session)
    assert cost.usd == pytest.approx(7.0)
    assert "(3.50 USD/h: AWS's price list, us-east-1)" in cost.text
    assert estimate(debug, TYPE, hours=2, kind=TRAINING_JOB).usd == pytest.approx(4.06)  # nobody was asked


def test_a_type_is_asked_for_once(running: RunningSandbox, debug: Settings, session: boto3.Session) -> None:
    assert price_of(debug, TYPE, ENDPOINT, session=session).usd_per_hour == pytest.approx(2.03)
    control(running, "PUT", "prices", {"name": TYPE, "value": 3.5})
    assert price_of(debug, TYPE, TRAINING_JOB, session=session).usd_per_hour == pytest.approx(2.03)
    prices.forget()
    assert price_of(debug, TYPE, session=session).usd_per_hour == pytest.approx(3.5)


def test_a_use_has_the_price_of_its_own(debug: Settings, session: boto3.Session) -> None:
    def dearer(parsed: dict[str, Any], **_: Any) -> None:
        texts = (
            text.replace('"0.23', '"0.33') if '"Processing"' in text else text for text in parsed["PriceList"]
        )
        parsed.update(PriceList=list(texts))

    session.events.register("after-call.pricing.GetProducts", dearer)
    for kind, usd in ((PROCESSING_JOB, 0.33), (TRAINING_JOB, 0.23)):
        assert price_of(debug, "ml.m5.xlarge", kind, session=session).usd_per_hour == pytest.approx(usd)


def test_a_refusal_leaves_the_table_and_names_the_action(
    running: RunningSandbox, debug: Settings, session: boto3.Session
) -> None:
    control(running, "PUT", "faults", {"operation": "GetProducts", "fault": "AccessDenied"})
    price = price_of(debug, TYPE, session=session)
    assert price.usd_per_hour == pytest.approx(2.03)
    assert price.source.startswith("us-east-1, table of 2026-11; ")
    assert "lacks the action pricing:GetProducts" in price.source
    # It is not asked for other types: each would cost the same wait.
    assert "table of" in price_of(debug, "ml.g6.12xlarge", session=session).source


def test_without_a_network_the_table_is_taken(debug: Settings, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    price = price_of(debug, TYPE, session=session_of(f"http://127.0.0.1:{port}", tmp_path))
    assert price.usd_per_hour == pytest.approx(2.03)
    assert "AWS's price list: no answer (EndpointConnectionError)" in price.source


@pytest.mark.parametrize(
    "product",
    ["no JSON", "[]", '{"terms": {"OnDemand": {"a": {"priceDimensions": {"b": {"pricePerUnit": 1}}}}}}'],
)
def test_an_answer_in_another_form_leaves_the_table(
    debug: Settings, session: boto3.Session, product: str
) -> None:
    """Nobody has seen AWS's answer here: what differs in it may stop no notebook."""
    session.events.register(
        "after-call.pricing.GetProducts", lambda parsed, **_: parsed.update(PriceList=[product])
    )
    price = price_of(debug, TYPE, session=session)
    assert price.usd_per_hour == pytest.approx(2.03)
    assert "an answer in another form than is known here" in price.source


def test_of_several_prices_for_one_use_the_dearest_is_taken(debug: Settings, session: boto3.Session) -> None:
    def twice(parsed: dict[str, Any], **_: Any) -> None:
        cheaper = [text.replace('"2.03', '"1.03') for text in parsed["PriceList"]]
        parsed.update(PriceList=[*parsed["PriceList"], *cheaper])

    session.events.register("after-call.pricing.GetProducts", twice)
    assert price_of(debug, TYPE, TRAINING_JOB, session=session).usd_per_hour == pytest.approx(2.03)


def test_a_region_without_a_price_gets_the_tables_marked_as_anothers(
    debug: Settings, session: boto3.Session
) -> None:
    """The AWS on this machine answers in us-east-1 alone, as AWS does, and has that region's prices alone."""
    seoul = dataclasses.replace(debug, region="ap-northeast-2")
    source = price_of(seoul, TYPE, session=session).source
    assert "not ap-northeast-2, where it differs; none in AWS's price list for ap-northeast-2" in source


def test_what_aws_does_not_sell_has_no_price(debug: Settings, session: boto3.Session) -> None:
    assert price_of(debug, "ml.g9.4xlarge", session=session).usd_per_hour is None
    assert price_of(debug, "local_gpu", session=session).usd_per_hour is None
    assert estimate(debug, "ml.g5.16xlarge", hours=1, session=session).usd is None


def test_both_tables_of_prices_agree(debug: Settings, session: boto3.Session) -> None:
    priced = {name: row.usd_per_hour for name, row in INSTANCE_TYPES.items() if row.usd_per_hour}
    priced |= CPU_USD_PER_HOUR
    found = {name: price_of(debug, name, session=session) for name in priced}
    assert {name: price.usd_per_hour for name, price in found.items()} == pytest.approx(priced)
    assert {price.source for price in found.values()} == {"AWS's price list, us-east-1"}


def test_sample_mode_asks_the_aws_on_this_machine(sample_aws) -> None:
    cost = estimate(sample_aws.settings, TYPE, hours=1, session=sample_aws.boto_session)
    assert cost.usd == 0
    assert "AWS's price list" in cost.text
