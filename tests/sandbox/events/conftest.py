"""A sandbox with a fast clock: alarms on metrics of ours, rules, and pipelines that rules start."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sandbox import clock

from ..conftest import RunningSandbox
from ..pipelines.conftest import ROLE, definition, failure

SPEED = 600  # a minute of AWS takes a tenth of a second
NAMESPACE = "news-llmops"
TIMEOUT_S = 300


class Events:
    """Alarms, rules and pipelines of one sandbox, through boto3 as it is.

    Args:
        sandbox: The running sandbox.
    """

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.sandbox = sandbox
        self._numbers = itertools.count(1)

    @property
    def events(self) -> Any:
        return self.sandbox.client("events")

    @property
    def cloudwatch(self) -> Any:
        return self.sandbox.client("cloudwatch")

    @property
    def sagemaker(self) -> Any:
        return self.sandbox.client("sagemaker")

    def name(self, kind: str) -> str:
        """Return a name that nothing has."""
        return f"news-{kind}-{next(self._numbers)}"

    def put_alarm(self, name: str, **members: Any) -> None:
        """Put an alarm on the share of bad answers of an endpoint that has the alarm's name."""
        given = {
            "AlarmName": name,
            "Namespace": NAMESPACE,
            "MetricName": "BadAnswers",
            "Dimensions": [{"Name": "EndpointName", "Value": name}],
            "Statistic": "Maximum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 0.2,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "ignore",
        }
        self.cloudwatch.put_metric_alarm(**{**given, **members})

    def put_value(self, name: str, value: float, **members: Any) -> None:
        """Put a value of the metric that an alarm of `put_alarm` watches."""
        datum = {
            "MetricName": "BadAnswers",
            "Dimensions": [{"Name": "EndpointName", "Value": name}],
            "Value": value,
        }
        self.cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=[{**datum, **members}])

    def set_state(self, name: str, state: str) -> None:
        self.cloudwatch.set_alarm_state(AlarmName=name, StateValue=state, StateReason="a drill")

    def state(self, name: str) -> str:
        return self.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"]

    def pipeline(self, *parameters: str) -> str:
        """Create a pipeline that ends at once, and return its ARN."""
        declared = tuple({"Name": each, "Type": "String", "DefaultValue": "none"} for each in parameters)
        text = definition(failure("Drill", "a drill"), parameters=declared)
        answer = self.sagemaker.create_pipeline(
            PipelineName=self.name("pipeline"), PipelineDefinition=text, RoleArn=ROLE
        )
        return answer["PipelineArn"]

    def rule(self, alarm: str, *target_arns: str, state: str = "ALARM", **target: Any) -> str:
        """Put a rule that starts pipelines when an alarm has a state, and return its name."""
        name = self.name("rule")
        self.events.put_rule(Name=name, EventPattern=json.dumps(pattern(alarm, state)))
        targets = [
            {"Id": f"target-{number}", "Arn": arn, "RoleArn": ROLE, **target}
            for number, arn in enumerate(target_arns)
        ]
        if targets:
            self.events.put_targets(Rule=name, Targets=targets)
        return name

    def executions(self, pipeline_arn: str) -> list[str]:
        """Return the executions of a pipeline, the newest first."""
        found = self.sagemaker.list_pipeline_executions(PipelineName=pipeline_arn)
        return [each["PipelineExecutionArn"] for each in found["PipelineExecutionSummaries"]]

    def count(self, rule: str, metric: str) -> float:
        """Return how often something is counted of a rule."""
        found = self.cloudwatch.get_metric_statistics(
            Namespace="AWS/Events",
            MetricName=metric,
            Dimensions=[{"Name": "RuleName", "Value": rule}],
            StartTime=time.time() - 3600,
            EndTime=time.time() + 3600,
            Period=7200,
            Statistics=["Sum"],
        )
        return sum(each["Sum"] for each in found["Datapoints"])

    def until(self, look: Callable[[], Any], what: str) -> Any:
        """Look again and again until something is true, and return it."""
        deadline_s = time.monotonic() + TIMEOUT_S
        while not (seen := look()):
            assert time.monotonic() < deadline_s, f"{what}\n{self.sandbox.log_path.read_text()}"
            time.sleep(0.02)
        return seen


def pattern(alarm: str, *states: str) -> dict[str, Any]:
    """Return the pattern of an alarm that changes its state to one of these."""
    return {
        "source": ["aws.cloudwatch"],
        "detail-type": ["CloudWatch Alarm State Change"],
        "detail": {"alarmName": [alarm], "state": {"value": list(states)}},
    }


@pytest.fixture(scope="package")
def events(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Events]:
    """Events of one sandbox for all these modules."""
    home = tmp_path_factory.mktemp("events") / "home"
    running = RunningSandbox(home, environ={clock.VARIABLE: str(SPEED)})
    try:
        yield Events(running)
    finally:
        running.close()
