"""Rules with their targets and tags are there after a restart, and start what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import clock

from ..conftest import RunningSandbox
from .conftest import SPEED, Events


@pytest.mark.parametrize("kill", [True, False])
def test_rules_and_targets_survive_and_work(tmp_path: Path, kill: bool) -> None:
    sandbox = RunningSandbox(tmp_path / "home", environ={clock.VARIABLE: str(SPEED)})
    try:
        events = Events(sandbox)
        alarm, pipeline = events.name("alarm"), events.pipeline()
        events.put_alarm(alarm)
        rule = events.rule(alarm, pipeline)
        arn = events.events.describe_rule(Name=rule)["Arn"]
        events.events.tag_resource(ResourceARN=arn, Tags=[{"Key": "a", "Value": "b"}])
        before = events.events.describe_rule(Name=rule), events.events.list_targets_by_rule(Rule=rule)
        sandbox.restart(kill=kill)
        after = events.events.describe_rule(Name=rule), events.events.list_targets_by_rule(Rule=rule)
        for each in (*before, *after):
            del each["ResponseMetadata"]
        assert after == before
        assert events.events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
        assert events.executions(pipeline) == []
        events.set_state(alarm, "ALARM")
        events.until(lambda: events.executions(pipeline), "the pipeline has started")
    finally:
        sandbox.close()
