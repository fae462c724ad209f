"""AWS's price list for SageMaker's machines: GetProducts, in the form that AWS answers in.

The prices are a table of its own, of us-east-1 in November 2026; other regions have none here. AWS answers in
three regions only (botocore's endpoints), for all of them: which region's price is meant is a filter.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from sandbox.account.values import Values
from sandbox.api.errors import AwsError
from sandbox.api.listing import page_of
from sandbox.api.registry import Call, Service

SERVICE_CODE = "AmazonSageMaker"
REGIONS = ("us-east-1", "eu-central-1", "ap-south-1")
PRICED_REGION, LOCATION, PREFIX = "us-east-1", "US East (N. Virginia)", "USE1"
# What a machine is used for: attribute `component` -> middle of `usagetype`.
# Source of that of processing jobs: "USE1-Processing:ml.m5.xlarge" in public answers of GetProducts.
COMPONENTS = {"Hosting": "Host", "Training": "Train", "Notebook": "Notebk", "Processing": "Processing"}
_USD_PER_HOUR = {
    "ml.c6i.2xlarge": 0.41,
    "ml.g5.2xlarge": 1.52,
    "ml.g5.4xlarge": 2.03,
    "ml.g5.12xlarge": 7.09,
    "ml.g5.24xlarge": 10.18,
    "ml.g5.48xlarge": 20.36,
    "ml.g6.2xlarge": 1.22,
    "ml.g6.12xlarge": 5.75,
    "ml.g6e.2xlarge": 2.80,
    "ml.g6e.4xlarge": 3.76,
    "ml.g6e.12xlarge": 13.10,
    "ml.m5.xlarge": 0.23,
    "ml.p4d.24xlarge": 25.25,
    "ml.p5.48xlarge": 63.30,
}


def _check(call: Call) -> None:
    call.context.faults.raise_for(call.operation, region=call.region, service="pricing")
    if call.region not in REGIONS:
        raise AwsError(
            "UnknownOperationException",
            f"AWS has no price list service in {call.region}; it is in {', '.join(REGIONS)}.",
        )
    code = call.request["ServiceCode"]
    if code != SERVICE_CODE:
        raise AwsError(
            "InvalidParameterException",
            f"The sandbox has prices of {SERVICE_CODE} only, not of {code} (src/sandbox/README.md).",
        )
    version = call.request.get("FormatVersion", "aws_v1")
    if version != "aws_v1":
        raise AwsError("InvalidParameterException", f"Invalid FormatVersion {version}; there is aws_v1.")


PRICING = Service(name="pricing", title="the AWS Price List", target="AWSPriceListService", check=_check)
operation = PRICING.operation


def usual_prices() -> Values:
    """Return dollars an hour by instance type."""
    return Values(_USD_PER_HOUR)


@operation("GetProducts")
def get_products(call: Call) -> dict[str, Any]:
    """Return products that every filter fits, each as a text of JSON."""
    filters = sorted((each["Field"], each["Value"]) for each in call.request.get("Filters", ()))
    found = [
        product
        for product in _products(call)
        if all(_value(product, name) == value for name, value in filters)
    ]
    page, token = page_of(
        found,
        place=lambda product: [product["product"]["sku"]],
        is_descending=False,
        of_list=f"{call.operation} {json.dumps(filters)}",
        request=call.request,
    )
    return {
        "FormatVersion": "aws_v1",
        "PriceList": [json.dumps(product) for product in page],
        "NextToken": token,
    }


def _value(product: dict[str, Any], name: str) -> str | None:
    """Return what a filter compares: an attribute, or the family."""
    return {**product["product"]["attributes"], "productFamily": product["product"]["productFamily"]}.get(
        name
    )


def _products(call: Call) -> Iterator[dict[str, Any]]:
    for instance_type in _USD_PER_HOUR:
        for component, usage in COMPONENTS.items():
            usd = call.context.prices.get(instance_type)
            sku = hashlib.sha256(f"{component} {instance_type}".encode()).hexdigest()[:16].upper()
            term, dimension = f"{sku}.JRTCKXETXF", f"{sku}.JRTCKXETXF.6YS6EN2CT7"
            yield {
                "product": {
                    "productFamily": "ML Instance",
                    "sku": sku,
                    "attributes": {
                        "instanceName": instance_type,
                        "instanceType": f"{instance_type}-{component}",
                        "component": component,
                        "platoinstancetype": component,
                        "platoinstancename": instance_type.removeprefix("ml."),
                        "regionCode": PRICED_REGION,
                        "location": LOCATION,
                        "locationType": "AWS Region",
                        "servicecode": SERVICE_CODE,
                        "servicename": "Amazon SageMaker",
                        "usagetype": f"{PREFIX}-{usage}:{instance_type}",
                        "operation": "RunInstance",
                    },
                },
                "serviceCode": SERVICE_CODE,
                "terms": {
                    "OnDemand": {
                        term: {
                            "sku": sku,
                            "offerTermCode": "JRTCKXETXF",
                            "effectiveDate": "2026-11-01T00:00:00Z",
                            "termAttributes": {},
                            "priceDimensions": {
                                dimension: {
                                    "rateCode": dimension,
                                    "unit": "Hrs",
                                    "beginRange": "0",
                                    "endRange": "Inf",
                                    "description": f"${usd:.4f} per {component} {instance_type} hour",
                                    "appliesTo": [],
                                    "pricePerUnit": {"USD": f"{usd:.10f}"},
                                }
                            },
                        }
                    }
                },
                "version": "20261101000000",
                "publicationDate": "2026-11-01T00:00:00Z",
            }
