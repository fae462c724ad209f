"""After connect() nothing that the SageMaker SDK does for somebody leaves this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from workshop.aws import local as local_aws
from workshop.aws.session import SAMPLE_ROLE_NAME
from workshop.settings import load_settings

CALLS = Path(__file__).parents[2] / "sdk_calls.py"
TIMEOUT_S = 3600  # as in the test of the sandbox
HUB_CALL = 'ModelBuilder(model="a name of the hub").build()'
# A person's own: none of it may be asked in place of AWS.
OWN = {
    "HTTP_PROXY": "http://proxy.example.com:3128",
    "HTTPS_PROXY": "http://proxy.example.com:3128",
    "AWS_ENDPOINT_URL_STS": "https://sts.example.com",
    "AWS_PROFILE": "work",
    "BOTOCORE_EXPERIMENTAL__PLUGINS": "DISABLED",
}


@pytest.mark.timeout(TIMEOUT_S)
def test_every_call_of_the_sdk_stays_and_is_answered(tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    (tmp_path / "calls").mkdir()
    try:
        done = subprocess.run(
            [sys.executable, str(CALLS), str(tmp_path / "calls"), "connect"],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            env={**os.environ, **OWN, "WORKSHOP_HOME": home},
        )
    finally:
        local_aws.stop(load_settings(environ={"WORKSHOP_HOME": home}).home / "sandbox")
    assert done.returncode == 0, done.stderr[-4000:]
    (line,) = [line for line in done.stdout.splitlines() if line.startswith('{"Session')]
    reported = json.loads(line)
    # Metadata of a model of the hub are nowhere else.
    assert {name: each["asks"] for name, each in reported.items() if each["asks"]} == {
        HUB_CALL: ["proxy.example.com"]
    }
    assert [name for name, each in reported.items() if each["error"]] == [HUB_CALL]
    answers = {name: each["answer"] for name, each in reported.items()}
    assert answers["get_execution_role()"] == f"arn:aws:iam::000000000000:role/{SAMPLE_ROLE_NAME}"
    assert answers["Session().account_id()"] == "000000000000"
    assert answers["Session().default_bucket()"] == "sagemaker-us-east-1-000000000000"
    assert answers["ModelTrainer(...).train()"] == "Completed"
