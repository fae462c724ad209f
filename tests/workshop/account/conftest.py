"""An account that several machines work in: a sandbox, reached in mode debug as AWS would be."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests import permissions_record
from tests.sandbox.conftest import RunningSandbox
from tests.workshop.account.foreign import Foreign

from workshop.aws.session import Aws, connect
from workshop.settings import load_settings

ROLE = "arn:aws:iam::000000000000:role/workshop-sample"

Machine = Callable[..., Aws]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    sandbox = RunningSandbox(tmp_path_factory.mktemp("account") / "home")
    try:
        yield sandbox
    finally:
        sandbox.close()


@pytest.fixture
def machine(running: RunningSandbox, tmp_path: Path) -> Machine:
    """Return a connection of a machine: each name is a home of its own, with a ledger and a state of its own.

    Every test has a bucket of its own, so that what one leaves is not another's.
    """
    profile = tmp_path / "aws-config"
    keys = "aws_access_key_id = a\naws_secret_access_key = b\n"
    profile.write_text(f"[default]\nendpoint_url = {running.url}\n{keys}")
    os.environ["AWS_CONFIG_FILE"] = str(profile)

    connections: dict[object, Aws] = {}  # each takes seconds: botocore reads all of SageMaker's description

    def connected(name: str = "first", *, needs_bucket: bool = False, **settings: str) -> Aws:
        environ = {
            "WORKSHOP_MODE": "debug",
            "WORKSHOP_HOME": str(tmp_path / name),
            "WORKSHOP_ROLE_ARN": ROLE,
            "WORKSHOP_BUCKET": "news-of-this-account",
            "WORKSHOP_POLL_INTERVAL_S": "0.05",
            **{f"WORKSHOP_{key.upper()}": value for key, value in settings.items()},
        }
        key = (needs_bucket, *environ.items())
        if key not in connections:
            connections[key] = connect(load_settings(environ=environ), needs_bucket=needs_bucket)
        return connections[key]

    return connected


@pytest.fixture(scope="module")
def foreign(running: RunningSandbox) -> Foreign:
    """What somebody else has in the same account."""
    return Foreign(running)


@pytest.fixture(scope="module")
def policed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """A sandbox in which policies count."""
    running = RunningSandbox(tmp_path_factory.mktemp("permissions") / "home")
    try:
        yield running
    finally:
        running.close()


@pytest.fixture(scope="module")
def policed_connections() -> list[Aws]:
    return []


@pytest.fixture
def policed_aws(policed: RunningSandbox, policed_connections: list[Aws]) -> Aws:
    """The module's connection of mode debug, under the policies of setup/iam from its first call on."""
    permissions_record.enforce(policed)
    folder = policed.home.parent
    profile = folder / "aws-config"
    keys = "aws_access_key_id = a\naws_secret_access_key = b\n"
    profile.write_text(f"[default]\nendpoint_url = {policed.url}\n{keys}")
    os.environ["AWS_CONFIG_FILE"] = str(profile)
    if not policed_connections:  # each takes seconds: botocore reads all of SageMaker's description
        environ = {
            "WORKSHOP_MODE": "debug",
            "WORKSHOP_HOME": str(folder / "workshop"),
            "WORKSHOP_ROLE_ARN": permissions_record.ROLE_ARN,
            "WORKSHOP_POLL_INTERVAL_S": "0.05",
            "WORKSHOP_BASE_MODEL": "src/sample/base/model",  # and not the hub
        }
        policed_connections.append(connect(load_settings(environ=environ)))
    aws = policed_connections[0]
    aws.client("s3").create_bucket(Bucket=aws.bucket)  # a test may have deleted it
    return aws
