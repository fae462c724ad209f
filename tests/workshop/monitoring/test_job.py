"""score.py as a real processing job: sent by the SDK's processor, run by the local AWS, read back from S3."""

from __future__ import annotations

import ast
import json
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.workshop.monitoring.captured import line, summary_request
from tests.workshop.pipeline.test_jobs import OUT, Runner
from tests.workshop.pipeline.test_sources import pins

from sample.news import generator
from workshop.aws.session import Aws
from workshop.monitoring.results import read_results
from workshop.monitoring.sources import monitoring_sources
from workshop.settings import find_repo_dir


class ScoringRunner(Runner):
    """Starts the monitors' job as a notebook does."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.sources = monitoring_sources(aws.settings.home / "monitoring")


def test_captures_in_s3_are_scored_by_a_processing_job(sample_aws: Aws) -> None:
    rows = list(generator.rows(12, 5))
    lines = [
        line(f"e{n:02d}", summary_request(row["document"]), row["summary"], day=f"2026-11-0{3 + n // 6}")
        for n, row in enumerate(rows)
    ]
    s3, prefix = sample_aws.client("s3"), f"{sample_aws.prefix}/captured"
    for number in range(2):
        key = f"{prefix}/news/AllTraffic/2026/11/29/1{number}/00-00-000-{number}.jsonl"
        body = "\n".join(lines[6 * number : 6 * number + 6]) + "\n"
        s3.put_object(Bucket=sample_aws.bucket, Key=key, Body=body.encode())
    runner = ScoringRunner(sample_aws)
    captures = {"captures": sample_aws.uri("captured")}
    arguments = ("--output", OUT, "--reference_days", "1")
    started = runner.start("score", captures, ["scores", "report"], *arguments)
    unreadable = f"{sample_aws.prefix}/unreadable"
    s3.put_object(Bucket=sample_aws.bucket, Key=f"{unreadable}/a.jsonl", Body=b"{}")
    nothing = runner.start("score", {"captures": sample_aws.uri("unreadable")}, ["report"], "--output", OUT)
    job = runner.ended(started)
    assert job["ProcessingJobStatus"] == "Completed", job
    assert job["ExitMessage"].startswith("12 requests of 2 days, ")
    results = read_results(sample_aws, started.uri)
    assert [row["eventId"] for row in results.rows] == [f"e{n:02d}" for n in range(12)]
    assert results.report["reference"]["days"] == ["2026-11-03"]
    assert json.loads(job["files"]["report/report.json"]) == results.report
    job = runner.ended(nothing)
    assert job["ProcessingJobStatus"] == "Failed"
    assert [text.split()[0] for text in job["ExitMessage"].splitlines()] == ["found", "expected", "do"]


def test_requirements_are_the_versions_of_this_environment_and_name_all_that_is_imported(
    tmp_path: Path,
) -> None:
    sources = monitoring_sources(tmp_path)
    given = pins(sources.folder / "requirements.txt")
    ours = pins(find_repo_dir() / "setup" / "constraints.txt")
    assert given == {name: ours[name] for name in given}
    distributions = packages_distributions()
    imported = set()
    for path in sources.folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.split(".")[0])
    needed = {name for name in imported if name in distributions} - {"workshop", "processes", "sample"}
    assert {distributions[name][0].lower() for name in needed} <= set(given)
