"""Components are deleted in AWS's order, patiently, and within a time."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.workshop.components_on_sandbox import (
    LMI_IMAGE,
    create_adapter,
    create_component,
    create_endpoint,
    create_model,
)

from workshop.aws.resources import delete_if_there, is_there
from workshop.aws.session import Aws
from workshop.endpoint.components import wait_for_component
from workshop.endpoint.deletion import components_on, delete_component, delete_components, delete_endpoint
from workshop.errors import WorkshopError

TIMEOUT_S = 600


def test_adapters_go_before_their_base_and_nothing_is_left(
    sample_aws: Aws, endpoint: str, adapter_archive: Path
) -> None:
    model = create_model(
        sample_aws, f"{endpoint}-lmi", image=LMI_IMAGE, OPTION_ENABLE_LORA="true", OPTION_MAX_LORA_RANK="8"
    )
    base = create_component(sample_aws, endpoint, "base", model)
    other = create_component(sample_aws, endpoint, "other", model, num_copies=0)
    wait_for_component(sample_aws, base, timeout_s=TIMEOUT_S)
    adapter = create_adapter(sample_aws, endpoint, base, adapter_archive)
    wait_for_component(sample_aws, adapter, timeout_s=TIMEOUT_S)
    assert components_on(sample_aws, endpoint)[0]["InferenceComponentName"] == adapter
    deleted = delete_components(sample_aws, endpoint, timeout_s=TIMEOUT_S)
    assert deleted[0] == adapter
    assert set(deleted[1:]) == {base, other}
    assert components_on(sample_aws, endpoint) == []


def test_one_that_is_being_created_is_asked_for_again_until_it_may_go(
    sample_aws: Aws, endpoint: str, capsys: pytest.CaptureFixture
) -> None:
    name = create_component(sample_aws, endpoint, "new", create_model(sample_aws, f"{endpoint}-new"))
    with pytest.raises(WorkshopError, match=r"not yet: [\s\S]*CREATE_IN_PROGRESS[\s\S]*AWS Support"):
        delete_component(sample_aws, name, timeout_s=0)
    delete_component(sample_aws, name, timeout_s=TIMEOUT_S)
    sagemaker = sample_aws.client("sagemaker")
    assert not is_there(sagemaker.describe_inference_component, InferenceComponentName=name)
    assert "accepted" in capsys.readouterr().out


def test_an_endpoint_goes_too_and_asking_again_is_no_error(sample_aws: Aws) -> None:
    name = create_endpoint(sample_aws)
    delete_endpoint(sample_aws, name, timeout_s=TIMEOUT_S)
    assert not is_there(sample_aws.client("sagemaker").describe_endpoint, EndpointName=name)
    delete_endpoint(sample_aws, name, timeout_s=0)
    assert delete_if_there(sample_aws.client("sagemaker").delete_endpoint_config, EndpointConfigName=name)
    assert not delete_if_there(sample_aws.client("sagemaker").delete_endpoint_config, EndpointConfigName=name)


def test_an_endpoint_with_components_is_refused_and_not_waited_for(sample_aws: Aws, endpoint: str) -> None:
    create_component(sample_aws, endpoint, "new", create_model(sample_aws, f"{endpoint}-new"), num_copies=0)
    with pytest.raises(ClientError, match="inference component"):
        delete_endpoint(sample_aws, endpoint, timeout_s=TIMEOUT_S)


def test_what_is_not_there_is_deleted_already(sample_aws: Aws) -> None:
    delete_component(sample_aws, "never", timeout_s=0)
    assert delete_components(sample_aws, "never", timeout_s=0) == []
