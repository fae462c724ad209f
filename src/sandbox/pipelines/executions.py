"""Operations on executions of pipelines.

Source: API reference of the operations; the display name as users list it, for example
execution-1672925433971.
"""

from __future__ import annotations

import json
import random
import string
import time
from typing import Any

from sandbox.api.errors import validation_error
from sandbox.api.listing import list_records, page_of
from sandbox.api.registry import Call, operation
from sandbox.api.service_model import only_members, service_model
from sandbox.pipelines import definition, running
from sandbox.pipelines.names import EXECUTION, conflict, execution_named, pipeline_named
from sandbox.pipelines.parameters import given_values
from sandbox.pipelines.pipelines import executions_of, version_of
from sandbox.pipelines.progress import SELECTED, STEPS, TERMINAL, is_over
from sandbox.pipelines.selection import reused

_NUM_ID_CHARS = 12
_TOKEN, _RETRIED_WITH = "_client_token", "_retried_with"
Record = dict[str, Any]


@operation("StartPipelineExecution")
def start_pipeline_execution(call: Call) -> dict[str, Any]:
    request, resources = call.request, call.context.resources
    with resources.held():
        pipeline = pipeline_named(call, request["PipelineName"])
        for earlier in executions_of(call.context, pipeline):
            if earlier[_TOKEN] == request["ClientRequestToken"]:
                return {"PipelineExecutionArn": earlier["PipelineExecutionArn"]}
        record = _execution(call, pipeline)
        name = record["PipelineExecutionArn"].rpartition("/")[2]
        resources.add(EXECUTION, call.region, name, record)
    running.start(call.context, call.region, name)
    return {"PipelineExecutionArn": record["PipelineExecutionArn"]}


@operation("DescribePipelineExecution")
def describe_pipeline_execution(call: Call) -> dict[str, Any]:
    return only_members(call.operation, execution_named(call, call.request["PipelineExecutionArn"]))


@operation("DescribePipelineDefinitionForExecution")
def describe_pipeline_definition_for_execution(call: Call) -> dict[str, Any]:
    return only_members(
        call.operation, _version(call, execution_named(call, call.request["PipelineExecutionArn"]))
    )


@operation("ListPipelineExecutions")
def list_pipeline_executions(call: Call) -> dict[str, Any]:
    pipeline = pipeline_named(call, call.request["PipelineName"])
    members = ("PipelineExecutionArn", "PipelineExecutionStatus", "PipelineExecutionDescription")
    return list_records(
        call,
        executions_of(call.context, pipeline),
        answer_key="PipelineExecutionSummaries",
        name_key="PipelineExecutionArn",
        summary=lambda record: {
            **{member: record.get(member) for member in (*members, "PipelineExecutionDisplayName")},
            "StartTime": record["CreationTime"],
            "PipelineExecutionFailureReason": record.get("FailureReason"),
        },
        sort_keys={"PipelineExecutionArn": "PipelineExecutionArn"},
    )


@operation("ListPipelineExecutionSteps")
def list_pipeline_execution_steps(call: Call) -> dict[str, Any]:
    """List the steps that have begun, the newest first unless asked otherwise."""
    if "PipelineExecutionArn" not in call.request:
        raise validation_error("PipelineExecutionArn is required.")
    record = execution_named(call, call.request["PipelineExecutionArn"])
    order = call.request.get("SortOrder", "Descending")
    page, token = page_of(
        list(record[STEPS].values()),
        place=lambda step: [step["StartTime"], step["StepName"]],
        is_descending=order == "Descending",
        of_list=f"{call.operation} {record['_name']} {order}",
        request=call.request,
    )
    members = service_model().shape_for("PipelineExecutionStep").members
    steps = [{name: step.get(name) for name in members} for step in page]
    return {"PipelineExecutionSteps": steps, "NextToken": token}


@operation("ListPipelineParametersForExecution")
def list_pipeline_parameters_for_execution(call: Call) -> dict[str, Any]:
    """List all parameters, those that have their default too: the SDK lets a later execution change each."""
    record = execution_named(call, call.request["PipelineExecutionArn"])
    page, token = page_of(
        parameters_given(record),
        place=lambda parameter: [parameter["Name"]],
        is_descending=False,
        of_list=f"{call.operation} {record['_name']}",
        request=call.request,
    )
    return {"PipelineParameters": page, "NextToken": token}


@operation("UpdatePipelineExecution")
def update_pipeline_execution(call: Call) -> dict[str, Any]:
    request, resources = call.request, call.context.resources
    with resources.held():
        name = execution_named(call, call.request["PipelineExecutionArn"])["_name"]
        with resources.change(EXECUTION, call.region, name) as record:
            for member in (
                "PipelineExecutionDisplayName",
                "PipelineExecutionDescription",
                "ParallelismConfiguration",
            ):
                if member in request:
                    record[member] = request[member]
            record["LastModifiedTime"] = time.time()
    return {"PipelineExecutionArn": record["PipelineExecutionArn"]}


