"""What can be searched: jobs, endpoints, models, packages, pipelines, as SearchRecord describes each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.api.registry import Call
from sandbox.api.service_model import service_model
from sandbox.api.tags import tag_list
from sandbox.hosting import components, endpoint_configs, endpoints, models
from sandbox.model_registry.names import GROUP, PACKAGE
from sandbox.pipelines.executions import parameters_given
from sandbox.pipelines.names import EXECUTION, PIPELINE
from sandbox.pipelines.pipelines import with_last_run
from sandbox.training import jobs

Record = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Searched:
    """A kind of resource that Search finds.

    Args:
        member: Of SearchRecord.
        name: Property that is its name.
        default_sort: Property that orders it when none is asked for.
        records: Returns all of a region.
        inner: Member of the record whose properties have short names, too: "" when there is none.
    """

    member: str
    name: str
    default_sort: str
    records: Callable[[Call], Iterator[Record]]
    inner: str = ""

    @property
    def shape(self) -> Any:
        """The shape of its records, of botocore's model."""
        return service_model().shape_for("SearchRecord").members[self.member]

    def property_name(self, name: str) -> str:
        """Return the whole name of a property."""
        is_short = self.inner and name.partition(".")[0] not in self.shape.members
        return f"{self.inner}.{name}" if is_short else name


def _training_jobs(call: Call) -> Iterator[Record]:
    for record in call.context.resources.all(jobs.KIND, call.region):
        yield _as_shaped("TrainingJob", jobs.described(call.region, record))


def _endpoints(call: Call) -> Iterator[Record]:
    for record in call.context.resources.all(endpoints.KIND, call.region):
        yield _as_shaped("Endpoint", endpoints.described(call.region, record))


def _models(call: Call) -> Iterator[Record]:
    hosts = _endpoints_by_model(call)
    for record in call.context.resources.all(models.KIND, call.region):
        yield {
            "Model": _as_shaped("Model", record),
            "Endpoints": hosts.get(record["ModelName"]),
        }


def _groups(call: Call) -> Iterator[Record]:
    for record in call.context.resources.all(GROUP, call.region):
        yield _as_shaped("ModelPackageGroup", record)


def _packages(call: Call) -> Iterator[Record]:
    """Yield all packages; a version has the tags of its group."""
    groups = call.context.resources.all(GROUP, call.region)
    tags = {group["ModelPackageGroupName"]: group["_tags"] for group in groups}
    for record in call.context.resources.all(PACKAGE, call.region):
        of_group = tags.get(record.get("ModelPackageGroupName"), {})
        yield _as_shaped("ModelPackage", {"_tags": of_group, **record})


def _pipelines(call: Call) -> Iterator[Record]:
    for record in call.context.resources.all(PIPELINE, call.region):
        yield _as_shaped("Pipeline", with_last_run(call.context, record))


def _executions(call: Call) -> Iterator[Record]:
    for record in call.context.resources.all(EXECUTION, call.region):
        parameters = parameters_given(record)
        yield _as_shaped("PipelineExecution", {**record, "PipelineParameters": parameters})


def _endpoints_by_model(call: Call) -> dict[str, list[Record]]:
    """Return the endpoints that host a model, by variants of their configuration and by components."""
    resources, region = call.context.resources, call.region
    found: dict[str, dict[str, Record]] = {}
    by_name = {}
    for endpoint in resources.all(endpoints.KIND, region):
        name = endpoint["EndpointName"]
        by_name[name] = _as_shaped("ModelDashboardEndpoint", endpoint)
        config = resources.get(endpoint_configs.KIND, region, endpoint["EndpointConfigName"]) or {}
        for variant in config.get("ProductionVariants", ()):
            if "ModelName" in variant:
                found.setdefault(variant["ModelName"], {})[name] = by_name[name]
    for component in resources.all(components.KIND, region):
        model, name = component["Specification"].get("ModelName"), component["EndpointName"]
        if model and name in by_name:
            found.setdefault(model, {})[name] = by_name[name]
    return {model: list(hosts.values()) for model, hosts in found.items()}


def _as_shaped(shape: str, record: Record) -> Record:
    """Return the members of a record that a shape has, with the tags among them."""
    members = service_model().shape_for(shape).members
    record = {**record, "Tags": tag_list(record.get("_tags", {})) or None}
    return {name: value for name, value in record.items() if name in members and value is not None}


RESOURCES = {
    "TrainingJob": Searched(
        member="TrainingJob",
        name="TrainingJobName",
        default_sort="LastModifiedTime",
        records=_training_jobs,
    ),
    "Endpoint": Searched(
        member="Endpoint", name="EndpointName", default_sort="LastModifiedTime", records=_endpoints
    ),
    # Models have no LastModifiedTime: they do not change.
    "Model": Searched(
        member="Model",
        name="Model.ModelName",
        default_sort="Model.CreationTime",
        records=_models,
        inner="Model",
    ),
    "ModelPackage": Searched(
        member="ModelPackage",
        name="ModelPackageArn",
        default_sort="LastModifiedTime",
        records=_packages,
    ),
    # Groups have none either.
    "ModelPackageGroup": Searched(
        member="ModelPackageGroup",
        name="ModelPackageGroupName",
        default_sort="CreationTime",
        records=_groups,
    ),
    "Pipeline": Searched(
        member="Pipeline", name="PipelineName", default_sort="LastModifiedTime", records=_pipelines
    ),
    "PipelineExecution": Searched(
        member="PipelineExecution",
        name="PipelineExecutionArn",
        default_sort="LastModifiedTime",
        records=_executions,
    ),
}
