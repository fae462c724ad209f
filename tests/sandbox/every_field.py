"""Every operation of the sandbox with every field that is done, through boto3 as it is."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .conftest import RunningSandbox
from .processing.conftest import ProcessingJobs, from_s3, to_s3
from .scaling.scaled_components import COPIES, IMAGE, ROLE, eventually
from .training.conftest import BUCKET, Jobs, channel

TAGS = [{"Key": "a", "Value": "b"}]
PLAN = "arn:aws:sagemaker:us-east-1:000000000000:training-plan/p"
TIMES = {"CreationTimeAfter": datetime(2020, 1, 1, tzinfo=UTC), "CreationTimeBefore": datetime.now(UTC)}
TIMES |= {name.replace("Creation", "LastModified"): time for name, time in TIMES.items()}


def train(sandbox: RunningSandbox) -> None:
    jobs, client = Jobs(sandbox), sandbox.client("sagemaker")
    jobs.put("data/a.txt")
    request = jobs.request(
        "print('loss: 1')",
        channels=[
            channel(
                f"s3://{BUCKET}/data/",
                source={"S3DataDistributionType": "ShardedByS3Key"},
                ContentType="text/plain",
                RecordWrapperType="None",
            )
        ],
        algorithm={
            "ContainerArguments": ["x"],
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss: (.)"}],
        },
        HyperParameters={"lr": "1"},
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out", "CompressionType": "NONE"},
        CheckpointConfig={"S3Uri": f"s3://{BUCKET}/c", "LocalPath": "/opt/ml/checkpoints"},
        TensorBoardOutputConfig={"S3OutputPath": f"s3://{BUCKET}/t", "LocalPath": "/opt/ml/t"},
        DebugHookConfig={"S3OutputPath": f"s3://{BUCKET}/d", "LocalPath": "/opt/ml/d"},
        RetryStrategy={"MaximumRetryAttempts": 1},
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 90},
        Tags=TAGS,
    )
    client.create_training_job(**request)
    name = request["TrainingJobName"]
    job = jobs.wait(name)
    assert job["TrainingJobStatus"] == "Completed", job
    listed = {"SortBy": "Name", "SortOrder": "Ascending", "MaxResults": 1, "NameContains": "n"}
    equals = {"StatusEquals": "Completed", "WarmPoolStatusEquals": "InUse", "TrainingPlanArnEquals": PLAN}
    client.list_training_jobs(**listed, **TIMES, **equals)
    with pytest.raises(ClientError, match="NextToken"):
        client.list_training_jobs(NextToken="a")
    arn = job["TrainingJobArn"]
    client.add_tags(ResourceArn=arn, Tags=TAGS)
    client.list_tags(ResourceArn=arn, MaxResults=50)
    with pytest.raises(ClientError, match="NextToken"):
        client.list_tags(ResourceArn=arn, NextToken="a")
    client.delete_tags(ResourceArn=arn, TagKeys=["a"])
    search(client)
    with pytest.raises(ClientError, match="in status Completed"):
        client.stop_training_job(TrainingJobName=name)
    client.delete_training_job(TrainingJobName=name)


def track(sandbox: RunningSandbox) -> None:
    """No server starts: a request's fields are read before one would."""
    client = sandbox.client("sagemaker")
    for operation in ("CreateMlflowApp", "UpdateMlflowApp"):
        put_fault(sandbox, operation)
    app = {"AccountDefaultStatus": "ENABLED", "ModelRegistrationMode": "AutoModelRegistrationDisabled"}
    app |= {"Name": "n", "ArtifactStoreUri": "s3://b/m"}
    arn = client.create_mlflow_app(**app, RoleArn=ROLE, Tags=TAGS)["Arn"]
    eventually(lambda: client.describe_mlflow_app(Arn=arn)["Status"] == "CreateFailed", "a fault")
    with pytest.raises(ClientError, match="CreateFailed"):
        client.update_mlflow_app(Arn=arn, **app)
    listed = {"SortBy": "Name", "SortOrder": "Ascending", "MaxResults": 1, "Status": "Created"}
    listed |= {
        "MlflowVersion": "3.0.0",
        "AccountDefaultStatus": "ENABLED",
        "CreatedBefore": datetime.now(UTC),
    }
    client.list_mlflow_apps(**listed, CreatedAfter=datetime(2020, 1, 1, tzinfo=UTC))
    with pytest.raises(ClientError, match="NextToken"):
        client.list_mlflow_apps(NextToken="a")
    with pytest.raises(ClientError, match="CreateFailed"):
        client.create_presigned_mlflow_app_url(
            Arn=arn, ExpiresInSeconds=5, SessionExpirationDurationInSeconds=1800
        )
    client.delete_mlflow_app(Arn=arn)