@operation("StopPipelineExecution")
def stop_pipeline_execution(call: Call) -> dict[str, Any]:
    """Stop an execution: its thread stops what runs; one that is being stopped goes on being stopped."""
    resources = call.context.resources
    with resources.held():
        record = execution_named(call, call.request["PipelineExecutionArn"])
        if is_over(record):
            raise validation_error(
                f"Pipeline execution {record['PipelineExecutionArn']} is in status"
                f" {record['PipelineExecutionStatus']}; only one that runs can be stopped."
            )
        with resources.change(EXECUTION, call.region, record["_name"]) as changed:
            changed |= {"PipelineExecutionStatus": "Stopping", "LastModifiedTime": time.time()}
    return {"PipelineExecutionArn": record["PipelineExecutionArn"]}


@operation("RetryPipelineExecution")
def retry_pipeline_execution(call: Call) -> dict[str, Any]:
    """Go on with an execution that failed or was stopped: what has succeeded stays as it is."""
    request, resources = call.request, call.context.resources
    with resources.held():
        record = execution_named(call, call.request["PipelineExecutionArn"])
        arn, status = record["PipelineExecutionArn"], record["PipelineExecutionStatus"]
        if record.get(_RETRIED_WITH) == request["ClientRequestToken"]:
            return {"PipelineExecutionArn": arn}
        if status not in TERMINAL or status == "Succeeded":
            raise conflict(
                f"Pipeline execution {arn} is in status {status}; only one that is Failed or Stopped can be"
                " retried."
            )
        with resources.change(EXECUTION, call.region, record["_name"]) as changed:
            changed |= {"PipelineExecutionStatus": "Executing", "LastModifiedTime": time.time()}
            changed[_RETRIED_WITH] = request["ClientRequestToken"]
            changed.pop("FailureReason", None)
            if "ParallelismConfiguration" in request:
                changed["ParallelismConfiguration"] = request["ParallelismConfiguration"]
            steps = changed[STEPS].items()
            changed[STEPS] = {name: step for name, step in steps if step["StepStatus"] == "Succeeded"}
    running.start(call.context, call.region, record["_name"])
    return {"PipelineExecutionArn": arn}


def parameters_given(record: Record) -> list[dict[str, str]]:
    """Return the parameters of an execution as text."""
    return [
        {"Name": name, "Value": value if isinstance(value, str) else json.dumps(value)}
        for name, value in record["_parameters"].items()
    ]


def _execution(call: Call, pipeline: Record) -> Record:
    """Return the record of a new execution.

    Raises:
        AwsError: Its parameters are not those of the pipeline.
    """
    request, now_s = call.request, time.time()
    version = version_of(call, pipeline)
    parsed = definition.parse(version["PipelineDefinition"])
    name = "".join(random.choices(string.ascii_lowercase + string.digits, k=_NUM_ID_CHARS))
    given = ("PipelineExecutionDescription", "ParallelismConfiguration", "SelectiveExecutionConfig")
    selected, steps = _selection(call, pipeline, parsed)
    return {
        "PipelineArn": pipeline["PipelineArn"],
        "PipelineExecutionArn": f"{pipeline['PipelineArn']}/execution/{name}",
        "PipelineExecutionDisplayName": request.get(
            "PipelineExecutionDisplayName", f"execution-{round(now_s * 1000)}"
        ),
        "PipelineExecutionStatus": "Executing",
        "ParallelismConfiguration": pipeline.get("ParallelismConfiguration"),
        **{member: request[member] for member in given if member in request},
        "PipelineVersionId": version["PipelineVersionId"],
        "CreationTime": now_s,
        "LastModifiedTime": now_s,
        "CreatedBy": {},
        "LastModifiedBy": {},
        "RoleArn": pipeline["RoleArn"],
        "_pipeline": pipeline["PipelineName"],
        "_parameters": given_values(parsed.parameters, request.get("PipelineParameters", [])),
        _TOKEN: request["ClientRequestToken"],
        SELECTED: selected,
        STEPS: steps,
    }


def _selection(
    call: Call, pipeline: Record, parsed: definition.Definition
) -> tuple[list[str] | None, dict[str, Record]]:
    """Return the steps that are to run, None for all of them, and those that have run before.

    Raises:
        AwsError: They cannot be run alone.
    """
    config = call.request.get("SelectiveExecutionConfig")
    if config is None:
        return None, {}
    source, arn = None, config.get("SourcePipelineExecutionArn")
    if arn is not None:
        source = execution_named(call, arn)
        if source["PipelineArn"] != pipeline["PipelineArn"] or not is_over(source):
            raise validation_error(
                f"SourcePipelineExecutionArn {arn} must be an execution of this pipeline that has ended; it"
                f" is in status {source['PipelineExecutionStatus']}."
            )
    selected = [step["StepName"] for step in config["SelectedSteps"]]
    return selected, reused(parsed, selected, source)


def _version(call: Call, record: Record) -> Record:
    pipeline = pipeline_named(call, record["PipelineArn"])
    return version_of(call, pipeline, record["PipelineVersionId"])
