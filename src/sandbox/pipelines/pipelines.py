"""Operations on pipelines and their versions.

Source: API reference of the operations. A version is made by each change of the definition; executions keep
the one that they began with.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sandbox.api.errors import validation_error
from sandbox.api.listing import list_records
from sandbox.api.registry import Call, operation
from sandbox.api.service_model import only_members
from sandbox.api.tags import tags_of
from sandbox.pipelines import definition
from sandbox.pipelines.names import (
    EXECUTION,
    PIPELINE,
    VERSION,
    conflict,
    not_found,
    pipeline_named,
    version_name,
)
from sandbox.pipelines.progress import is_over
from sandbox.s3_files import S3Error, S3Files

if TYPE_CHECKING:
    from sandbox.context import Context

LAST_VERSION, TOKEN = "_last_version", "_client_token"
_SUMMARY = (
    "PipelineArn",
    "PipelineName",
    "PipelineDisplayName",
    "PipelineDescription",
    "RoleArn",
    "CreationTime",
    "LastModifiedTime",
)
_REPLACED = ("PipelineDisplayName", "PipelineDescription", "RoleArn", "ParallelismConfiguration")
_MAX_DEFINITION_BYTES = 1 << 20
Record = dict[str, Any]


@operation("CreatePipeline")
def create_pipeline(call: Call) -> dict[str, Any]:
    request, resources = call.request, call.context.resources
    name, now_s = request["PipelineName"], time.time()
    text = _definition(call)
    if text is None:
        raise validation_error("One of PipelineDefinition and PipelineDefinitionS3Location is required.")
    record = {
        "PipelineName": name,
        "PipelineArn": call.arn(PIPELINE, name),
        "PipelineDisplayName": name,
        **{member: request[member] for member in _REPLACED if member in request},
        "PipelineStatus": "Active",
        "CreationTime": now_s,
        "LastModifiedTime": now_s,
        "CreatedBy": {},
        "LastModifiedBy": {},
        "_tags": tags_of(call),
        TOKEN: request["ClientRequestToken"],
        LAST_VERSION: 1,
    }
    with resources.held():
        for earlier in resources.all(PIPELINE, call.region):
            if earlier["PipelineName"].lower() != name.lower():
                continue
            if earlier[TOKEN] == request["ClientRequestToken"]:
                return {"PipelineArn": earlier["PipelineArn"]}
            # Source: what sagemaker 3.27 looks for when it updates in place of creating.
            raise validation_error(
                "Pipeline names must be unique within an AWS account and region. Pipeline with name"
                f" ({name}) already exists."
            )
        _add_version(call, record, text)
        resources.add(PIPELINE, call.region, name, record)
    return {"PipelineArn": record["PipelineArn"]}


@operation("UpdatePipeline")
def update_pipeline(call: Call) -> dict[str, Any]:
    request, resources = call.request, call.context.resources
    text = _definition(call)
    with resources.held():
        name = _active(call, request["PipelineName"])["PipelineName"]
        with resources.change(PIPELINE, call.region, name) as record:
            if text is not None and text != _version(call, record)["PipelineDefinition"]:
                record[LAST_VERSION] += 1
                _add_version(call, record, text)
            record |= {member: request[member] for member in _REPLACED if member in request}
            record |= {"LastModifiedTime": time.time(), "LastModifiedBy": {}}
    return {"PipelineArn": record["PipelineArn"], "PipelineVersionId": record[LAST_VERSION]}


@operation("DescribePipeline")
def describe_pipeline(call: Call) -> dict[str, Any]:
    record = pipeline_named(call, call.request["PipelineName"])
    version = version_of(call, record)
    names = {member: version.get(f"PipelineVersion{member}") for member in ("DisplayName", "Description")}
    return only_members(
        call.operation,
        {
            **with_last_run(call.context, record),
            "PipelineDefinition": version["PipelineDefinition"],
            **{f"PipelineVersion{member}": value for member, value in names.items()},
        },
    )


@operation("ListPipelines")
def list_pipelines(call: Call) -> dict[str, Any]:
    prefix = call.request.get("PipelineNamePrefix", "")
    is_of_aws = call.request.get("ManagedBy") == "AWS"
    records = [] if is_of_aws else call.context.resources.all(PIPELINE, call.region)
    return list_records(
        call,
        [record for record in records if record["PipelineName"].startswith(prefix)],
        answer_key="PipelineSummaries",
        name_key="PipelineName",
        summary=lambda record: {
            **{member: record.get(member) for member in _SUMMARY},
            "LastExecutionTime": with_last_run(call.context, record)["LastRunTime"],
        },
    )


@operation("DeletePipeline")
def delete_pipeline(call: Call) -> dict[str, Any]:
    """Delete a pipeline with its executions, if none runs: API reference."""
    resources = call.context.resources
    with resources.held():
        record = pipeline_named(call, call.request["PipelineName"])
        running = [each for each in executions_of(call.context, record) if not is_over(each)]
        if running:
            raise conflict(
                f"Pipeline {record['PipelineArn']} has {len(running)} running executions; stop them first:"
                f" {running[0]['PipelineExecutionArn']}"
            )
        with resources.change(PIPELINE, call.region, record["PipelineName"]) as changed:
            changed["PipelineStatus"] = "Deleting"
        remove(call.context, record)
    return {"PipelineArn": record["PipelineArn"]}


@operation("ListPipelineVersions")
def list_pipeline_versions(call: Call) -> dict[str, Any]:
    record = pipeline_named(call, call.request["PipelineName"])
    last = {each["PipelineVersionId"]: each for each in executions_of(call.context, record)}
    members = (
        "PipelineVersionId",
        "CreationTime",
        "PipelineVersionDisplayName",
        "PipelineVersionDescription",
    )
    return list_records(
        call,
        [version_of(call, record, number) for number in range(1, record[LAST_VERSION] + 1)],
        answer_key="PipelineVersionSummaries",
        name_key="PipelineVersionId",
        summary=lambda version: {
            "PipelineArn": record["PipelineArn"],
            **{member: version.get(member) for member in members},
            "LastExecutionPipelineExecutionArn": last.get(version["PipelineVersionId"], {}).get(
                "PipelineExecutionArn"
            ),
        },
    )


@operation("UpdatePipelineVersion")
def update_pipeline_version(call: Call) -> dict[str, Any]:
    request, resources = call.request, call.context.resources
    with resources.held():
        record = _active(call, request["PipelineArn"])
        number = version_of(call, record)["PipelineVersionId"]
        name = version_name(record["PipelineName"], number)
        with resources.change(VERSION, call.region, name) as version:
            for member in ("PipelineVersionDisplayName", "PipelineVersionDescription"):
                if member in request:
                    version[member] = request[member]
    return {"PipelineArn": record["PipelineArn"], "PipelineVersionId": number}


def version_of(call: Call, pipeline: Record, number: int | None = None) -> Record:
    """Return the version of a pipeline that a request names, the last when it names none.

    Raises:
        AwsError: There is none of this number.
    """
    number = number or call.request.get("PipelineVersionId", pipeline[LAST_VERSION])
    if not 1 <= number <= pipeline[LAST_VERSION]:
        raise not_found("Pipeline version", f"{pipeline['PipelineArn']}/version/{number}")
    return _version(call, {**pipeline, LAST_VERSION: number})


def executions_of(context: Context, pipeline: Record) -> list[Record]:
    """Return the executions of a pipeline, the oldest first."""
    found = [
        record
        for record in context.resources.all(EXECUTION, pipeline["_region"])
        if record["PipelineArn"] == pipeline["PipelineArn"]
    ]
    return sorted(found, key=lambda record: record["CreationTime"])


def with_last_run(context: Context, pipeline: Record) -> Record:
    """Return a pipeline with the time of its last execution, None when there is none."""
    executions = executions_of(context, pipeline)
    return {**pipeline, "LastRunTime": executions[-1]["CreationTime"] if executions else None}


def remove(context: Context, pipeline: Record) -> None:
    """Remove a pipeline with all its executions and versions, itself last: a killed sandbox goes on here."""
    region, name = pipeline["_region"], pipeline["PipelineName"]
    for record in executions_of(context, pipeline):
        context.resources.remove(EXECUTION, region, record["_name"])
    for number in range(1, pipeline[LAST_VERSION] + 1):
        context.resources.remove(VERSION, region, version_name(name, number))
    context.resources.remove(PIPELINE, region, name)


def _active(call: Call, given: str) -> Record:
    return pipeline_named(call, given)


def _version(call: Call, pipeline: Record) -> Record:
    name = version_name(pipeline["PipelineName"], pipeline[LAST_VERSION])
    return call.context.resources.get(VERSION, call.region, name)


def _add_version(call: Call, pipeline: Record, text: str) -> None:
    """Keep the last version of a pipeline; one of this number was left by a sandbox that was killed here."""
    name = version_name(pipeline["PipelineName"], pipeline[LAST_VERSION])
    record = {
        "PipelineVersionId": pipeline[LAST_VERSION],
        "PipelineDefinition": text,
        "CreationTime": time.time(),
    }
    call.context.resources.remove(VERSION, call.region, name)
    call.context.resources.add(VERSION, call.region, name, record)


def _definition(call: Call) -> str | None:
    """Return the checked definition of a request, None when it has none.

    Raises:
        AwsError: It has two, cannot be read, or is no definition.
    """
    text, place = call.request.get("PipelineDefinition"), call.request.get("PipelineDefinitionS3Location")
    if text is not None and place is not None:
        raise validation_error("Give either PipelineDefinition or PipelineDefinitionS3Location, not both.")
    if place is not None:
        uri = f"s3://{place['Bucket']}/{place['ObjectKey']}"
        try:
            s3 = S3Files(call.context.client("s3", call.region))
            text = s3.read(uri, version=place.get("VersionId")).decode()
        except S3Error as error:
            raise validation_error(f"Unable to read the pipeline definition {uri}: {error}") from error
        except UnicodeDecodeError as error:
            raise validation_error(f"Unable to parse pipeline definition. {uri} is not UTF-8.") from error
        if len(text.encode()) > _MAX_DEFINITION_BYTES:
            raise validation_error(f"The pipeline definition {uri} is longer than 1 MB.")
    if text is not None:
        definition.parse(text)
    return text
