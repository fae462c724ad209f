"""A model made of a package: which one can be deployed, what of it runs, and what becomes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.sandbox.hosting.components import INSTANCE_TYPE, Components
from tests.sandbox.hosting.conftest import IMAGE, ROLE, Hosting
from tests.sandbox.model_registry.contents import delete_group, everything
from tests.sandbox.model_registry.test_groups import refused

GROUP = "deployed"


@pytest.fixture(scope="module", autouse=True)
def group(sandbox: Any) -> Iterator[None]:
    """A group that is gone afterwards."""
    sandbox.client("sagemaker").create_model_package_group(ModelPackageGroupName=GROUP)
    yield
    delete_group(sandbox.client("sagemaker"), GROUP)


def register(hosting: Hosting, status: str = "Approved", **container: Any) -> str:
    return hosting.sagemaker.create_model_package(
        ModelPackageGroupName=GROUP,
        ModelApprovalStatus=status,
        InferenceSpecification={"Containers": [{"Image": IMAGE, **container}]},
        AdditionalInferenceSpecifications=[
            {"Name": "other", "Containers": [{"Image": IMAGE, "Environment": {"VERSION": "other"}}]}
        ],
    )["ModelPackageArn"]


def create(hosting: Hosting, name: str, **container: Any) -> Any:
    return hosting.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)


def variant(model: str) -> dict[str, Any]:
    given = {"VariantName": "AllTraffic", "InstanceType": "ml.g5.xlarge", "InitialInstanceCount": 1}
    return {**given, "ModelName": model}


def ask(hosting: Hosting, endpoint: str, **members: Any) -> dict[str, Any]:
    body = json.dumps({"tell": 1})
    answer = hosting.runtime.invoke_endpoint(EndpointName=endpoint, Body=body, **members)
    return json.loads(answer["Body"].read())


@pytest.mark.parametrize("status", ["PendingManualApproval", "Rejected"])
def test_a_version_that_is_not_approved_makes_no_model_until_it_is(hosting: Hosting, status: str) -> None:
    arn = register(hosting, status)
    code, message = refused(create, hosting=hosting, name="m", ModelPackageName=arn)
    assert code == "ValidationException"
    assert arn in message
    assert f"approval status {status}" in message
    assert "Could not find model" in refused(hosting.sagemaker.describe_model, ModelName="m")[1]
    hosting.sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    create(hosting, "m", ModelPackageName=arn)
    # What was deployed goes on when a version is rejected: AWS looks when the model is made.
    hosting.sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Rejected")
    assert hosting.sagemaker.describe_model(ModelName="m")["PrimaryContainer"]["ModelPackageName"] == arn
    hosting.sagemaker.delete_model(ModelName="m")


@pytest.mark.parametrize(
    ("container", "words"),
    [
        ({"Image": IMAGE}, "can not have Image"),
        ({"ModelDataUrl": "s3://b/m.tar.gz"}, "can not have ModelDataUrl"),
        ({"InferenceSpecificationName": "absent"}, "no inference specification named absent"),
        (
            {"ModelPackageName": f"{GROUP}/999"},
            r"ModelPackage .*:model-package/deployed/999 does not exist\.",
        ),
        ({"Environment": {f"K{i}": "x" * 1020 for i in range(33)}}, "32768"),
    ],
)
def test_a_container_that_says_it_twice_or_names_nothing_is_refused(
    hosting: Hosting, container: dict[str, Any], words: str
) -> None:
    arn = register(hosting)
    with pytest.raises(ClientError, match=f"ValidationException.*{words}"):
        create(hosting, "m", **{"ModelPackageName": arn, **container})


def test_a_package_without_an_image_or_a_specification_makes_no_model(hosting: Hosting) -> None:
    client = hosting.sagemaker
    registered = {"ModelPackageGroupName": GROUP, "ModelApprovalStatus": "Approved"}
    nothing = client.create_model_package(**registered)["ModelPackageArn"]
    files = {"Containers": [{"ModelDataUrl": "s3://b/m.tar.gz"}]}
    no_image = client.create_model_package(**registered, InferenceSpecification=files)["ModelPackageArn"]
    for arn, words in ((nothing, "no InferenceSpecification"), (no_image, "no Image")):
        assert words in refused(create, hosting=hosting, name="m", ModelPackageName=arn)[1]
    assert "goes only with a ModelPackageName" in refused(
        create, hosting=hosting, name="m", Image=IMAGE, InferenceSpecificationName="other"
    )[1]  # fmt: skip


def test_an_endpoint_serves_image_files_and_environment_of_a_version_and_goes_back(hosting: Hosting) -> None:
    s3 = hosting.sandbox.client("s3")
    s3.create_bucket(Bucket="versions")
    arns = []
    for version in ("1", "2"):
        s3.put_object(Bucket="versions", Key=f"{version}/of-{version}.json", Body=version.encode())
        source = {"S3Uri": f"s3://versions/{version}/", "S3DataType": "S3Prefix", "CompressionType": "None"}
        arns.append(
            register(
                hosting,
                ModelDataSource={"S3DataSource": source},
                Environment={"VERSION": version, "A": "of the package"},
            )
        )
        create(hosting, f"v{version}", ModelPackageName=arns[-1], Environment={"A": "of the model"})
        hosting.sagemaker.create_endpoint_config(
            EndpointConfigName=f"v{version}", ProductionVariants=[variant(f"v{version}")]
        )
    described = hosting.sagemaker.describe_model(ModelName="v1")["PrimaryContainer"]
    assert described == {
        "ModelPackageName": arns[0],
        "Environment": {"A": "of the model"},
        "Mode": "SingleModel",
    }
    # A version that models were made of can be deleted: they have what they took of it.
    hosting.sagemaker.delete_model_package(ModelPackageName=arns[0])
    hosting.sagemaker.create_endpoint(EndpointName="production", EndpointConfigName="v1")
    for version in ("1", "2", "1"):
        if hosting.wait("production")["EndpointConfigName"] != f"v{version}":
            hosting.sagemaker.update_endpoint(EndpointName="production", EndpointConfigName=f"v{version}")
        described = hosting.wait("production")
        assert described["EndpointStatus"] == "InService", described
        told = ask(hosting, "production")
        assert (told["environ"]["VERSION"], told["environ"]["A"]) == (version, "of the model")
        assert told["files"] == [f"of-{version}.json"]
    deployed = described["ProductionVariants"][0]["DeployedImages"][0]
    assert deployed["SpecifiedImage"] == IMAGE
    hosting.sagemaker.delete_endpoint(EndpointName="production")


def test_a_component_serves_another_specification_of_a_version(hosting: Hosting) -> None:
    components = Components(hosting)
    create(hosting, "by-name", ModelPackageName=register(hosting), InferenceSpecificationName="other")
    endpoint = components.endpoint(InstanceType=INSTANCE_TYPE)
    needs = {"NumberOfAcceleratorDevicesRequired": 1, "MinMemoryRequiredInMb": 512}
    name = components.deploy(
        endpoint, Specification={"ModelName": "by-name", "ComputeResourceRequirements": needs}
    )
    assert ask(hosting, endpoint, InferenceComponentName=name)["environ"]["VERSION"] == "other"
    components.delete(name)
    hosting.sagemaker.delete_endpoint(EndpointName=endpoint)


def test_a_kill_leaves_all_versions_and_what_was_made_of_them(hosting: Hosting) -> None:
    client = hosting.sagemaker
    arn = client.create_model_package(ModelPackageGroupName=GROUP, **everything())["ModelPackageArn"]
    last = register(hosting, Environment={"VERSION": "kept"})
    create(hosting, "kept", ModelPackageName=last)
    client.create_endpoint_config(EndpointConfigName="kept", ProductionVariants=[variant("kept")])
    client.delete_model_package(ModelPackageName=last)
    described = [client.describe_model_package(ModelPackageName=arn)]
    hosting.sandbox.restart(kill=True)
    client = hosting.sagemaker
    described.append(client.describe_model_package(ModelPackageName=arn))
    for answer in described:
        answer.pop("ResponseMetadata")
    assert described[0] == described[1]
    number = int(last.rpartition("/")[2])
    assert register(hosting).endswith(f"/{number + 1}"), "a number that was given is not given again"
    client.create_endpoint(EndpointName="kept", EndpointConfigName="kept")
    assert hosting.wait("kept")["EndpointStatus"] == "InService"
    assert ask(hosting, "kept")["environ"]["VERSION"] == "kept"
    client.delete_endpoint(EndpointName="kept")
