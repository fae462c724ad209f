"""What of the workshop costs now, since when and how much, and what the jobs cost that have ended.

    make cost                                     # in the mode of workshop.yaml
    make cost MODE=debug

Lists and changes nothing. It is an estimate at the present prices: AWS's bill is what counts.
"""

from __future__ import annotations

import sys

from workshop.account.finding import find_paid
from workshop.account.found import JOBS_OF_DAYS, Listing
from workshop.account.report import problem_lines, table_lines
from workshop.aws import local as local_aws
from workshop.aws.session import connect
from workshop.cost import ALARM_USD_PER_MONTH, DASHBOARD_USD_PER_MONTH, METRIC_USD_PER_MONTH
from workshop.errors import WorkshopError
from workshop.settings import Settings, load_settings

_NOT_COUNTED = (
    "Not in it: deleted endpoints, storage (make cleanup lists it), Jupyter's machine, and what has neither",
    "the workshop's tag nor a row in this machine's ledger. What counts is AWS's bill.",
    f"Alarms ({ALARM_USD_PER_MONTH:.2f} USD a month each) and dashboards ({DASHBOARD_USD_PER_MONTH:.2f}) are"
    " counted in full, although the first 10 and 3 of an account are free.",
    f"Custom metrics are not in it: {METRIC_USD_PER_MONTH:.2f} USD a month each, for the hours in which they"
    " get values, the first 10 free. Rules cost nothing.",
    # Source: AWS News Blog, "Accelerate AI development using Amazon SageMaker AI with serverless MLflow", as
    # others quote it; the price list was not looked up.
    "An MLflow App is not in it either: no additional cost, by AWS's words at its launch in December 2025.",
)


def spending_text(settings: Settings, listing: Listing) -> str:
    """Return the machines and jobs with what they cost, and sums; what has no known price is named."""
    where = "the AWS on this machine" if settings.mode == "sample" else settings.region
    ended = [one for one in listing.found if one.details.get("has_ended")]
    runs = [one for one in listing.found if one not in ended]
    head = f"{len(runs)} alive of the workshop in {where}, {listing.at:%Y-%m-%d %H:%M} UTC"
    known = [one for one in listing.found if one.usd_so_far is not None]
    sums = {
        "an hour now": sum(one.usd_per_hour for one in known),
        "so far by what is alive": sum(one.usd_so_far for one in known if one in runs),
        f"by the {len(ended)} jobs of the last {JOBS_OF_DAYS} days that have ended": sum(
            one.usd_so_far for one in known if one in ended
        ),
    }
    lines = [head, *table_lines(settings, listing), ""]
    if settings.mode == "sample":
        lines.append("0 USD: all of it runs on this machine. AWS would take for it:")
    lines += [f"{usd:.2f} USD {what}" for what, usd in sums.items()]
    if unknown := [one.name for one in listing.found if one.usd_so_far is None]:
        lines.append(f"not counted, since their price is not known: {', '.join(unknown)}")
    return "\n".join([*lines, *_NOT_COUNTED, *problem_lines(listing.problems)])


def main() -> int:
    """Show it in a terminal; exit status 1 when something could not be asked."""
    try:
        settings = load_settings()
        with local_aws.left_as_found(settings.home / "sandbox"):
            listing = find_paid(connect(settings, needs_bucket=False))
        print(spending_text(settings, listing))
        return 1 if listing.problems else 0
    except WorkshopError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
