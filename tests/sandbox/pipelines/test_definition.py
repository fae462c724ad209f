"""What a definition says, and every way in which it makes no sense."""

from __future__ import annotations

import ast
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from tests.sandbox.pipelines.definitions import (
    IMAGE,
    ROLE,
    compare,
    condition,
    definition,
    fail,
    get,
    join,
    json_get,
    processing,
    training,
)

from sandbox.api.errors import AwsError
from sandbox.pipelines.definition import parse
from sandbox.pipelines.step_definition import Cache, PropertyFile

REPORT = {"PropertyFileName": "Report", "OutputName": "train", "FilePath": "report.json"}
TRAIN = "Steps.Prepare.ProcessingOutputConfig.Outputs['train'].S3Output.S3Uri"
ROWS = {"Name": "Rows", "Type": "Integer", "DefaultValue": 3}


def channel(uri: Any) -> list[Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}]


def refusal(text: str) -> str:
    with pytest.raises(AwsError) as caught:
        parse(text)
    assert caught.value.code == "ValidationException"
    prefix = "Unable to parse pipeline definition. "
    assert caught.value.message.startswith(prefix)
    return caught.value.message.removeprefix(prefix)


def test_steps_come_in_order_those_of_a_condition_after_it_and_know_what_they_wait_for() -> None:
    inner = condition("Inner", compare("Equals", 1, 1), then=[fail("A")], otherwise=[fail("B")])
    parsed = parse(
        definition(
            processing(PropertyFiles=[REPORT]),
            training(InputDataConfig=channel(get(TRAIN)), DependsOn=["Last"]),
            condition("Better", compare("LessThan", json_get("a"), 1), then=[inner], otherwise=[fail("C")]),
            processing("Last"),
        )
    )
    assert list(parsed.steps) == ["Prepare", "Train", "Better", "Inner", "A", "B", "C", "Last"]
    assert {name: step.needs for name, step in parsed.steps.items()} == {
        "Prepare": (),
        "Train": ("Last", "Prepare"),
        "Better": ("Prepare",),
        "Inner": ("Better",),
        "A": ("Inner",),
        "B": ("Inner",),
        "C": ("Better",),
        "Last": (),
    }
    assert [parsed.steps[name].branch for name in ("Train", "Inner", "A", "B", "C")] == [
        None,
        ("Better", True),
        ("Inner", True),
        ("Inner", False),
        ("Better", False),
    ]
    assert (parsed.steps["Better"].if_steps, parsed.steps["Better"].else_steps) == (("Inner",), ("C",))


def test_what_a_step_says_beside_its_arguments() -> None:
    policy = {
        "ExceptionType": ["Step.THROTTLING"],
        "IntervalSeconds": 1,
        "BackoffRate": 2.0,
        "MaxAttempts": 3,
    }
    [step] = parse(
        definition(
            processing(
                PropertyFiles=[REPORT],
                CacheConfig={"Enabled": True, "ExpireAfter": "30dT5h"},
                RetryPolicies=[policy],
                DisplayName="Prepare the news",
                Description="Cleans.",
            )
        )
    ).steps.values()
    assert step.property_files == {
        "Report": PropertyFile(name="Report", output_name="train", path="report.json")
    }
    assert step.cache == Cache(expire_after_s=(30 * 24 + 5) * 3600)
    assert step.retry_policies == (policy,)
    assert (step.display_name, step.description) == ("Prepare the news", "Cleans.")
    assert parse(definition(processing(CacheConfig={"Enabled": False}))).steps["Prepare"].cache is None


