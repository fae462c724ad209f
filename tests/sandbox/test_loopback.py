"""With the variables alone some calls of the SageMaker SDK ask AWS: README.md says which, and what helps."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.loopback import PLUGIN, PLUGINS_VARIABLE, SDK_DEFAULTS_NAME

CALLS = Path(__file__).parents[1] / "sdk_calls.py"
README = Path(__file__).parents[2] / "src" / "sandbox" / "README.md"
PREFIXES = ("AWS_", "SAGEMAKER_", "WORKSHOP_", "BOTOCORE_")
REGION = "us-east-1"
TIMEOUT_S = 3600  # 1,200 were not enough on two cores with a load of 30
HUB_CALL = 'ModelBuilder(model="a name of the hub").build()'


def leaving(reported: dict[str, Any]) -> set[tuple[str, str]]:
    return {
        (name, host.replace(REGION, "REGION")) for name, each in reported.items() for host in each["asks"]
    }


def table() -> dict[tuple[str, str], str]:
    """Return the README's rows: (call, what it asks) -> what keeps it here."""
    part = (
        README.read_text(encoding="utf-8").partition("### What leaves the machine")[2].partition("\n## ")[0]
    )
    rows = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("| `")]
    return {
        (call, host): helps
        for calls, hosts, helps in rows
        for call in re.findall(r"`([^`]+)`", calls)
        for host in re.findall(r"`([^`]+)`", hosts)
    }


@pytest.fixture(scope="module")
def reported(sandbox, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What the calls did with the variables alone, with the SDK's defaults, with the plugin as well."""
    folder = tmp_path_factory.mktemp("calls")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIXES)}
    variables = {
        "AWS_ENDPOINT_URL": sandbox.url,
        "AWS_ACCESS_KEY_ID": "sample",
        "AWS_SECRET_ACCESS_KEY": "sample",
        "AWS_DEFAULT_REGION": REGION,
    }
    defaults = {"SAGEMAKER_USER_CONFIG_OVERRIDE": str(sandbox.home / SDK_DEFAULTS_NAME)}
    phases = [json.dumps(each) for each in (variables, defaults, {PLUGINS_VARIABLE: PLUGIN})]
    done = subprocess.run(
        [sys.executable, str(CALLS), str(folder), *phases],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        env={**kept, "HOME": str(folder)},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"Session')]


@pytest.fixture
def plugged(sandbox, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A session whose clients load the plugin."""
    import boto3

    monkeypatch.setenv("AWS_ENDPOINT_URL", sandbox.url)
    monkeypatch.setenv(PLUGINS_VARIABLE, PLUGIN)
    return boto3.session.Session("a", "b", region_name=REGION)


@pytest.mark.parametrize("domain", ["amazonaws.com", "amazonaws.com.cn"])
def test_a_client_with_an_address_of_aws_asks_the_sandbox(plugged: Any, domain: str) -> None:
    client = plugged.client("sts", endpoint_url=f"https://sts.{REGION}.{domain}")
    assert client.get_caller_identity()["Account"] == "000000000000"


def test_a_client_that_ignores_the_variable_asks_the_sandbox(plugged: Any) -> None:
    from botocore.config import Config

    client = plugged.client("s3", config=Config(ignore_configured_endpoint_urls=True))
    assert client.list_buckets()["Buckets"] is not None
    assert client.meta.endpoint_url.endswith("amazonaws.com"), "else there is nothing to see"


def test_an_address_of_somebodys_own_is_kept(sandbox, plugged: Any) -> None:
    own = plugged.client("sts", endpoint_url="https://sts.example.com")
    assert own.generate_presigned_url("get_caller_identity").startswith("https://sts.example.com/")
    usual = plugged.client("sts")
    assert usual.generate_presigned_url("get_caller_identity").startswith(sandbox.url)


def test_without_the_address_of_a_sandbox_the_plugin_does_nothing(
    plugged: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = plugged.client("sts", endpoint_url=f"https://sts.{REGION}.amazonaws.com")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    url = client.generate_presigned_url("get_caller_identity")
    assert url.startswith(f"https://sts.{REGION}.amazonaws.com/")


@pytest.mark.timeout(TIMEOUT_S)
def test_the_readme_lists_what_leaves_with_the_variables_alone_and_nothing_else(reported) -> None:
    assert leaving(reported[0]) == set(table())


@pytest.mark.timeout(TIMEOUT_S)
def test_the_defaults_keep_here_what_the_readme_says_of_them(reported) -> None:
    rest = {row for row, helps in table().items() if "defaults" not in helps}
    assert leaving(reported[1]) == rest | {(HUB_CALL, "huggingface.co")}


@pytest.mark.timeout(TIMEOUT_S)
def test_with_the_plugin_too_only_the_hub_is_asked_and_every_other_call_works(reported) -> None:
    assert leaving(reported[2]) == {(HUB_CALL, "huggingface.co")}
    failed = {name: each["error"] for name, each in reported[2].items() if each["error"]}
    assert list(failed) == [HUB_CALL]
    assert "HuggingFace Model ID someone/news-model" in failed[HUB_CALL]
    answers = {name: each["answer"] for name, each in reported[2].items()}
    assert answers["get_execution_role()"] == "arn:aws:iam::000000000000:role/workshop-sample"
    assert answers["Session().default_bucket()"] == "sagemaker-sandbox"
    assert answers["Session(boto_session=...).account_id()"] == "000000000000"
    trained = [answer for name, answer in answers.items() if name.startswith("ModelTrainer")]
    assert trained == ["Completed", "Completed"]
    processed = [answer for name, answer in answers.items() if name.startswith("ScriptProcessor")]
    assert processed == ["Completed", "Completed"]
