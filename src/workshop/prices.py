"""What an hour of a machine costs: AWS's price list where it answers, else the dated table, marked as such.

AWS is asked by who hands a session on, once for a type and region in a process, with seconds of patience.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workshop.instance_types import PRICES_DATE, PRICES_REGION, usd_per_hour_of

if TYPE_CHECKING:
    import boto3

    from workshop.settings import Settings

TRAINING_JOB, SPOT_TRAINING_JOB = "training job", "spot training job"
ENDPOINT, NOTEBOOK_INSTANCE = "endpoint", "notebook instance"
PROCESSING_JOB = "processing job"
KINDS = (TRAINING_JOB, SPOT_TRAINING_JOB, PROCESSING_JOB, ENDPOINT, NOTEBOOK_INSTANCE)
"""What a machine is used for, in the words of AWS's quotas."""

# In those of the price list. What spot instances will cost is not known: on demand is the most.
_COMPONENTS = {
    TRAINING_JOB: "Training",
    SPOT_TRAINING_JOB: "Training",
    PROCESSING_JOB: "Processing",
    ENDPOINT: "Hosting",
    NOTEBOOK_INSTANCE: "Notebook",
}
PRICE_LIST_REGION = "us-east-1"
"""Where AWS answers for every region; it does in three only. Source: botocore's endpoints of `pricing`."""

# What reading an answer of another form ends in: none was seen here, and no estimate is worth a traceback.
_OTHER_FORM = (ValueError, TypeError, LookupError, AttributeError)
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 3, 5


@dataclass(frozen=True, kw_only=True)
class Price:
    """Of one machine for an hour, on demand.

    Attributes:
        usd_per_hour: None when it is not known.
        source: Where it is from, in words.
    """

    usd_per_hour: float | None
    source: str


class _UnansweredError(Exception):
    """Why AWS's price list gave nothing."""


# Mode, region and type -> dollars by use; and mode -> why it is not asked any more.
_answers: dict[tuple[str, str, str], dict[str, float]] = {}
_refusals: dict[str, str] = {}


def price_of(
    settings: Settings, instance_type: str, kind: str = "", *, session: boto3.Session | None = None
) -> Price:
    """Return what an hour of a machine costs in the settings' region.

    Args:
        settings: Of the mode; in sample mode the AWS on this machine answers.
        instance_type: For example ml.g5.4xlarge.
        kind: One of KINDS; "" for the dearest use.
        session: boto3's, to ask AWS with; None takes the table.
    """
    reason = ""
    if session is not None and instance_type.startswith("ml."):
        try:
            by_use = _asked(settings, instance_type, session)
            if usd := by_use.get(_COMPONENTS.get(kind, ""), max(by_use.values(), default=None)):
                return Price(usd_per_hour=usd, source=f"AWS's price list, {settings.region}")
            reason = f"none in AWS's price list for {settings.region}"
        except _UnansweredError as problem:
            reason = f"AWS's price list: {problem}"
    source = f"{PRICES_REGION}, table of {PRICES_DATE}"
    if settings.region != PRICES_REGION:
        source += f", not {settings.region}, where it differs"
    return Price(
        usd_per_hour=usd_per_hour_of(instance_type),
        source=f"{source}; {reason}" if reason else source,
    )


def forget() -> None:
    """Ask AWS again next time."""
    _answers.clear()
    _refusals.clear()


def _asked(settings: Settings, instance_type: str, session: boto3.Session) -> dict[str, float]:
    """Return dollars by use, as AWS's price list has them.

    Raises:
        _UnansweredError: It refuses, or there is no way to it; then it is asked for nothing more.
    """
    key = (settings.mode, settings.region, instance_type)
    if key in _answers:
        return _answers[key]
    if settings.mode in _refusals:
        raise _UnansweredError(_refusals[settings.mode])
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    from workshop.account.found import reason_of

    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S, read_timeout=READ_TIMEOUT_S, retries={"total_max_attempts": 1}
    )
    wanted = {"regionCode": settings.region, "instanceName": instance_type}
    filters = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in wanted.items()]
    try:
        client = session.client("pricing", region_name=PRICE_LIST_REGION, config=config)
        answer = client.get_products(ServiceCode="AmazonSageMaker", Filters=filters, MaxResults=100)
    except (ClientError, BotoCoreError) as error:
        _refusals[settings.mode] = reason_of(error, "pricing")
        raise _UnansweredError(_refusals[settings.mode]) from None
    by_use: dict[str, float] = {}
    try:
        for use, usd in _prices(answer["PriceList"]):
            by_use[use] = max(usd, by_use.get(use, 0))
    except _OTHER_FORM as problem:
        _refusals[settings.mode] = f"an answer in another form than is known here ({type(problem).__name__})"
        raise _UnansweredError(_refusals[settings.mode]) from None
    _answers[key] = by_use
    return by_use


def _prices(products: list[str]) -> Iterator[tuple[str, float]]:
    """Yield use and dollars of every product that has a price by the hour; free tiers have none."""
    for text in products:
        product: dict[str, Any] = json.loads(text)
        component = product.get("product", {}).get("attributes", {}).get("component", "")
        for term in product.get("terms", {}).get("OnDemand", {}).values():
            for dimension in term.get("priceDimensions", {}).values():
                usd = float(dimension.get("pricePerUnit", {}).get("USD", 0))
                if usd > 0 and dimension.get("unit") in ("Hrs", "hours", "Hours"):
                    yield component, usd
