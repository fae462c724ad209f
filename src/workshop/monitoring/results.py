"""What a scoring job has left in S3, read back: a row for each request, and the report."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workshop.errors import WorkshopError
from workshop.monitoring.score import REPORT, SCORES

if TYPE_CHECKING:
    from workshop.aws.session import Aws


@dataclass(frozen=True, kw_only=True)
class Results:
    """Attributes: rows of scores.jsonl, in the order of the requests; report as in report.json."""

    rows: list[dict[str, Any]]
    report: dict[str, Any]


def read_results(aws: Aws, uri: str) -> Results:
    """Read the outputs `scores` and `report` of a job, which lie below one S3 folder.

    Raises:
        WorkshopError: They are not there.
    """
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    found = {}
    for name in (f"scores/{SCORES}", f"report/{REPORT}"):
        s3 = aws.client("s3")
        try:
            answer = s3.get_object(Bucket=bucket, Key=f"{prefix.rstrip('/')}/{name}")
        except s3.exceptions.NoSuchKey:
            raise WorkshopError(
                found=f"no {name} below {uri}",
                expected="what the job of workshop.monitoring.score leaves when it is Completed",
                next_step="look at the job's ExitMessage, and start it again in the cell above",
            ) from None
        found[name] = answer["Body"].read().decode("utf-8")
    rows = [json.loads(line) for line in found[f"scores/{SCORES}"].splitlines()]
    return Results(rows=rows, report=json.loads(found[f"report/{REPORT}"]))
