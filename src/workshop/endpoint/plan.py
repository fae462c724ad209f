"""What an endpoint for inference components is made of: models, machines, and what each copy asks for.

plan = ComponentsPlan.of(aws, names, state.trained_model)
plan.models["tuned"].image           # and environment, source: what CreateModel is told
plan.compute, plan.startup           # what CreateInferenceComponent is told of each copy
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workshop.aws.session import Aws
from workshop.entries import ComponentsState, TrainingJobState
from workshop.errors import WorkshopError
from workshop.instance_types import num_gpus_of
from workshop.serving.deployment_check import check_deployment
from workshop.serving.deployment_rules import Problem
from workshop.serving.engines import ami_version, common_cuda, serving_image
from workshop.serving.environment import serving_environment
from workshop.serving.model_facts import ModelFacts
from workshop.settings import Settings

VARIANT = "AllTraffic"
_STARTUP_LIMITS_S = (60, 3600)
"""Source: API reference, ProductionVariant and InferenceComponentStartupParameters."""


def component_engines(settings: Settings) -> dict[str, str]:
    """Return the engine of each of the three models; LMI is the one that takes adapters while it runs."""
    return {"tuned": settings.serving_engine, "next": settings.next_serving_engine, "base": "lmi"}


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """One SageMaker model.

    Args:
        name: As SageMaker knows it.
        engine: A name of ENGINES.
        model_uri: S3 folder of its weights.
        notebook: Whose endpoint serves it.
    """

    name: str
    engine: str
    image: str
    environment: Mapping[str, str]
    model_uri: str
    notebook: str

    @property
    def source(self) -> dict[str, str]:
        """S3DataSource of its weights, which are files in a folder."""
        uri = self.model_uri.rstrip("/") + "/"
        return {"S3Uri": uri, "S3DataType": "S3Prefix", "CompressionType": "None"}

    @property
    def container(self) -> dict[str, Any]:
        """PrimaryContainer of CreateModel."""
        return {
            "Image": self.image,
            "Environment": dict(self.environment),
            "ModelDataSource": {"S3DataSource": self.source},
        }


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a notebook does on the endpoint.

    Args:
        notebook: Its name, by which the time that it takes is known.
        copies: "tuned" or "base" -> how many copies it needs at its beginning, 1 or more.
        num_spare: Copies that come beside those later: the batch of an update, or what scaling adds.
    """

    notebook: str
    copies: Mapping[str, int]
    num_spare: int = 0