def put_fault(sandbox: RunningSandbox, operation: str) -> None:
    body = json.dumps({"operation": operation, "fault": "FailedHealthCheck"}).encode()
    request = urllib.request.Request(f"{sandbox.url}/_sandbox/faults", body, method="PUT")
    urllib.request.urlopen(request).close()


def process(sandbox: RunningSandbox) -> None:
    jobs, client = ProcessingJobs(sandbox), sandbox.client("sagemaker")
    jobs.put("data/a.txt")
    request = jobs.request(
        "pass",
        inputs=[from_s3("data/", "data", S3DataDistributionType="ShardedByS3Key", S3InputMode="File")],
        outputs=[to_s3("p", "now", "Continuous"), to_s3("p", "later")],
        application={"ContainerArguments": ["x"]},
        Tags=TAGS,
    )
    for each in (*request["ProcessingInputs"], *request["ProcessingOutputConfig"]["Outputs"]):
        each["AppManaged"] = False
    client.create_processing_job(**request)
    name = {"ProcessingJobName": request["ProcessingJobName"]}
    assert jobs.wait(request["ProcessingJobName"])["ProcessingJobStatus"] == "Completed"
    list_all(client, "processing_jobs", StatusEquals="Completed", **TIMES)
    with pytest.raises(ClientError, match="in status Completed"):
        client.stop_processing_job(**name)
    client.delete_processing_job(**name)


def search(client: Any) -> None:
    named = {"Name": "TrainingJobName", "Operator": "Contains", "Value": "n"}
    nested = {"Name": "InputDataConfig.ChannelName", "Operator": "Equals", "Value": "code"}
    client.search(
        Resource="TrainingJob",
        SearchExpression={
            "Filters": [named],
            "NestedFilters": [{"NestedPropertyName": "InputDataConfig", "Filters": [nested]}],
            "SubExpressions": [{"Filters": [nested]}],
            "Operator": "And",
        },
        SortBy="CreationTime",
        SortOrder="Ascending",
        MaxResults=1,
        CrossAccountFilterOption="SameAccount",
    )
    with pytest.raises(ClientError, match="NextToken"):
        client.search(Resource="TrainingJob", NextToken="a")


def list_all(client: Any, kind: str, **more: Any) -> None:
    call = getattr(client, f"list_{kind}")
    call(SortBy="Name", SortOrder="Ascending", MaxResults=1, NameContains="a", **more)
    with pytest.raises(ClientError, match="NextToken"):
        call(NextToken="a")


def in_service(client: Any, name: str) -> None:
    def is_done() -> bool:
        return client.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService"

    eventually(is_done, f"{name} in service")


def serve(sandbox: RunningSandbox) -> None:
    """Create, update, list and delete an endpoint with two models."""
    client, s3 = sandbox.client("sagemaker"), sandbox.client("s3")
    s3.put_object(Bucket=BUCKET, Key="model/config.json", Body=b"{}")
    source = {"S3Uri": f"s3://{BUCKET}/model/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    container = {"Image": IMAGE, "ContainerHostname": "c", "Environment": {"A": "1"}}
    container |= {"ModelDataSource": {"S3DataSource": source}}
    client.create_model(ModelName="primary", ExecutionRoleArn=ROLE, PrimaryContainer=container, Tags=TAGS)
    execution = {"InferenceExecutionConfig": {"Mode": "Serial"}}
    client.create_model(ModelName="listed", ExecutionRoleArn=ROLE, Containers=[{"Image": IMAGE}], **execution)
    for name, num, model in (("two", 2, "primary"), ("four", 4, "listed")):
        variant = {"VariantName": "a", "ModelName": model, "InstanceType": "ml.g5.xlarge"}
        variant |= {"InitialInstanceCount": num, "InitialVariantWeight": 1.0}
        variant |= {"ContainerStartupHealthCheckTimeoutInSeconds": 600}
        variant |= {"RoutingConfig": {"RoutingStrategy": "RANDOM"}}
        client.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[variant],
            DataCaptureConfig={
                "EnableCapture": True,
                "InitialSamplingPercentage": 1,
                "DestinationS3Uri": f"s3://{BUCKET}/captured",
                "CaptureOptions": [{"CaptureMode": "Input"}],
                "CaptureContentTypeHeader": {
                    "CsvContentTypes": ["text/csv"],
                    "JsonContentTypes": ["application/json"],
                },
            },
            Tags=TAGS,
        )
    client.create_endpoint(
        EndpointName="e", EndpointConfigName="two", DeploymentConfig=blue_green("ALL_AT_ONCE"), Tags=TAGS
    )
    in_service(client, "e")
    sandbox.client("sagemaker-runtime").invoke_endpoint(EndpointName="e", Body=b"{}")
    half = {"Type": "CAPACITY_PERCENT", "Value": 50}
    for config, deployment in (
        ("four", blue_green("CANARY", CanarySize=half)),
        ("two", blue_green("LINEAR", LinearStepSize=half)),
        ("four", rolling(half)),
    ):
        client.update_endpoint(EndpointName="e", EndpointConfigName=config, DeploymentConfig=deployment)
        in_service(client, "e")
    client.update_endpoint(
        EndpointName="e",
        EndpointConfigName="two",
        RetainDeploymentConfig=True,
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DesiredInstanceCount"}],
    )
    in_service(client, "e")
    wanted = {"VariantName": "a", "DesiredWeight": 2.0, "DesiredInstanceCount": 1}
    client.update_endpoint_weights_and_capacities(EndpointName="e", DesiredWeightsAndCapacities=[wanted])
    in_service(client, "e")
    list_all(client, "endpoints", StatusEquals="InService", **TIMES)
    created = {name: value for name, value in TIMES.items() if name.startswith("Creation")}
    list_all(client, "endpoint_configs", **created)
    list_all(client, "models", **created)
    client.describe_endpoint_config(EndpointConfigName="two")
    client.describe_model(ModelName="primary")
    client.delete_endpoint(EndpointName="e")
    for name in ("two", "four"):
        client.delete_endpoint_config(EndpointConfigName=name)
    client.delete_model(ModelName="listed")


