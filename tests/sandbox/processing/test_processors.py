"""The SageMaker SDK's processors, unmodified: ScriptProcessor, FrameworkProcessor and Processor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CLIENT = Path(__file__).with_name("processor_client.py")
SRC_DIR = Path(__file__).parents[3] / "src"
SOURCES = {
    "rows.txt": "뉴스",
    "look.py": """
import os, pathlib, sys
base = pathlib.Path(sys.argv[2])
print("arguments", sys.argv[1:], os.environ["NOTE"])
text = (base / "data" / "rows.txt").read_text()
(base.parent / "output" / "report.txt").write_text(text * 2)
(base.parent.parent / "output" / "message").write_text("두 번")
""",
    "helped.py": "import sys, helper; print(helper.greet(sys.argv[1]))",
    "helper.py": "def greet(name):\n    return f'hello {name}'\n",
    "fails.py": "raise ValueError('no such column in /opt/ml/processing/input')",
}


@pytest.fixture(scope="module")
def results(jobs, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """What the SDK says of one job of each kind, with the job's log and description."""
    folder = tmp_path_factory.mktemp("processors")
    (folder / "sources").mkdir()
    for name, text in SOURCES.items():
        (folder / "sources" / name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(CLIENT), jobs.sandbox.url, str(folder)],
        capture_output=True,
        text=True,
        timeout=1200,
        env={**os.environ, "PYTHONPATH": str(SRC_DIR), "COLUMNS": "400"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    facts = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"kind"')]
    return {
        fact["kind"]: {
            **fact,
            "shown": done.stdout,
            "log": jobs.lines(fact["name"]),
            "job": jobs.describe(fact["name"]),
        }
        for fact in facts
    }


def test_a_script_runs_with_its_arguments_inputs_and_outputs(jobs, results: dict[str, dict]) -> None:
    script = results["script"]
    assert (script["status"], script["error"], script["message"]) == ("Completed", None, "두 번")
    report = jobs.s3.get_object(Bucket="sagemaker-news", Key="workshop/out/report.txt")["Body"].read()
    assert report.decode() == "뉴스뉴스"
    assert any(line.startswith("arguments ['--at', '") and line.endswith("] 가") for line in script["log"])
    assert "arguments ['--at'" in script["shown"], "the SDK prints the log"


def test_the_sdk_sends_the_script_as_an_input_and_its_name_as_the_entrypoint(
    results: dict[str, dict],
) -> None:
    job = results["script"]["job"]
    entrypoint = ["python3", "/opt/ml/processing/input/code/look.py"]
    assert job["AppSpecification"]["ContainerEntrypoint"] == entrypoint
    assert [each["InputName"] for each in job["ProcessingInputs"]] == ["data", "code"]
    assert job["RoleArn"] == "arn:aws:iam::000000000000:role/workshop-sample"


def test_a_folder_of_sources_comes_as_an_archive(results: dict[str, dict]) -> None:
    framework = results["framework"]
    assert (framework["status"], framework["error"]) == ("Completed", None), framework["log"]
    assert framework["log"][-1] == "hello b"


def test_an_image_is_given_its_entrypoint(results: dict[str, dict]) -> None:
    assert (results["plain"]["status"], results["plain"]["log"]) == ("Completed", ["plain 1"])


def test_a_failing_script_is_an_error_with_its_reason(results: dict[str, dict]) -> None:
    fails = results["fails"]
    assert fails["status"] == "Failed"
    assert fails["error"].startswith("FailedStatusError: ")
    assert "AlgorithmError: , exit code: 1" in fails["error"]
    assert fails["log"][-1] == "ValueError: no such column in /opt/ml/processing/input"


def test_the_resource_class_lists_jobs(results: dict[str, dict]) -> None:
    assert results["listed"]["name"] == results["fails"]["name"]
