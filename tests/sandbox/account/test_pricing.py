"""The price list answers in AWS's form: texts of JSON, a product for each use of a machine."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .conftest import Control


def products(sandbox, region: str = "us-east-1", **filters: str) -> list[dict[str, Any]]:
    pages = (
        sandbox.client("pricing", region)
        .get_paginator("get_products")
        .paginate(
            ServiceCode="AmazonSageMaker",
            FormatVersion="aws_v1",
            Filters=[
                {"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in filters.items()
            ],
        )
    )
    return [json.loads(text) for page in pages for text in page["PriceList"]]


def usd(product: dict[str, Any]) -> float:
    (term,) = product["terms"]["OnDemand"].values()
    (dimension,) = term["priceDimensions"].values()
    assert dimension["unit"] == "Hrs"
    return float(dimension["pricePerUnit"]["USD"])


def test_a_machine_has_a_price_for_each_use(sandbox) -> None:
    found = products(sandbox, instanceName="ml.g5.4xlarge", regionCode="us-east-1")
    assert {product["product"]["attributes"]["component"] for product in found} == {
        "Hosting",
        "Training",
        "Notebook",
        "Processing",
    }
    assert {usd(product) for product in found} == {2.03}
    (hosting,) = products(
        sandbox,
        productFamily="ML Instance",
        instanceName="ml.g5.4xlarge",
        platoinstancetype="Hosting",
        regionCode="us-east-1",
    )
    assert hosting["product"]["attributes"]["usagetype"] == "USE1-Host:ml.g5.4xlarge"
    (processing,) = products(sandbox, instanceName="ml.m5.xlarge", component="Processing")
    assert processing["product"]["attributes"]["usagetype"] == "USE1-Processing:ml.m5.xlarge"
    assert processing["product"]["attributes"]["instanceType"] == "ml.m5.xlarge-Processing"
    assert usd(processing) == 0.23


def test_the_list_comes_in_pages(sandbox) -> None:
    client = sandbox.client("pricing")
    first = client.get_products(ServiceCode="AmazonSageMaker", MaxResults=2)
    assert len(first["PriceList"]) == 2
    second = client.get_products(ServiceCode="AmazonSageMaker", MaxResults=100, NextToken=first["NextToken"])
    assert len(second["PriceList"]) == len(products(sandbox)) - 2


def test_an_unknown_machine_and_another_region_have_no_price(sandbox) -> None:
    assert products(sandbox, instanceName="ml.g9.4xlarge") == []
    assert products(sandbox, instanceName="ml.g5.4xlarge", regionCode="ap-northeast-2") == []
    assert products(sandbox, colour="red") == []


def test_the_list_is_where_aws_has_it(sandbox) -> None:
    assert products(sandbox, "eu-central-1", instanceName="ml.g5.4xlarge")
    with pytest.raises(ClientError, match="no price list service in ap-northeast-2"):
        products(sandbox, "ap-northeast-2")


def test_what_it_does_not_have_is_refused(sandbox) -> None:
    client = sandbox.client("pricing")
    with pytest.raises(ClientError, match=r"InvalidParameterException.*AmazonEC2"):
        client.get_products(ServiceCode="AmazonEC2")
    with pytest.raises(ClientError, match=r"InvalidParameterException.*aws_v2"):
        client.get_products(ServiceCode="AmazonSageMaker", FormatVersion="aws_v2")
    with pytest.raises(ClientError, match="does not implement DescribeServices"):
        client.describe_services()


def test_a_price_can_be_set(sandbox, control: Control) -> None:
    control("PUT", "prices", {"name": "ml.g5.4xlarge", "value": 3.5})
    assert {usd(product) for product in products(sandbox, instanceName="ml.g5.4xlarge")} == {3.5}
    control("DELETE", "prices")
    assert {usd(product) for product in products(sandbox, instanceName="ml.g5.4xlarge")} == {2.03}
