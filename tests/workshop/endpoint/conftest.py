"""An endpoint for inference components on the sandbox."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.workshop.components_on_sandbox import create_endpoint

from workshop.aws.session import Aws
from workshop.endpoint.deletion import delete_components

TIMEOUT_S = 600


@pytest.fixture
def endpoint(sample_aws: Aws) -> Iterator[str]:
    name = create_endpoint(sample_aws)
    yield name
    delete_components(sample_aws, name, timeout_s=TIMEOUT_S)
    sample_aws.client("sagemaker").delete_endpoint(EndpointName=name)
