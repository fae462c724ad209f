"""What is not the workshop's in an account, made without its tags, and another look at what is there."""

from __future__ import annotations

import json
from typing import Any

from tests.sandbox.conftest import RunningSandbox

from workshop.aws.session import PREFIX

JOBS, PROCESSING_JOBS = "/aws/sagemaker/TrainingJobs", "/aws/sagemaker/ProcessingJobs"
BUCKET, OURS = "somebody-elses", "news-of-this-account"
PROGRAM = b"import time\nprint('runs', flush=True)\ntime.sleep(3600)\n"
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-tgi-inference:2.7.0-tgi3.3.6-gpu-py311-cu124-ubuntu22.04"  # noqa: E501
ROLE = "arn:aws:iam::000000000000:role/other"


def job_request(name: str, bucket: str, key: str, output: str) -> dict[str, Any]:
    """Return a request for a job that runs until it is stopped."""
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {
            "TrainingImage": "image",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/program.py"],
        },
        "InputDataConfig": [
            {
                "ChannelName": "code",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/{key}/"}},
            }
        ],
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": output},
        "ResourceConfig": {"InstanceType": "ml.g5.4xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }


def processing_request(name: str, bucket: str, key: str, output: str) -> dict[str, Any]:
    """Return a request for a processing job that runs until it is stopped."""
    place = "/opt/ml/processing"
    source = {"S3Uri": f"s3://{bucket}/{key}/", "LocalPath": f"{place}/code", "S3DataType": "S3Prefix"}
    target = {"S3Uri": output, "LocalPath": f"{place}/out", "S3UploadMode": "EndOfJob"}
    return {
        "ProcessingJobName": name,
        "ProcessingInputs": [{"InputName": "code", "S3Input": source}],
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "out", "S3Output": target}]},
        "AppSpecification": {
            "ImageUri": "pytorch-training:2",
            "ContainerEntrypoint": ["python3", f"{place}/code/program.py"],
        },
        "RoleArn": ROLE,
        "ProcessingResources": {
            "ClusterConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30}
        },
    }


def definition(*requests: dict[str, Any]) -> str:
    """Return the definition of a pipeline whose steps are jobs of these requests, without their names."""
    steps = []
    for request in requests:
        kind = "Training" if "TrainingJobName" in request else "Processing"
        arguments = {key: value for key, value in request.items() if key != f"{kind}JobName"}
        steps.append({"Name": kind, "Type": kind, "Arguments": arguments})
    return json.dumps({"Version": "2020-12-01", "Metadata": {}, "Parameters": [], "Steps": steps})