@dataclass(frozen=True, kw_only=True)
class ComponentsPlan:
    """Everything that the requests for one endpoint and its components say.

    Args:
        names: Of all of it.
        facts: Of the tuned model.
        models: "tuned", "next" and "base"; all of them have the same generation of CUDA, since all of an
            endpoint's instances have the same driver.
        machine_image: InferenceAmiVersion of the variant; None for the usual one.
        instance_type: Of the endpoint.
        max_instances: That it may grow to.
        compute: ComputeResourceRequirements of a copy. Little memory: much less than the instance has can be
            reserved, and it is a reservation, no limit.
        startup: StartupParameters of a copy.
    """

    names: ComponentsState
    facts: ModelFacts
    models: Mapping[str, ServedModel]
    machine_image: str | None
    instance_type: str
    max_instances: int
    compute: Mapping[str, int]
    startup: Mapping[str, int]

    @classmethod
    def of(cls, aws: Aws, names: ComponentsState, trained: TrainingJobState) -> ComponentsPlan:
        """Plan for the settings of a mode.

        Args:
            names: What is made is called.
            trained: The job whose model, adapter and base are served.
        """
        settings = aws.settings
        facts = ModelFacts.of_folder(trained.model_dir)
        engines = component_engines(settings)
        weights = {"tuned": trained.model_uri, "next": trained.model_uri, "base": trained.base_model_uri}
        more = {
            "tuned": {"quantization": settings.serving_quantization},
            "next": {},
            "base": {"adapter_rank": facts.adapter_rank},
        }
        machine = settings.endpoint_instance_type
        cuda = common_cuda(engines.values(), machine)
        models = {
            name: ServedModel(
                name=names.model(name),
                engine=engine,
                image=serving_image(engine, region=aws.region, instance_type=machine, cuda=cuda),
                environment=serving_environment(engine, num_gpus=settings.component_num_gpus, **more[name]),
                model_uri=weights[name],
                notebook=names.notebook,
            )
            for name, engine in engines.items()
        }
        return cls(
            names=names,
            facts=facts,
            models=models,
            machine_image=ami_version(models["base"].image, machine),
            instance_type=machine,
            max_instances=settings.endpoint_max_instances,
            compute={
                "NumberOfAcceleratorDevicesRequired": settings.component_num_gpus,
                "NumberOfCpuCoresRequired": 4,
                "MinMemoryRequiredInMb": 4096,
            },
            startup=startup_limits(settings),
        )

    def problems(self) -> list[Problem]:
        """Return what is wrong with the three models; see `check_deployment`."""
        return [
            problem
            for name, model in self.models.items()
            for problem in check_deployment(
                model.engine,
                model.environment,
                self.facts,
                instance_type=self.instance_type,
                image=model.image,
                ami_version=self.machine_image,
                serves_adapter=name == "base",
            )
        ]

    def specification(self, model: str) -> dict[str, Any]:
        """Return the Specification of a component that serves one of the models."""
        return {
            "ModelName": self.models[model].name,
            "ComputeResourceRequirements": dict(self.compute),
            "StartupParameters": dict(self.startup),
        }

    @property
    def variant(self) -> dict[str, Any]:
        """Return the endpoint's only variant, which has no model: components bring theirs."""
        scaling = {"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": self.max_instances}
        return {
            "VariantName": VARIANT,
            "InstanceType": self.instance_type,
            "InitialInstanceCount": 1,
            "ManagedInstanceScaling": scaling,
            "RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
            **self.startup,
            **({"InferenceAmiVersion": self.machine_image} if self.machine_image else {}),
        }


def startup_limits(settings: Settings) -> dict[str, int]:
    """Return how long AWS gives a copy to download its weights and to answer: endpoint_timeout_s in all.

    What AWS gives up on and what a cell waits for are the same, so that a cell hardly ends before AWS says
    how it went. (An image that is pulled first counts in neither limit: then the cell is run again.)
    """
    lowest, highest = _STARTUP_LIMITS_S
    half_s = min(max(settings.endpoint_timeout_s // 2, lowest), highest)
    return {
        "ModelDataDownloadTimeoutInSeconds": half_s,
        "ContainerStartupHealthCheckTimeoutInSeconds": half_s,
    }


def check_room(settings: Settings, needs: Needs, num_other_copies: int = 0) -> str:
    """Say how many GPUs a notebook needs, and that the endpoint has them.

    Args:
        needs: Of the notebook.
        num_other_copies: Of components that an earlier notebook has left.

    Returns:
        The arithmetic, in a line; an instance type that is not known here has unknown room.

    Raises:
        WorkshopError: There are fewer.
    """
    num_gpus, count = settings.component_num_gpus, settings.endpoint_max_instances
    parts = [f"{num} {name}" for name, num in needs.copies.items()]
    parts += [f"{num_other_copies} kept"] if num_other_copies else []
    parts += [f"{needs.num_spare} that come later"] if needs.num_spare else []
    num_copies = sum(needs.copies.values()) + num_other_copies + needs.num_spare
    needed = f"{' + '.join(parts)} = {num_copies} copies of {num_gpus} GPU"
    there = num_gpus_of(settings.endpoint_instance_type)
    if there is None:
        return f"{needed} on {count} x {settings.endpoint_instance_type}"
    if there // num_gpus * count < num_copies:
        raise WorkshopError(
            found=needed,
            expected=f"room for them on {count} x {settings.endpoint_instance_type}, {there} GPUs each",
            next_step="raise endpoint_max_instances in workshop.yaml (and your quota of such endpoints), "
            "take an endpoint_instance_type with more GPUs, or delete what an earlier notebook has kept",
        )
    return f"{needed}; {count} x {settings.endpoint_instance_type} has {there * count}"