def test_members_in_nested_functions_count_as_dependencies() -> None:
    message = join("a", join(get("Steps.Train.TrainingJobStatus"), get("Execution.StartDateTime"), on="-"))
    step = parse(definition(training(), fail(message=message))).steps["TooWeak"]
    assert step.references == ("Train",)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "It is not valid JSON: Expecting property name"),
        ('{"Steps": NaN}', "It is not valid JSON: NaN is not a number of JSON."),
        ("[]", "Expecting start of Json Object."),
        (
            definition(fail(), Version="2021-01-01"),
            "Version '2021-01-01' is not known; it must be '2020-12-01'.",
        ),
        (definition(fail(), Stages=[]), "Cannot parse object, unknown property 'Stages'."),
        (definition(fail(), MlflowConfig={"MlflowResourceArn": "a"}), "'MlflowConfig' is not done here"),
        (definition(fail(), PipelineExperimentConfig=1), "Expecting start of Json Object."),
        (
            definition(fail(), PipelineExperimentConfig={"TrialName": get("Parameters.A")}),
            "Parameter 'A' is und",
        ),
        (
            definition(
                training(), PipelineExperimentConfig={"TrialName": get("Steps.Train.TrainingJobName")}
            ),
            "PipelineExperimentConfig cannot refer to Steps.Train.",
        ),
        (definition({"Name": "A", "Type": {}, "Arguments": {}}), "Step 'A' has the type {}; it may be"),
        (definition(condition("C", {"Type": []})), "Condition of type [] is not known"),
        (definition(), "It needs at least one step in 'Steps'."),
        (definition(fail(), fail()), "Step names must be unique, and 'TooWeak' is there twice."),
        (
            definition(fail(), condition("Better", then=[fail()])),
            "Step names must be unique, and 'TooWeak' is there twice.",
        ),
        (definition(fail("with space")), "Step name 'with space' does not match"),
        (
            definition({"Name": "A", "Type": "Magic", "Arguments": {}}),
            "Step 'A' has the type 'Magic'; it may be",
        ),
        (definition({"Name": "A", "Type": "Fail"}), "Expecting start of Json Object. (Step 'A'.)"),
        (definition(processing(DependsOn=["Nothing"])), "Step Nothing is undefined. (Step 'Prepare'.)"),
        (
            definition(processing(DependsOn=[{"Step": "A", "Trigger": "Failed"}])),
            "A 'Trigger' in DependsOn is not done here",
        ),
        (
            definition(processing("A", DependsOn=["B"]), processing("B", DependsOn=["A"])),
            "Cycle detected in pipeline step graph: ",
        ),
        (
            definition(processing(), condition(then=[training()], DependsOn=["Train"])),
            "Cycle detected in pipeline step graph: ",
        ),
        (definition(fail(message=get("Parameters.Bar"))), "Parameter 'Bar' is undefined."),
        (definition(fail(message=get("Execution.Moon"))), "Execution variable 'Moon' is undefined"),
        (
            definition(fail(message=get("Execution.TrainingJobName"))),
            "Execution variable 'TrainingJobName' is not done here",
        ),
        (definition(fail(message=get("Step.A.B"))), "Cannot parse property reference [Step.A.B]."),
        (definition(fail(message=get("Execution.PipelineName.A"))), "Cannot parse property reference ["),
        (definition(processing(), fail(message=get("Steps.Prepare"))), "Cannot parse property reference ["),
        (definition(fail(message={"Std:Join": {"On": "-"}})), "Std:Join needs 'Values'."),
        (definition(fail(message=json_get("a"))), "Step Prepare is undefined."),
        (
            definition(processing(), fail(message=json_get("a"))),
            "Property file reference 'Report' is undefined in step 'Prepare'.",
        ),
        (
            definition(processing(PropertyFiles=[REPORT]), fail(message=json_get("a[*]"))),
            "Invalid path 'a[*]'.",
        ),
        (definition(condition("C", {"Type": "NotEquals"})), "Condition of type 'NotEquals' is not known"),
        (
            definition(condition("C", compare("Equals", 1, 2) | {"Expression": 1})),
            "Cannot parse object, unknown property 'Expression'. (Step 'C'.)",
        ),
        (
            definition(condition("C", {"Type": "In", "QueryValue": 1})),
            "A condition of type In needs 'Values'.",
        ),
        (
            definition(training(PropertyFiles=[REPORT])),
            "Cannot parse object, unknown property 'PropertyFiles'.",
        ),
        (definition(fail() | {"CacheConfig": {}}), "Cannot parse object, unknown property 'CacheConfig'."),
        (
            definition(processing(CacheConfig={"Enabled": True, "ExpireAfter": "soon"})),
            "'soon' is not an ISO 8601 duration",
        ),
        (
            definition(processing(RetryPolicies=[{"ExceptionType": "Step.BAD_LUCK", "MaxAttempts": 1}])),
            "ExceptionType 'Step.BAD_LUCK' may be",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_reason(text: str, reason: str) -> None:
    assert reason in refusal(text)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"Colour": "red"}, "Unknown Argument member 'Colour'."),
        ({"Environment": get("Parameters.Rows")}, "Expecting start of Json Object. (Arguments.Environment)"),
        ({"ProcessingInputs": get("Parameters.Rows")}, "Expecting start of Json Array."),
        (
            {"Environment": {"ROWS": get("Parameters.Rows")}},
            "Cannot assign property reference [Parameters.Rows] to argument of type [String].",
        ),
        (
            {"Environment": {"ROWS": 3}},
            "Model Validation failed: NUMBER_VALUE can not be converted to a String. (Arguments.Env",
        ),
        ({"RoleArn": "me"}, "Model Validation failed: Value 'me' at 'Arguments.RoleArn' failed to satisfy"),
        (
            {"AppSpecification": {"ImageUri": "a", "Image": "b"}},
            "Cannot parse object, unknown property 'Image'. (Arguments.AppSpecification)",
        ),
        ({"AppSpecification": {}}, "Member 'ImageUri' must not be null. (Arguments.AppSpecification)"),
        (
            {"AppSpecification": {"ImageUri": "a", "ContainerEntrypoint": []}},
            "Arguments.AppSpecification.ContainerEntrypoint has 0 members; the minimum is 1.",
        ),
        (
            {"Environment": {"BETTER": get("Steps.Better.Outcome")}},
            "Cannot assign property reference [Steps.Better.Outcome] to argument of type [String].",
        ),
        (
            {"StoppingCondition": {"MaxRuntimeInSeconds": get(TRAIN)}},
            f"Cannot assign property reference [{TRAIN}] to argument of type [Integer].",
        ),
        (
            {"RoleArn": get("Steps.Prepare.ProcessingOutputs['train']")},
            "is undefined: there is no 'ProcessingOutputs'.",
        ),
        ({"RoleArn": get("Steps.Better.Result")}, "a Condition step has none such"),
        (
            {
                "ProcessingResources": {
                    "ClusterConfig": {"InstanceType": "ml.moon", "InstanceCount": 1, "VolumeSizeInGB": 1}
                }
            },
            "Model Validation failed: Value 'ml.moon' for 'ProcessingInstanceType' failed to satisfy",
        ),
    ],
)
def test_arguments_must_fit_the_request_of_their_operation(more: dict[str, Any], reason: str) -> None:
    steps = processing(), processing("Second", **more), condition()
    assert reason in refusal(definition(*steps, parameters=[ROWS]))


