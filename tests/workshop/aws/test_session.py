"""One connection for every cell: to the AWS on this machine in sample mode, else to the person's account."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest

from workshop.aws.environment import ENDPOINT_VARIABLE
from workshop.aws.session import PREFIX, Aws, connect, ledger_path
from workshop.errors import WorkshopError
from workshop.settings import Settings, load_settings

MOTO_ACCOUNT = "123456789012"  # moto's own
STS_ANSWER = f"<R><GetCallerIdentityResult><Account>{MOTO_ACCOUNT}</Account></GetCallerIdentityResult></R>"
HEAVY = ("boto3", "botocore", "sagemaker", "numpy", "yaml")
AWS = ("session", "local", "upload")


def test_importing_it_loads_no_aws_library() -> None:
    modules = "workshop.cost, workshop.training.follow, " + ", ".join(f"workshop.aws.{name}" for name in AWS)
    code = f"import sys, {modules}\n\
print([name for name in {HEAVY[:-1]!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_sample_mode_talks_to_this_machine(sample_aws: Aws) -> None:
    url = os.environ[ENDPOINT_VARIABLE]
    assert url.startswith("http://127.0.0.1:")
    assert sample_aws.account_id == "000000000000"
    assert sample_aws.bucket == "sagemaker-us-east-1-000000000000"
    assert sample_aws.role_arn == "arn:aws:iam::000000000000:role/workshop-sample"
    assert sample_aws.uri("data", "train") == f"s3://{sample_aws.bucket}/{PREFIX}/data/train"
    for service in ("s3", "sagemaker", "sagemaker-runtime", "logs"):
        assert sample_aws.client(service).meta.endpoint_url == url
    sample_aws.client("s3").put_object(Bucket=sample_aws.bucket, Key="한국어 뉴스.txt", Body=b"1")


def test_connecting_again_finds_the_same_and_makes_nothing(sample_aws: Aws) -> None:
    before = os.environ[ENDPOINT_VARIABLE]
    again = connect(sample_aws.settings)
    assert (again.bucket, os.environ[ENDPOINT_VARIABLE]) == (sample_aws.bucket, before)
    buckets = [entry for entry in again.ledger.entries() if entry.kind == "Bucket"]
    assert [entry.name for entry in buckets] == [again.bucket]


def test_the_sdk_session_is_the_same_one(sample_aws: Aws) -> None:
    session = sample_aws.sagemaker_session
    assert session is sample_aws.sagemaker_session
    assert session.boto_session is sample_aws.boto_session is boto3.DEFAULT_SESSION
    assert session.sagemaker_client.meta.endpoint_url == os.environ[ENDPOINT_VARIABLE]
    assert session.default_bucket() == sample_aws.bucket
    assert session.default_bucket_prefix == PREFIX


def test_sdk_objects_without_a_session_use_the_latest_connection(sample_aws: Aws) -> None:
    from sagemaker.core.utils.utils import SageMakerClient

    assert sample_aws.sagemaker_session
    first = SageMakerClient().sagemaker_client
    assert first.meta.endpoint_url == os.environ[ENDPOINT_VARIABLE]
    again = connect(sample_aws.settings)
    assert SageMakerClient().sagemaker_client is not first
    assert SageMakerClient().session is again.boto_session


def test_after_a_restart_on_another_port_nothing_talks_to_the_old_one(tmp_path: Path) -> None:
    from sagemaker.core.resources import Model
    from sagemaker.core.utils.utils import SageMakerClient

    from workshop.aws import local as local_aws

    settings = load_settings(environ={"WORKSHOP_HOME": str(tmp_path)})
    home = settings.home / "sandbox"
    try:
        first = connect(settings)
        assert first.sagemaker_session
        local_aws.stop(home)
        with socket.socket() as taken:
            with suppress(OSError):  # taken or not, the next one gets another port
                taken.bind(("127.0.0.1", urlsplit(os.environ[ENDPOINT_VARIABLE]).port))
            second = connect(settings)
        assert SageMakerClient().sagemaker_client.meta.endpoint_url == os.environ[ENDPOINT_VARIABLE]
        assert list(Model.get_all()) == []
        assert second.sagemaker_session.sagemaker_client.list_models()["Models"] == []
    finally:
        local_aws.stop(home)


def test_aws_modes_set_no_variable_and_make_the_bucket_once(account: Settings) -> None:
    before = dict(os.environ)
    for _ in range(2):
        aws = connect(account)
        assert dict(os.environ) == before
    assert aws.account_id == MOTO_ACCOUNT
    assert aws.bucket == f"sagemaker-us-east-1-{MOTO_ACCOUNT}"
    tags = aws.client("s3").get_bucket_tagging(Bucket=aws.bucket)["TagSet"]
    assert (
        {tag["Key"]: tag["Value"] for tag in tags}
        == aws.tags
        == {
            "workshop": PREFIX,
            "workshop-mode": "debug",
        }
    )
    assert aws.ledger.path == ledger_path(account, MOTO_ACCOUNT)
    assert aws.ledger.path.name == f"ledger-{MOTO_ACCOUNT}-us-east-1.jsonl"


def test_the_bucket_stands_in_the_region_of_the_settings(account: Settings) -> None:
    settings = dataclasses.replace(account, region="ap-northeast-2", bucket="news-bucket-of-seoul")
    aws = connect(settings)
    place = aws.client("s3").get_bucket_location(Bucket="news-bucket-of-seoul")["LocationConstraint"]
    assert place == "ap-northeast-2"


def test_a_bucket_of_somebody_else_is_refused(account: Settings, tmp_path: Path) -> None:
    class StrangersBucket(Quiet):
        """S3 says 403 when the owner is not the expected one; moto has no such check."""

        def do_POST(self) -> None:
            self.answer(200, STS_ANSWER)

        def do_HEAD(self) -> None:
            is_checked = self.headers.get("x-amz-expected-bucket-owner") == MOTO_ACCOUNT
            self.answer(403 if is_checked else 200, "")

    with serving(StrangersBucket, tmp_path), pytest.raises(WorkshopError, match=r"cannot be used \(403\)"):
        connect(account)


def test_a_bucket_that_another_notebook_made_meanwhile_is_taken(account: Settings, tmp_path: Path) -> None:
    class MadeMeanwhile(Quiet):
        def do_POST(self) -> None:
            self.answer(200, STS_ANSWER)

        def do_HEAD(self) -> None:
            self.answer(404, "")

        def do_PUT(self) -> None:
            self.answer(409, "<Error><Code>BucketAlreadyOwnedByYou</Code></Error>")

    with serving(MadeMeanwhile, tmp_path):
        assert connect(account).bucket == f"sagemaker-us-east-1-{MOTO_ACCOUNT}"


def test_two_notebooks_may_make_the_bucket_at_once(account: Settings) -> None:
    settings = dataclasses.replace(account, region="eu-west-1", bucket="made-by-two")
    failures: list[BaseException] = []

    def notebook() -> None:
        try:
            connect(settings)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=notebook) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_missing_credentials_say_what_to_run(account: Settings, moto_url: str) -> None:
    Path(os.environ["AWS_CONFIG_FILE"]).write_text(f"[default]\nendpoint_url = {moto_url}\n")
    with pytest.raises(WorkshopError, match="no AWS credentials") as caught:
        connect(account)
    assert "aws sso login" in caught.value.next_step


def test_a_login_that_boto3_cannot_read_says_which_package_it_needs(
    account: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.credentials.EC", None)  # as where awscrt is not installed
    Path(os.environ["AWS_CONFIG_FILE"]).write_text("[default]\nlogin_session = arn:aws:iam::0:user/kim\n")
    with pytest.raises(WorkshopError, match="aws login") as caught:
        connect(account)
    assert "botocore[crt]" in caught.value.next_step


def test_an_unknown_profile_is_named(account: Settings) -> None:
    os.environ["AWS_PROFILE"] = "absent"
    with pytest.raises(WorkshopError, match="absent"):
        connect(account)


def test_expired_credentials_say_what_to_run(account: Settings, tmp_path: Path) -> None:
    class Refuse(Quiet):
        def do_POST(self) -> None:
            self.answer(403, "<ErrorResponse><Error><Code>ExpiredToken</Code></Error></ErrorResponse>")

    with serving(Refuse, tmp_path), pytest.raises(WorkshopError, match="ExpiredToken") as caught:
        connect(account)
    assert "aws sso login" in caught.value.next_step


def test_no_connection_is_not_called_missing_credentials(account: Settings, tmp_path: Path) -> None:
    _use(tmp_path, "http://127.0.0.1:1")
    os.environ["AWS_MAX_ATTEMPTS"] = "1"
    with pytest.raises(WorkshopError, match="no answer from AWS in us-east-1"):
        connect(account)


def test_a_kernel_that_ran_in_sample_mode_cannot_connect_to_an_account(
    sample_aws: Aws, account: Settings
) -> None:
    with pytest.raises(WorkshopError, match="restart the kernel"):
        connect(account)


def _use(tmp_path: Path, url: str) -> None:
    (tmp_path / "aws-config").write_text(
        f"[default]\nendpoint_url = {url}\naws_access_key_id = a\naws_secret_access_key = b\n"
    )


class Quiet(BaseHTTPRequestHandler):
    """A server for answers that moto does not give."""

    def answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: object) -> None: ...


@contextmanager
def serving(handler: type[Quiet], tmp_path: Path) -> Iterator[None]:
    server = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _use(tmp_path, f"http://127.0.0.1:{server.server_port}")
    yield
    server.shutdown()
    server.server_close()