def endpoint_variant() -> dict[str, Any]:
    """Return a variant without a model: it takes no server, and components can be put on it."""
    return {
        "VariantName": "AllTraffic",
        "InstanceType": "ml.g5.12xlarge",
        "InitialInstanceCount": 1,
        "ManagedInstanceScaling": {"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 2},
    }


def put_target(events: Any, rule: str, pipeline: str) -> None:
    """Let a rule start a pipeline."""
    arn = f"arn:aws:sagemaker:us-east-1:000000000000:pipeline/{pipeline}"
    events.put_targets(Rule=rule, Targets=[{"Id": "start", "Arn": arn, "RoleArn": ROLE}])


class Foreign:
    """Somebody else's model, configuration, endpoint, job, pipeline, bucket, objects, alarm, rule and logs.

    Their names are like the workshop's on purpose: a name is no proof.
    """

    def __init__(self, running: RunningSandbox) -> None:
        self.client = running.client
        sagemaker, s3, logs = map(self.client, ("sagemaker", "s3", "logs"))
        for bucket, key in (
            (BUCKET, f"{PREFIX}/data/theirs"),
            (OURS, f"{PREFIX}-2/theirs"),
            (OURS, "theirs"),
        ):
            if bucket not in [one["Name"] for one in s3.list_buckets()["Buckets"]]:
                s3.create_bucket(Bucket=bucket)
            s3.put_object(Bucket=bucket, Key=key, Body=b"theirs")
        s3.put_object(Bucket=BUCKET, Key="code/program.py", Body=PROGRAM)
        sagemaker.create_model(
            ModelName="news-theirs", PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=ROLE,
            Tags=[{"Key": "workshop", "Value": "another"}],
        )  # fmt: skip
        sagemaker.create_model_package_group(ModelPackageGroupName="news-theirs")
        sagemaker.create_model_package(ModelPackageGroupName="news-theirs")
        self.client("ecr").create_repository(repositoryName="news-theirs")
        sagemaker.create_endpoint_config(
            EndpointConfigName="news-theirs", ProductionVariants=[endpoint_variant()], ExecutionRoleArn=ROLE
        )
        sagemaker.create_endpoint(EndpointName="news-theirs", EndpointConfigName="news-theirs")
        sagemaker.create_training_job(**job_request("news-theirs", BUCKET, "code", f"s3://{BUCKET}/out/"))
        theirs = processing_request("news-theirs", BUCKET, "code", f"s3://{BUCKET}/out/")
        sagemaker.create_processing_job(**theirs)
        sagemaker.create_pipeline(
            PipelineName="news-theirs", PipelineDefinition=definition(theirs), RoleArn=ROLE
        )
        sagemaker.start_pipeline_execution(PipelineName="news-theirs")
        self.client("cloudwatch").put_metric_alarm(
            AlarmName="news-theirs", Namespace="AWS/SageMaker", MetricName="Invocations", Statistic="Sum",
            Period=60, EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold",
        )  # fmt: skip
        self.client("cloudwatch").put_dashboard(DashboardName="news-theirs", DashboardBody='{"widgets": []}')
        # Of an alarm that is not there: those of the tests change, and would start this pipeline.
        pattern = '{"source": ["aws.cloudwatch"], "detail": {"alarmName": ["theirs-of-another-day"]}}'
        self.client("events").put_rule(Name="news-theirs", EventPattern=pattern)
        put_target(self.client("events"), "news-theirs", "news-theirs")
        logs.create_log_group(logGroupName="/aws/sagemaker/Endpoints/news-theirs")
        logs.create_log_group(logGroupName="/aws/sagemaker/Endpoints/news-tgi-of-another-day")
        while not (self._streams(JOBS) and len(self._streams(PROCESSING_JOBS)) == 2):  # its jobs' own
            pass

    def everything(self) -> dict[str, list[str]]:
        """Return what is in the account, by kind, without the workshop's code."""
        sagemaker, s3 = self.client("sagemaker"), self.client("s3")
        lists = {
            "Endpoint": ("list_endpoints", "Endpoints"),
            "EndpointConfig": ("list_endpoint_configs", "EndpointConfigs"),
            "Model": ("list_models", "Models"),
            "InferenceComponent": ("list_inference_components", "InferenceComponents"),
            "ModelPackageGroup": ("list_model_package_groups", "ModelPackageGroupSummaryList"),
        }
        found = {
            kind: [one[f"{kind}Name"] for one in getattr(sagemaker, operation)(MaxResults=100)[member]]
            for kind, (operation, member) in lists.items()
        }
        pipelines = [one["PipelineName"] for one in sagemaker.list_pipelines()["PipelineSummaries"]]
        executions = [
            execution["PipelineExecutionArn"]
            for name in pipelines
            for execution in sagemaker.list_pipeline_executions(PipelineName=name)[
                "PipelineExecutionSummaries"
            ]
        ]
        versions = sagemaker.list_model_packages(ModelPackageType="Versioned", MaxResults=100)
        jobs = {
            kind: [
                one[f"{kind}Name"]
                for status in ("InProgress", "Stopping")
                for one in getattr(sagemaker, operation)(StatusEquals=status, MaxResults=100)[
                    f"{kind}Summaries"
                ]
            ]
            for kind, operation in (
                ("TrainingJob", "list_training_jobs"),
                ("ProcessingJob", "list_processing_jobs"),
            )
        }
        repositories = self.client("ecr").describe_repositories()["repositories"]
        found["Repository"] = [one["repositoryName"] for one in repositories]
        scaling = self.client("application-autoscaling")
        targets = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
        policies = scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
        alarms = self.client("cloudwatch").describe_alarms()["MetricAlarms"]
        dashboards = self.client("cloudwatch").list_dashboards()["DashboardEntries"]
        rules = [one["Name"] for one in self.client("events").list_rules()["Rules"]]
        groups = self.client("logs").describe_log_groups()["logGroups"]
        buckets = [one["Name"] for one in s3.list_buckets()["Buckets"]]
        objects = [
            f"{bucket}/{one['Key']}"
            for bucket in buckets
            for one in s3.list_object_versions(Bucket=bucket).get("Versions", ())
        ]
        uploads = [
            one["Key"]
            for bucket in buckets
            for one in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", ())
        ]
        return found | {
            "MlflowApp": [one["Name"] for one in sagemaker.list_mlflow_apps()["Summaries"]],
            "Pipeline": pipelines,
            "PipelineExecution": executions,
            "ModelPackage": [one["ModelPackageArn"] for one in versions["ModelPackageSummaryList"]],
            **jobs,
            "ScalableTarget": [one["ResourceId"] for one in targets],
            "ScalingPolicy": [one["PolicyName"] for one in policies],
            "Alarm": [one["AlarmName"] for one in alarms],
            "Dashboard": [one["DashboardName"] for one in dashboards],
            "Rule": rules,
            "Target": [
                target["Arn"]
                for rule in rules
                for target in self.client("events").list_targets_by_rule(Rule=rule)["Targets"]
            ],
            "LogGroup": [one["logGroupName"] for one in groups],
            "LogStream": self._streams(JOBS) + self._streams(PROCESSING_JOBS),
            "Bucket": buckets,
            "object": objects,
            "upload": uploads,
        }

    def _streams(self, group: str) -> list[str]:
        logs = self.client("logs")
        try:
            streams = logs.describe_log_streams(logGroupName=group)["logStreams"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [one["logStreamName"] for one in streams]
