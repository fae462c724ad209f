"""Rules, targets and tags are kept and listed as EventBridge does; what is not done is refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ..pipelines.conftest import ROLE, refused
from .conftest import Events, pattern

PIPELINE = "arn:aws:sagemaker:us-east-1:000000000000:pipeline/news"
PATTERN = json.dumps(pattern("drift", "ALARM"))


def test_a_rule_is_described_as_it_was_put_and_an_update_keeps_only_targets_and_tags(events: Events) -> None:
    client, name = events.events, events.name("rule")
    arn = client.put_rule(
        Name=name, EventPattern=PATTERN, State="DISABLED", Description="d", Tags=[{"Key": "a", "Value": "b"}]
    )["RuleArn"]
    assert arn == f"arn:aws:events:us-east-1:000000000000:rule/{name}"
    described = client.describe_rule(Name=name, EventBusName="default")
    del described["ResponseMetadata"]
    assert described == {
        "Name": name,
        "Arn": arn,
        "EventPattern": PATTERN,
        "State": "DISABLED",
        "Description": "d",
        "EventBusName": "default",
        "CreatedBy": "000000000000",
    }
    client.put_targets(Rule=name, Targets=[{"Id": "t", "Arn": PIPELINE, "RoleArn": ROLE}])
    client.put_rule(Name=name, EventPattern=PATTERN, Tags=[{"Key": "ignored", "Value": "here"}])
    described = client.describe_rule(Name=name)
    assert (described["State"], described.get("Description")) == ("ENABLED", None)
    assert [each["Id"] for each in client.list_targets_by_rule(Rule=name)["Targets"]] == ["t"]
    assert client.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    client.tag_resource(ResourceARN=arn, Tags=[{"Key": "c", "Value": "d"}])
    client.untag_resource(ResourceARN=arn, TagKeys=["a"])
    assert client.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "c", "Value": "d"}]
    code, message = refused(client.tag_resource, ResourceARN=arn, Tags=[{"Key": "aws:a", "Value": "b"}])
    assert (code, "reserved prefix" in message) == ("ValidationException", True)
    code, _ = refused(client.list_tags_for_resource, ResourceARN=f"{arn}-gone")
    assert code == "ResourceNotFoundException"


def test_rules_and_targets_are_listed_in_pages(events: Events) -> None:
    client, prefix = events.events, events.name("listed")
    arn = f"{PIPELINE}-{prefix}"
    names = [f"{prefix}-{number}" for number in range(3)]
    for name in names:
        client.put_rule(Name=name, EventPattern=PATTERN)
        targets = [{"Id": f"t-{number}", "Arn": arn, "RoleArn": ROLE} for number in range(3)]
        client.put_targets(Rule=name, Targets=targets)
    first = client.list_rules(NamePrefix=prefix, Limit=2)
    second = client.list_rules(NamePrefix=prefix, Limit=2, NextToken=first["NextToken"])
    assert [each["Name"] for each in (*first["Rules"], *second["Rules"])] == names
    assert client.list_rule_names_by_target(TargetArn=arn, Limit=100)["RuleNames"] == names
    page = client.list_targets_by_rule(Rule=names[0], Limit=2)
    rest = client.list_targets_by_rule(Rule=names[0], NextToken=page["NextToken"])["Targets"]
    assert [each["Id"] for each in (*page["Targets"], *rest)] == ["t-0", "t-1", "t-2"]
    code, _ = refused(client.list_rules, NextToken="a")
    assert code == "ValidationException"


def test_a_rule_is_deleted_after_its_targets_and_as_often_as_one_likes(events: Events) -> None:
    client, name = events.events, events.name("rule")
    client.put_rule(Name=name, EventPattern=PATTERN)
    client.put_targets(Rule=name, Targets=[{"Id": "t", "Arn": PIPELINE, "RoleArn": ROLE}])
    code, message = refused(client.delete_rule, Name=name)
    assert (code, message) == ("ValidationException", "Rule can't be deleted since it has targets.")
    answer = client.remove_targets(Rule=name, Ids=["t", "u"])
    assert (answer["FailedEntryCount"], answer["FailedEntries"][0]["TargetId"]) == (1, "u")
    client.delete_rule(Name=name, Force=True)
    client.delete_rule(Name=name)
    gone = {"Rule": name, "Targets": [{"Id": "t", "Arn": PIPELINE, "RoleArn": ROLE}]}
    for call, request in (
        (client.describe_rule, {"Name": name}),
        (client.enable_rule, {"Name": name}),
        (client.disable_rule, {"Name": name}),
        (client.put_targets, gone),
        (client.remove_targets, {"Rule": name, "Ids": ["t"]}),
        (client.list_targets_by_rule, {"Rule": name}),
    ):
        assert refused(call, **request)[0] == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ({"Arn": "arn:aws:lambda:us-east-1:000000000000:function:f"}, "starts SageMaker pipelines only"),
        ({"Arn": "arn:aws:sagemaker:us-east-1:000000000000:endpoint/e"}, "starts SageMaker pipelines only"),
        ({"Arn": PIPELINE.replace("us-east-1", "eu-west-1")}, "region and account"),
        ({"RoleArn": None}, "RoleArn is required for target"),
        ({"RoleArn": "arn:aws:iam::000000000000:user/u"}, "no role's ARN"),
        ({"Input": "{}"}, "does not implement Targets.Input"),
        ({"InputTransformer": {"InputTemplate": "a"}}, "does not implement Targets.InputTransformer"),
        ({"DeadLetterConfig": {"Arn": "a"}}, "does not implement Targets.DeadLetterConfig"),
        (
            {
                "SageMakerPipelineParameters": {
                    "PipelineParameterList": [{"Name": "N", "Value": "$.detail..a"}]
                }
            },
            "Invalid JSON path",
        ),
    ],
)
def test_a_target_that_would_not_start_is_refused(events: Events, target: dict[str, Any], what: str) -> None:
    name = events.name("rule")
    events.events.put_rule(Name=name, EventPattern=PATTERN)
    given = {"Id": "t", "Arn": PIPELINE, "RoleArn": ROLE, **target}
    given = {member: value for member, value in given.items() if value is not None}
    code, message = refused(events.events.put_targets, Rule=name, Targets=[given])
    assert (code, what in message) == ("ValidationException", True), message
    assert events.events.list_targets_by_rule(Rule=name)["Targets"] == []


def test_five_targets_are_the_most_and_two_of_one_id_are_none(events: Events) -> None:
    client, name = events.events, events.name("rule")
    client.put_rule(Name=name, EventPattern=PATTERN)
    targets = [{"Id": f"t{number}", "Arn": PIPELINE, "RoleArn": ROLE} for number in range(6)]
    assert refused(client.put_targets, Rule=name, Targets=targets)[0] == "LimitExceededException"
    assert refused(client.put_targets, Rule=name, Targets=[targets[0]] * 2)[0] == "ValidationException"
    client.put_targets(Rule=name, Targets=targets[:5])


def test_other_buses_and_schedules_are_refused_by_name(events: Events) -> None:
    client, name = events.events, events.name("rule")
    code, message = refused(client.put_rule, Name=name, EventPattern=PATTERN, EventBusName="orders")
    assert (code, "Event bus orders does not exist" in message) == ("ResourceNotFoundException", True)
    code, message = refused(client.put_rule, Name=name, ScheduleExpression="rate(1 day)")
    assert (code, "it runs no schedules" in message) == ("ValidationException", True)
    assert "must be specified" in refused(client.put_rule, Name=name)[1]
    assert refused(client.create_event_bus, Name="orders")[0] == "UnknownOperationException"


def test_an_event_of_ones_own_starts_a_pipeline_too(events: Events) -> None:
    pipeline, name = events.pipeline("Why"), events.name("rule")
    why = {"PipelineParameterList": [{"Name": "Why", "Value": "$.detail.share"}]}
    events.events.put_rule(
        Name=name, EventPattern='{"source": ["news.monitor"], "detail": {"share": [{"numeric": [">", 0.2]}]}}'
    )
    target = {"Id": "t", "Arn": pipeline, "RoleArn": ROLE, "SageMakerPipelineParameters": why}
    events.events.put_targets(Rule=name, Targets=[target])
    entry = {"Source": "news.monitor", "DetailType": "Drift", "Detail": '{"share": 0.5}', "Resources": ["a"]}
    answer = events.events.put_events(
        Entries=[
            {**entry, "Time": 1_700_000_000, "EventBusName": "default"},
            {**entry, "Detail": '{"share": 0.1}'},
            {**entry, "Source": "aws.cloudwatch"},
            {**entry, "Detail": "[1]"},
            {**entry, "EventBusName": "orders"},
            {"Source": "news.monitor"},
        ]
    )
    assert [each.get("ErrorCode") for each in answer["Entries"]] == [
        None,
        None,
        "NotAuthorizedForSourceException",
        "MalformedDetail",
        "InvalidArgument",
        "InvalidArgument",
    ]
    assert answer["FailedEntryCount"] == 4
    (execution,) = events.until(lambda: events.executions(pipeline), "the pipeline has started")
    given = events.sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=execution)
    assert given["PipelineParameters"] == [{"Name": "Why", "Value": "0.5"}]
