"""Every operation of pipelines with every field that is done, through boto3 as it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.sandbox.conftest import RunningSandbox
from tests.sandbox.pipelines.conftest import OVER, ROLE, definition, failure
from tests.sandbox.scaling.scaled_components import eventually

CREATED = {
    "CreatedAfter": datetime(2020, 1, 1, tzinfo=UTC),
    "CreatedBefore": datetime(2099, 1, 1, tzinfo=UTC),
}
LISTED: dict[str, Any] = {**CREATED, "SortOrder": "Ascending", "MaxResults": 1}
TOKEN = {"ClientRequestToken": "t" * 32}
LIMIT = {"ParallelismConfiguration": {"MaxParallelExecutionSteps": 1}}
NAMES = {"PipelineDisplayName": "d", "PipelineDescription": "d"}


def run_pipelines(sandbox: RunningSandbox) -> None:
    """Make, change, run, stop, list and delete pipelines."""
    client, s3 = sandbox.client("sagemaker"), sandbox.client("s3")
    parameters = ({"Name": "P", "Type": "String", "DefaultValue": "a"},)
    text = definition(failure("No", {"Get": "Parameters.P"}), parameters=parameters)
    s3.create_bucket(Bucket="definitions")
    s3.put_bucket_versioning(Bucket="definitions", VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket="definitions", Key="p", Body=text.encode())["VersionId"]
    place = {
        "PipelineDefinitionS3Location": {"Bucket": "definitions", "ObjectKey": "p", "VersionId": version}
    }
    tags = [{"Key": "a", "Value": "b"}]
    name = {"PipelineName": "all-fields"}
    client.create_pipeline(**name, **place, **TOKEN, **LIMIT, **NAMES, RoleArn=ROLE, Tags=tags)
    client.update_pipeline(**name, **NAMES, **LIMIT, PipelineDefinition=json.dumps({**json.loads(text)}))
    client.update_pipeline(**name, **place)
    arn = client.describe_pipeline(**name, PipelineVersionId=1)["PipelineArn"]
    named = {"PipelineVersionDisplayName": "d", "PipelineVersionDescription": "d"}
    client.update_pipeline_version(PipelineArn=arn, PipelineVersionId=1, **named)
    client.list_pipelines(**LISTED, SortBy="Name", PipelineNamePrefix="a", ManagedBy="CUSTOMER")
    client.list_pipeline_versions(**name, **LISTED)
    told = {"PipelineExecutionDisplayName": "d", "PipelineExecutionDescription": "d"}
    given = {"PipelineParameters": [{"Name": "P", "Value": "b"}], "PipelineVersionId": 1}
    none = "arn:aws:sagemaker:us-east-1:000000000000:pipeline/all-fields/execution/none"
    selected = {"SourcePipelineExecutionArn": none, "SelectedSteps": [{"StepName": "No"}]}
    with pytest.raises(ClientError, match="does not exist"):
        client.start_pipeline_execution(**name, **given, SelectiveExecutionConfig=selected)
    client.start_pipeline_execution(
        **name, SelectiveExecutionConfig={"SelectedSteps": selected["SelectedSteps"]}
    )
    started = client.start_pipeline_execution(**name, **told, **given, **TOKEN, **LIMIT)
    execution = {"PipelineExecutionArn": started["PipelineExecutionArn"]}

    def is_over() -> bool:
        return client.describe_pipeline_execution(**execution)["PipelineExecutionStatus"] in OVER

    eventually(is_over, "its end")
    client.describe_pipeline_definition_for_execution(**execution)
    client.list_pipeline_executions(**name, **LISTED, SortBy="PipelineExecutionArn")
    client.list_pipeline_execution_steps(**execution, SortOrder="Ascending", MaxResults=1)
    client.list_pipeline_parameters_for_execution(**execution, MaxResults=1)
    lists = (client.list_pipeline_execution_steps, client.list_pipeline_parameters_for_execution)
    for call in lists:
        with pytest.raises(ClientError, match="NextToken"):
            call(**execution, NextToken="a")
    client.update_pipeline_execution(**execution, **told, **LIMIT)
    with pytest.raises(ClientError, match="in status Failed"):
        client.stop_pipeline_execution(**execution)
    client.retry_pipeline_execution(**execution, **TOKEN, **LIMIT)
    eventually(is_over, "its end")
    client.delete_pipeline(**name)