def test_a_parameter_and_a_property_can_stand_where_their_type_fits() -> None:
    cluster = {"InstanceCount": get("Parameters.Rows"), "InstanceType": get("Parameters.Kind")}
    count = {"ClusterConfig": {**cluster, "VolumeSizeInGB": 30}}
    kind = {"Name": "Kind", "Type": "String", "DefaultValue": "ml.m5.xlarge", "EnumValues": ["ml.m5.xlarge"]}
    parsed = parse(
        definition(
            processing(ProcessingResources=count, Environment={"ROWS": join(get("Parameters.Rows"))}),
            training(StoppingCondition={"MaxRuntimeInSeconds": get("Parameters.Rows")}),
            parameters=[ROWS, kind],
        )
    )
    assert parsed.parameters["Kind"].enum_values == ("ml.m5.xlarge",)


def types_of_the_sdk() -> set[str]:
    """Return the types of step that SDK v3 writes; read, as its import takes ten seconds."""
    path = distribution("sagemaker-mlops").locate_file("sagemaker/mlops/workflow/steps.py")
    classes = [node for node in ast.parse(Path(path).read_text()).body if isinstance(node, ast.ClassDef)]
    [types] = [node for node in classes if node.name == "StepTypeEnum"]
    return {node.value.value for node in types.body if isinstance(node, ast.Assign)}


def test_every_type_of_step_of_the_sdk_is_done_or_refused_by_name() -> None:
    done = {"Processing", "Training", "Model", "RegisterModel", "Condition", "Fail"}
    assert done < types_of_the_sdk()
    for kind in types_of_the_sdk() - done:
        message = refusal(definition({"Name": "A", "Type": kind, "Arguments": {}}))
        assert f"Step 'A' is of type {kind}, which is not done here: " in message


def test_deep_nesting_is_refused_and_does_not_end_the_sandbox() -> None:
    assert "nested too deeply" in refusal("[" * 100_000)
    message: Any = "x"
    for _ in range(150):
        message = join(message)
    deep = definition(fail(message=message))
    assert "nested too deeply" in refusal(deep.replace('"x"', f"{'[' * 800}{']' * 800}"))


MODEL = "Steps.Train.ModelArtifacts.S3ModelArtifacts"
CONTAINER = {"Image": IMAGE, "Environment": {}, "ModelDataUrl": get(MODEL)}
CREATE = {
    "Name": "Create",
    "Type": "Model",
    "Arguments": {"ExecutionRoleArn": ROLE, "PrimaryContainer": CONTAINER},
}
REGISTER = {
    "Name": "Register",
    "Type": "RegisterModel",
    "Arguments": {
        "ModelPackageGroupName": "news",
        "InferenceSpecification": {
            "Containers": [CONTAINER],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
        "ModelApprovalStatus": "PendingManualApproval",
        "SkipModelValidation": "None",
    },
}


@pytest.mark.parametrize(
    "path",
    [
        "Steps.Prepare.ProcessingJobArn",
        "Steps.Prepare.ProcessingInputs['news'].S3Input.S3Uri",
        "Steps.Train.HyperParameters['rows']",
        "Steps.Train.FinalMetricDataList['loss'].MetricName",
        "Steps.Create.ModelName",
        "Steps.Create.PrimaryContainer.ModelDataUrl",
        "Steps.Register.ModelPackageArn",
        "Steps.Register.InferenceSpecification.Containers[0].Image",
    ],
)
def test_properties_of_every_step_that_calls_an_operation_can_be_referred_to(path: str) -> None:
    last = processing("Last", Environment={"A": get(path), "B": join(get("Steps.Better.Outcome"))})
    parsed = parse(definition(processing(), training(), CREATE, REGISTER, condition(), last))
    assert set(parsed.steps["Last"].references) == {path.split(".")[1], "Better"}
    assert parsed.steps["Create"].references == parsed.steps["Register"].references == ("Train",)


def test_no_step_can_wait_for_a_fail_step() -> None:
    steps = (
        processing(),
        condition("CondStep", compare("Equals", 1, 1), DependsOn=["FailStep"]),
        fail("FailStep"),
    )
    assert "CondStep can not depends on FailStep" in refusal(definition(*steps))
