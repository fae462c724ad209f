"""Every operation of EventBridge with every field that is done, through boto3 as it is."""

from __future__ import annotations

import json
import urllib.request

import pytest
from botocore.exceptions import ClientError

from ..conftest import RunningSandbox
from ..scaling.scaled_components import ROLE, eventually

PIPELINE = "arn:aws:sagemaker:us-east-1:000000000000:pipeline/none"
PATTERN = '{"source": ["news"]}'


def run_rules(sandbox: RunningSandbox) -> None:
    """Put a rule with a target whose start is throttled, send it an event, and remove both."""
    client, bus = sandbox.client("events"), {"EventBusName": "default"}
    tags = [{"Key": "a", "Value": "b"}]
    arn = client.put_rule(Name="r", EventPattern=PATTERN, State="ENABLED", Description="d", Tags=tags, **bus)[
        "RuleArn"
    ]
    target = {"Id": "t", "Arn": PIPELINE, "RoleArn": ROLE}
    target["RetryPolicy"] = {"MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 60}
    target["SageMakerPipelineParameters"] = {"PipelineParameterList": [{"Name": "n", "Value": "v"}]}
    client.put_targets(Rule="r", Targets=[target], **bus)
    fault = json.dumps({"operation": "StartPipelineExecution", "fault": "Throttling"}).encode()
    request = urllib.request.Request(f"{sandbox.url}/_sandbox/faults", fault, method="PUT")
    urllib.request.urlopen(request).close()
    client.tag_resource(ResourceARN=arn, Tags=tags)
    client.list_tags_for_resource(ResourceARN=arn)
    client.untag_resource(ResourceARN=arn, TagKeys=["a"])
    event = {"Source": "news", "DetailType": "d", "Detail": "{}", "Resources": ["r"], "Time": 0, **bus}
    client.put_events(Entries=[event])
    client.test_event_pattern(EventPattern=PATTERN, Event="{}")
    for call, members in (
        (client.list_rules, {"NamePrefix": "r"}),
        (client.list_rule_names_by_target, {"TargetArn": PIPELINE}),
        (client.list_targets_by_rule, {"Rule": "r"}),
    ):
        call(**members, **bus, Limit=1)
        with pytest.raises(ClientError, match="NextToken"):
            call(**members, **bus, NextToken="a")
    for call in (client.describe_rule, client.disable_rule, client.enable_rule):
        call(Name="r", **bus)
    eventually(lambda: "rule r, target t" in sandbox.log_path.read_text(), "the start is throttled")
    client.remove_targets(Rule="r", Ids=["t"], **bus)
    client.delete_rule(Name="r", **bus)
