"""Sample mode cannot reach AWS, and the other modes cannot reach this machine by mistake."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from workshop.aws.environment import (
    check_sdk_defaults_once,
    redirect_to,
    refuse_redirection,
    write_sdk_defaults,
)
from workshop.errors import WorkshopError

URL = "http://127.0.0.1:4566"


def redirected(tmp_path: Path, **variables: str) -> dict[str, str]:
    environ = dict(variables)
    redirect_to(URL, tmp_path, "ap-northeast-2", environ)
    return environ


def test_nothing_of_a_persons_own_setup_is_left(tmp_path: Path) -> None:
    own = {
        "AWS_PROFILE": "work-account",
        "AWS_SESSION_TOKEN": "token",
        "AWS_ACCESS_KEY_ID": "real",
        "AWS_SECRET_ACCESS_KEY": "real",
        "AWS_ENDPOINT_URL_S3": "https://s3.us-east-1.amazonaws.com",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/token",
        "AWS_ROLE_ARN": "arn",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "SAGEMAKER_MLFLOW_ASSUME_ROLE_ARN": "arn",
    }
    environ = redirected(tmp_path, **own, PATH="/bin")
    assert environ["PATH"] == "/bin"
    assert environ["AWS_ENDPOINT_URL"] == environ["SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT"] == URL
    left = {name for name in own if name in environ} - {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert left == set()
    assert "real" not in environ.values()
    assert (environ["AWS_REGION"], environ["AWS_DEFAULT_REGION"]) == ("ap-northeast-2", "ap-northeast-2")


def test_botocore_finds_no_profile_and_only_this_machine(tmp_path: Path) -> None:
    import botocore.session

    (tmp_path / ".aws").mkdir()
    for name in ("config", "credentials"):
        (tmp_path / ".aws" / name).write_text(
            "[default]\naws_access_key_id = real\naws_secret_access_key = real\n"
            "endpoint_url = https://example.com\n"
        )
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        del os.environ[name]
    os.environ["HOME"] = str(tmp_path)
    assert botocore.session.get_session().available_profiles == ["default"]
    os.environ["AWS_PROFILE"] = "absent"
    redirect_to(URL, tmp_path, "us-east-1")
    session = botocore.session.get_session()
    assert session.available_profiles == []
    assert session.get_credentials().access_key == "sample"
    for service in ("s3", "sts", "sagemaker", "sagemaker-runtime", "logs", "iam", "ecr"):
        assert session.create_client(service).meta.endpoint_url == URL


def test_loopback_goes_past_a_proxy(tmp_path: Path) -> None:
    from botocore.utils import get_environ_proxies

    redirect_to(URL, tmp_path, "us-east-1")
    assert os.environ["NO_PROXY"] == "127.0.0.1,localhost,.amazonaws.com,.amazonaws.com.cn"
    os.environ["HTTP_PROXY"] = os.environ["http_proxy"] = "http://proxy.example.com:3128"
    assert get_environ_proxies(URL) == {}
    kept = redirected(tmp_path, NO_PROXY=".corp, 127.0.0.1")["NO_PROXY"]
    assert kept == ".corp,127.0.0.1,localhost,.amazonaws.com,.amazonaws.com.cn"
    assert get_environ_proxies("https://sts.us-east-1.amazonaws.com") == {}, "it is this machine then"


def test_the_sdk_reads_its_defaults_from_the_file(tmp_path: Path) -> None:
    from sagemaker.core.config.config import load_sagemaker_config, validate_sagemaker_config

    path = redirect_to(URL, tmp_path, "us-east-1")
    role = "arn:aws:iam::000000000000:role/workshop-sample"
    write_sdk_defaults(path, bucket="a-bucket", prefix="a-prefix", role_arn=role)
    config = load_sagemaker_config()
    validate_sagemaker_config(config)
    modules = config["SageMaker"]["PythonSDK"]["Modules"]
    assert modules["TelemetryOptOut"] is True
    assert modules["Session"] == {"DefaultS3Bucket": "a-bucket", "DefaultS3ObjectKeyPrefix": "a-prefix"}
    assert config["SageMaker"]["TrainingJob"]["RoleArn"] == modules["RemoteFunction"]["RoleArn"] == role
    assert config["SageMaker"]["ProcessingJob"]["RoleArn"] == role
    assert not list(tmp_path.glob("*.tmp"))


def test_the_sdk_checks_its_defaults_once_and_refuses_wrong_ones_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from jsonschema import ValidationError
    from sagemaker.core.config import config_manager

    checked = []
    monkeypatch.setattr(
        config_manager.SageMakerConfig, "validate_sagemaker_config", staticmethod(checked.append)
    )
    monkeypatch.delattr(config_manager.SageMakerConfig, "checked_once", raising=False)
    check_sdk_defaults_once()
    check_sdk_defaults_once()
    one, other = {"SchemaVersion": "1.0"}, {"SchemaVersion": "1.0", "SageMaker": {}}
    for defaults in (one, one, other, one):
        config_manager.SageMakerConfig().validate_sagemaker_config(defaults)
    assert checked == [one, other]
    monkeypatch.undo()
    check_sdk_defaults_once()
    for _ in range(2):
        with pytest.raises(ValidationError):
            config_manager.SageMakerConfig().validate_sagemaker_config({"SchemaVersion": 1})


@pytest.mark.parametrize("url", [URL, "http://localhost:4566", "http://[::1]:80", "http://127.1.2.3"])
@pytest.mark.parametrize(
    "name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SAGEMAKER", "SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT"]
)
def test_leftovers_of_sample_mode_are_refused_on_aws(name: str, url: str) -> None:
    os.environ[name] = url
    with pytest.raises(WorkshopError, match="restart the kernel") as caught:
        refuse_redirection("debug")
    assert name in caught.value.found


def test_a_private_endpoint_of_aws_is_accepted() -> None:
    os.environ["AWS_ENDPOINT_URL_S3"] = "https://bucket.vpce-1.s3.us-east-1.vpce.amazonaws.com"
    refuse_redirection("full")


def test_the_plugin_joins_those_that_are_there(tmp_path: Path) -> None:
    name, plugin = "BOTOCORE_EXPERIMENTAL__PLUGINS", "sandbox=sandbox.loopback"
    assert redirected(tmp_path, **{name: "mine=my.plugin"})[name] == f"mine=my.plugin,{plugin}"
    assert redirected(tmp_path, **{name: "DISABLED"})[name] == plugin
