"""The sandbox as it is, but for a note of every member of a request that its code reads.

python recorded_sandbox.py NOTES --home DIR

Copying a structure, writing it to disk or describing it back is not reading: what reads asks for a member by
its name. Records are read long after the request, so those that hold one are noted, too.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from sandbox import __main__ as program
from sandbox.api import service_model
from sandbox.storage.resources import Resources

# Kind of record -> operation whose request it is.
REQUESTS = {
    "training-job": "CreateTrainingJob",
    "processing-job": "CreateProcessingJob",
    "model": "CreateModel",
    "endpoint-config": "CreateEndpointConfig",
    "inference-component": "CreateInferenceComponent",
    "mlflow-app": "CreateMlflowApp",
    "model-package": "CreateModelPackage",
    "pipeline-execution": "StartPipelineExecution",
}
SCALING = "application-autoscaling"
notes = Path(sys.argv.pop(1))
noted: set[str] = set()


class Noted(dict):
    """A structure of botocore's model that notes which of its members are asked for."""

    def note(self, member: Any) -> None:
        name = f"{self.service}/{self.structure}.{member}"
        if name not in noted:
            noted.add(name)
            with notes.open("a", encoding="utf-8") as file:
                file.write(f"{name}\n")

    def __getitem__(self, member: Any) -> Any:
        self.note(member)
        return super().__getitem__(member)

    def __contains__(self, member: Any) -> bool:
        self.note(member)
        return super().__contains__(member)

    def get(self, member: Any, default: Any = None) -> Any:
        self.note(member)
        return super().get(member, default)


def as_noted(service: str, shape: Any, value: Any) -> Any:
    match shape.type_name:
        case "structure" if isinstance(value, dict):
            found = Noted(
                {
                    name: as_noted(service, shape.members[name], item) if name in shape.members else item
                    for name, item in dict.items(value)
                }
            )
            found.service, found.structure = service, shape.name
            return found
        case "list" if isinstance(value, list):
            return [as_noted(service, shape.member, item) for item in value]
        case "map" if isinstance(value, dict):
            return {key: as_noted(service, shape.value, item) for key, item in value.items()}
    return value


def as_noted_record(kind: str, record: dict[str, Any] | None) -> dict[str, Any] | None:
    if record is None:
        return None
    if operation := REQUESTS.get(kind):
        model = service_model.service_model("sagemaker").operation_model(operation)
        return as_noted("sagemaker", model.input_shape, record)
    if kind == "rule":
        shape = service_model.service_model("events").shape_for("Target")
        record["_targets"] = {
            name: as_noted("events", shape, each) for name, each in record["_targets"].items()
        }
    if kind == "scalable-target":
        shapes = service_model.service_model(SCALING)
        names = ("TargetTrackingScalingPolicyConfiguration", "StepScalingPolicyConfiguration")
        for policy in record["_policies"].values():
            for name in names & policy.keys():
                policy[name] = as_noted(SCALING, shapes.shape_for(name), policy[name])
        record["SuspendedState"] = as_noted(
            SCALING, shapes.shape_for("SuspendedState"), record["SuspendedState"]
        )
    return record


def note_reading() -> None:
    """Hand out requests and records that note what is asked of them."""
    check_request, get, every = service_model.check_request, Resources.get, Resources.all

    def checked(operation: str, request: Any, service: str = "sagemaker") -> dict[str, Any]:
        shape = service_model.service_model(service).operation_model(operation).input_shape
        return as_noted(service, shape, check_request(operation, request, service))

    service_model.check_request = checked
    Resources.get = lambda self, kind, *where: as_noted_record(kind, get(self, kind, *where))
    Resources.all = lambda self, kind, *where: [
        as_noted_record(kind, each) for each in every(self, kind, *where)
    ]


if __name__ == "__main__":
    note_reading()
    sys.exit(program.main())
