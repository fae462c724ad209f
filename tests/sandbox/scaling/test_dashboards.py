"""Dashboards are checked as CloudWatch checks them, kept over a restart, and the same in every region."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.sandbox.conftest import RunningSandbox
from tests.sandbox.pipelines.conftest import refused

METRIC = {
    "metrics": [["news", "BadAnswers", "EndpointName", "e"]],
    "region": "us-east-1",
    "view": "timeSeries",
}
WIDGET = {"type": "metric", "x": 0, "y": 0, "width": 12, "height": 6, "properties": METRIC}


def body(**members: Any) -> str:
    return json.dumps({"widgets": [{**WIDGET, **members}]})


def test_a_dashboard_is_put_replaced_listed_and_deleted_in_every_region(sandbox: RunningSandbox) -> None:
    client, other = sandbox.client("cloudwatch"), sandbox.client("cloudwatch", "ap-northeast-2")
    assert (
        client.put_dashboard(DashboardName="news-a", DashboardBody=body())["DashboardValidationMessages"]
        == []
    )
    client.put_dashboard(DashboardName="other", DashboardBody=body())
    client.put_dashboard(DashboardName="news-a", DashboardBody=body(width=6))
    found = other.get_dashboard(DashboardName="news-a")
    assert json.loads(found["DashboardBody"])["widgets"][0]["width"] == 6
    assert found["DashboardArn"] == "arn:aws:cloudwatch::000000000000:dashboard/news-a"
    (entry,) = other.list_dashboards(DashboardNamePrefix="news-")["DashboardEntries"]
    assert (entry["DashboardName"], entry["Size"]) == ("news-a", len(body(width=6)))
    assert refused(client.list_dashboards, NextToken="a")[0] == "InvalidNextToken"
    code, message = refused(other.delete_dashboards, DashboardNames=["news-a", "gone"])
    assert (code, "[gone]" in message) == ("ResourceNotFound", True)
    code, message = refused(client.get_dashboard, DashboardName="news-a")
    assert (code, message) == ("ResourceNotFound", "Dashboard news-a does not exist")
    assert [each["DashboardName"] for each in client.list_dashboards()["DashboardEntries"]] == ["other"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "must be a valid JSON object"),
        ("[]", "must be a valid JSON object"),
        ("{}", "required property 'widgets'"),
        ('{"widgets": [1]}', "/widgets/0"),
        (body(type="chart"), "/widgets/0/type"),
        (body(width=25), "/widgets/0/width"),
        (body(properties=None), "required property 'properties'"),
        (body(properties={**METRIC, "region": None}), "required property 'region'"),
        (body(properties={**METRIC, "metrics": ["news"]}), "/widgets/0/properties/metrics"),
        (body(properties={**METRIC, "view": "cake"}), "/widgets/0/properties/view"),
        (body(properties={"region": "us-east-1"}), "required property 'metrics'"),
        (body(type="text"), "required property 'markdown'"),
        (json.dumps({"widgets": [WIDGET] * 501}), "more than 500"),
    ],
)
def test_a_body_that_could_not_be_drawn_is_refused_with_its_place(
    sandbox: RunningSandbox, text: str, what: str
) -> None:
    client = sandbox.client("cloudwatch")
    code, message = refused(client.put_dashboard, DashboardName="wrong", DashboardBody=text)
    assert (code, what in message) == ("InvalidParameterInput", True), message
    assert refused(client.get_dashboard, DashboardName="wrong")[0] == "ResourceNotFound"


def test_what_the_reference_does_not_have_is_told_and_the_dashboard_is_made(sandbox: RunningSandbox) -> None:
    client = sandbox.client("cloudwatch")
    alarms = {"type": "metric", "properties": {"annotations": {"alarms": ["a"]}, "region": "us-east-1"}}
    text = json.dumps({"widgets": [{**WIDGET, "colour": "red"}, alarms], "title": "t"})
    told = client.put_dashboard(DashboardName="told", DashboardBody=text)["DashboardValidationMessages"]
    assert [each["DataPath"] for each in told] == ["/title", "/widgets/0/colour"]
    assert client.get_dashboard(DashboardName="told")["DashboardBody"] == text
    code, _ = refused(client.put_dashboard, DashboardName="a name", DashboardBody=text)
    assert code == "InvalidParameterValue"


def test_a_dashboard_has_the_tags_that_it_was_made_with_until_they_are_changed(
    sandbox: RunningSandbox,
) -> None:
    client, given = sandbox.client("cloudwatch"), {"DashboardName": "tagged", "DashboardBody": body()}
    client.put_dashboard(**given, Tags=[{"Key": "a", "Value": "b"}])
    client.put_dashboard(**given, Tags=[{"Key": "ignored", "Value": "here"}])
    arn = client.get_dashboard(DashboardName="tagged")["DashboardArn"]
    assert client.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    client.tag_resource(ResourceARN=arn, Tags=[{"Key": "c", "Value": "d"}])
    client.untag_resource(ResourceARN=arn, TagKeys=["a"])
    assert client.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "c", "Value": "d"}]
    assert refused(client.list_tags_for_resource, ResourceARN=f"{arn}-gone")[0] == "ResourceNotFound"


def test_dashboards_survive_a_killed_sandbox(sandbox: RunningSandbox) -> None:
    sandbox.client("cloudwatch").put_dashboard(DashboardName="kept", DashboardBody=body())
    sandbox.restart(kill=True)
    assert sandbox.client("cloudwatch").get_dashboard(DashboardName="kept")["DashboardBody"] == body()