def watched() -> dict[str, Any]:
    return {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "none"}]}}


def blue_green(kind: str, **size: Any) -> dict[str, Any]:
    routing = {"Type": kind, "WaitIntervalInSeconds": 0, **size}
    policy = {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": 0}
    return {"BlueGreenUpdatePolicy": {**policy, "MaximumExecutionTimeoutInSeconds": 28800}, **watched()}


def rolling(size: dict[str, Any]) -> dict[str, Any]:
    policy = {"MaximumBatchSize": size, "RollbackMaximumBatchSize": size, "WaitIntervalInSeconds": 0}
    return {"RollingUpdatePolicy": {**policy, "MaximumExecutionTimeoutInSeconds": 28800}, **watched()}


def host_components(sandbox: RunningSandbox) -> None:
    """Create, update and list a component and an adapter of it."""
    client = sandbox.client("sagemaker")
    scaling = {"Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 2}
    scaling |= {"ScaleInPolicy": {"Strategy": "IDLE_RELEASE", "CooldownInMinutes": 5}}
    variant = {"VariantName": "v", "InstanceType": "ml.g5.12xlarge", "InitialInstanceCount": 1}
    variant |= {"ManagedInstanceScaling": scaling}
    client.create_endpoint_config(EndpointConfigName="c", ExecutionRoleArn=ROLE, ProductionVariants=[variant])
    client.create_endpoint(EndpointName="c", EndpointConfigName="c")
    in_service(client, "c")
    needs = {"NumberOfCpuCoresRequired": 1, "NumberOfAcceleratorDevicesRequired": 1}
    needs |= {"MinMemoryRequiredInMb": 512, "MaxMemoryRequiredInMb": 1024}
    startup = {"ContainerStartupHealthCheckTimeoutInSeconds": 600, "ModelDataDownloadTimeoutInSeconds": 60}
    balance = {"EnforcementMode": "PERMISSIVE", "MaxImbalance": 1}
    given = {
        "Container": {"Image": IMAGE, "Environment": {"A": "1"}},
        "StartupParameters": startup,
        "ComputeResourceRequirements": needs,
        "SchedulingConfig": {"PlacementStrategy": "BINPACK", "AvailabilityZoneBalance": balance},
    }
    client.create_inference_component(
        InferenceComponentName="ic",
        EndpointName="c",
        VariantName="v",
        Specification=given,
        RuntimeConfig={"CopyCount": 1},
        Tags=TAGS,
    )
    component_in_service(client)
    described = client.describe_inference_component(InferenceComponentName="ic")["Specification"]
    assert {name: described[name] for name in given if name != "Container"} == {
        name: value for name, value in given.items() if name != "Container"
    }
    policy = rolling({"Type": "COPY_COUNT", "Value": 1})
    client.update_inference_component(
        InferenceComponentName="ic",
        Specification={**given, "Container": {"Image": IMAGE}},
        RuntimeConfig={"CopyCount": 2},
        DeploymentConfig=policy,
    )
    component_in_service(client)
    with pytest.raises(ClientError, match="either a ModelName or a Container"):
        client.update_inference_component(
            InferenceComponentName="ic", Specification={**given, "ModelName": "primary"}
        )
    client.update_inference_component_runtime_config(
        InferenceComponentName="ic", DesiredRuntimeConfig={"CopyCount": 1}
    )
    component_in_service(client)
    equals = {"StatusEquals": "InService", "EndpointNameEquals": "c", "VariantNameEquals": "v"}
    list_all(client, "inference_components", **equals, **TIMES)


def component_in_service(client: Any) -> None:
    def is_done() -> bool:
        found = client.describe_inference_component(InferenceComponentName="ic")
        assert found["InferenceComponentStatus"] != "Failed", found
        return found["InferenceComponentStatus"] == "InService"

    eventually(is_done, "the component in service")


def scale(sandbox: RunningSandbox) -> None:
    """Scale the component by each kind of policy, and list what happened."""
    client, cloudwatch = sandbox.client("application-autoscaling"), sandbox.client("cloudwatch")
    target = {"ServiceNamespace": "sagemaker", "ResourceId": "inference-component/ic"}
    target |= {"ScalableDimension": COPIES}
    on = dict.fromkeys(("DynamicScalingInSuspended", "DynamicScalingOutSuspended"), False)
    registered = client.register_scalable_target(
        **target, MinCapacity=1, MaxCapacity=2, SuspendedState=on, Tags={"a": "b"}
    )
    arn = registered["ScalableTargetARN"]
    client.tag_resource(ResourceARN=arn, Tags={"c": "d"})
    client.list_tags_for_resource(ResourceARN=arn)
    client.untag_resource(ResourceARN=arn, TagKeys=["c"])
    step = {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 10, "ScalingAdjustment": 1}
    steps = {"AdjustmentType": "PercentChangeInCapacity", "StepAdjustments": [step], "Cooldown": 1}
    steps |= {"MetricAggregationType": "Average", "MinAdjustmentMagnitude": 1}
    by_steps = client.put_scaling_policy(
        **target, PolicyName="s", PolicyType="StepScaling", StepScalingPolicyConfiguration=steps
    )
    metric = {"Namespace": "n", "MetricName": "m", "Statistic": "Average", "Unit": "Count"}
    metric |= {"Dimensions": [{"Name": "d", "Value": "v"}]}
    predefined = {"PredefinedMetricType": "SageMakerInferenceComponentInvocationsPerCopy"}
    for name, tracked in (
        ("c", {"CustomizedMetricSpecification": metric}),
        ("p", {"PredefinedMetricSpecification": predefined}),
    ):
        tracked |= {
            "TargetValue": 5,
            "ScaleOutCooldown": 1,
            "ScaleInCooldown": 1,
            "DisableScaleIn": name == "c",
        }
        client.put_scaling_policy(
            **target,
            PolicyName=name,
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=tracked,
        )
    found = client.describe_scaling_policies(**target, PolicyNames=["p"], MaxResults=1)
    (policy,) = found["ScalingPolicies"]
    high = next(each["AlarmName"] for each in policy["Alarms"] if "AlarmHigh" in each["AlarmName"])
    cloudwatch.put_metric_alarm(
        AlarmName="steps",
        AlarmActions=[by_steps["PolicyARN"]],
        Namespace="n",
        MetricName="m",
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="ignore",
    )
    data = json.dumps({"recentDatapoints": [5.0]})
    for alarm in (high, "steps"):
        state = {"StateValue": "ALARM", "StateReason": "test", "StateReasonData": data}
        cloudwatch.set_alarm_state(AlarmName=alarm, **state)
    client.describe_scaling_activities(**target, MaxResults=1)
    client.describe_scalable_targets(
        ServiceNamespace="sagemaker",
        ResourceIds=[target["ResourceId"]],
        ScalableDimension=COPIES,
        MaxResults=1,
    )
    for call in ("scaling_activities", "scaling_policies", "scalable_targets"):
        with pytest.raises(ClientError, match="NextToken"):
            getattr(client, f"describe_{call}")(ServiceNamespace="sagemaker", NextToken="a")


def end_scaling(sandbox: RunningSandbox) -> None:
    client = sandbox.client("application-autoscaling")
    target = {"ServiceNamespace": "sagemaker", "ResourceId": "inference-component/ic"}
    target |= {"ScalableDimension": COPIES}
    client.delete_scaling_policy(**target, PolicyName="s")
    client.deregister_scalable_target(**target)
    component_in_service(sandbox.client("sagemaker"))
    sandbox.client("sagemaker").delete_inference_component(InferenceComponentName="ic")
