"""What each notebook of a mode takes of an account: machines, minutes, limits, and the quotas they count in.

From the settings alone, without a question to AWS: what prices (`workshop.cost`), what checks quotas, and the
table in the READMEs read this one list.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from workshop.cost import Estimate, estimate, together
from workshop.prices import (
    ENDPOINT,
    NOTEBOOK_INSTANCE,
    PROCESSING_JOB,
    SPOT_TRAINING_JOB,
    TRAINING_JOB,
)
from workshop.training.speed import longest_run_s, training_s

if TYPE_CHECKING:
    import boto3

    from workshop.settings import Settings

NUM_TRAINING_ROWS = {"small": 10, "full": 22_194}
"""Of the public data set, all of it and its first ten; notebook 01 rejects some."""
NUM_GENERATED_ROWS = 1_200
"""Of the full data set with `news_source: sample`."""

MONITORING_NOTEBOOK, PIPELINE_NOTEBOOK = "04-Monitoring", "06-Pipeline-Registry"

# Where Jupyter runs, by GPUs: the smallest machines whose own memory (64 GB and more) takes 8B weights.
_JUPYTER_MACHINES = {1: "ml.g5.4xlarge", 4: "ml.g5.12xlarge", 8: "ml.g5.48xlarge"}

# Minutes that a machine is paid, low and high. Not measured by us. What the public workshop that this one
# follows saw of its own (aws-samples/aws-ai-ml-workshop-kr, executed notebooks, July 2024): an endpoint with
# TGI and Llama-3-8B on ml.g5.12xlarge 9 min; an empty one 3 min, a component on it 8.5 min more. The low
# figures add what the notebooks then do; the high ones have each wait half as long again.
_MINUTES = {
    "04-SageMaker-Inference": (12, 20),
    "01-SageMaker-Inference-Local-Test": (22, 40),  # without its load tests
    "02-SageMaker-Inference-Component": (25, 40),
    "02-1-Option-Adapter-AB": (25, 40),
    "02-2-Option-Rolling-Update": (40, 80),
    "02-3-Option-Scale-to-Zero": (50, 90),
    "01-Evaluate-From-The-Start": (20, 35),  # one component, and about 2,000 short answers, 8 at a time
    "03-Prompt-RAG-FineTune": (35, 60),
    MONITORING_NOTEBOOK: (30, 50),  # some hundred short summaries, then a processing job while it waits
    "07-Own-Image": (20, 35),  # an endpoint, then its update; without the layers' copy
}
# Of the machine without a GPU that makes vectors. In 03 it is there as long as the endpoint beside it.
_EMBEDDING_MINUTES = {"02-RAG-Hybrid-Search": (10, 20), "03-Prompt-RAG-FineTune": (35, 60)}
_LATER_TRACKS = ("01-Evaluate-From-The-Start", *_EMBEDDING_MINUTES)
ON_COMPONENTS = tuple(name for name in _MINUTES if name.startswith("02-") or name in _LATER_TRACKS)
"""Notebooks with an endpoint for inference components: three containers that have one CUDA."""
ROLLOUT_NOTEBOOK = "05-Rollout-AB-Fallback"
# Three machines for the A/B, 25 to 45 minutes; then two for the roll-outs, 75 to 130, and two more beside
# them in each of three updates, 15 to 25 each: 315 to 545 minutes of a machine, told as a quarter of four.
_ROLLOUT_MINUTES = (79, 136)
PIPELINE_SHARES = (0.1, 1, 2)
"""Of `pipeline_train_rows`, that its executions train on: too few, the first version, a better one."""
# Of one job each, on the safe side of the figures above: a machine without a GPU that installs and reads; one
# that loads 8B weights and writes 60 summaries.
_PREPARE_MINUTES, _EVALUATE_MINUTES = (3, 8), (8, 15)
# One that scores what was captured; and a drill, which is stopped in its first step, of one that prepares.
_SCORE_MINUTES = (4, 12)
# The endpoint is there while two executions train and are evaluated, a second machine beside it while each of
# two updates starts: 81 to 140 minutes of a machine, told as half as many of two.
_PIPELINE_ENDPOINT_MINUTES = (40, 70)
# One user alone gets a summary in 3.4 s on an A10G (the same notebooks); the levels of the load test and the
# three engines make that of each request.
_LOAD_S_PER_REQUEST = 7
_SUMMARY_MINUTES = (3, 8)  # of notebook 02 after its training: two models loaded, which write summaries
UNPAID_MINUTES = {"01-Prepare-Dataset-KR-News": (5, 10), "03-SageMaker-Training": (5, 10)}
"""Of a notebook, where no machine is paid yet: data and weights come to this machine and go to S3."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Machines that a notebook takes.

    Attributes:
        notebook: Its name without .ipynb.
        kind: One of `workshop.prices.KINDS`: what the machines are used for, as quotas name it.
        instance_type: For example ml.g5.4xlarge.
        count: At the same time, at most: what the quota has to be.
        minutes: That they are paid, at best and at worst, in all; None when the speed is not known here.
        limit_minutes: After which AWS ends a job; None: paid until it is deleted or stopped.
        max_jobs: So many jobs in a row at most.
        is_optional: Not needed by any later notebook, and skipped on a short visit.
        makes_vectors: Serves the embedding model.
    """

    notebook: str
    kind: str
    instance_type: str
    count: int = 1
    minutes: tuple[float, float] | None
    limit_minutes: float | None = None
    max_jobs: int = 1
    is_optional: bool = False
    makes_vectors: bool = False

    @property
    def quota_name(self) -> str:
        """The quota in Service Quotas that it counts in, in AWS's words."""
        return f"{self.instance_type} for {self.kind} usage"


def usages(settings: Settings) -> list[Usage]:
    """Return what the notebooks of a mode take, in the order in which they run; of one notebook side by side.

    What runs where Jupyter runs counts as a notebook instance when it needs a GPU; a model that ships with
    the repository needs none, nor does a server that is started as a process.
    """
    found = []
    if not (settings.repo_dir / settings.base_model).is_dir():
        found.append(_local_training(settings))
    found.append(_training(settings))
    found.append(_long_run(settings))
    found.append(_endpoint(settings))
    if not settings.serves_on_cpu:
        found.append(_local_serving(settings))
    alone = (notebook for notebook in ON_COMPONENTS if notebook not in _EMBEDDING_MINUTES)
    found += [_components(settings, notebook) for notebook in alone]
    for notebook in _EMBEDDING_MINUTES:
        if notebook in ON_COMPONENTS:
            found.append(_components(settings, notebook))
        found.append(_embedding(settings, notebook))
    return [
        *found,
        *_monitoring(settings),
        _rollout(settings),
        *_pipeline(settings),
        _own_image(settings),
    ]


def estimate_notebook(settings: Settings, notebook: str, *, session: boto3.Session | None = None) -> Estimate:
    """Estimate what a notebook costs before it starts what costs.

    Args:
        settings: Of the mode.
        notebook: Its name without .ipynb; one that takes a machine.
        session: boto3's, to ask AWS's price list with; None takes the dated table.
    """
    rows = [each for each in usages(settings) if each.notebook == notebook]
    return together([estimate_usage(settings, one, session=session) for one in rows])


def estimate_usage(settings: Settings, one: Usage, *, session: boto3.Session | None = None) -> Estimate:
    """Estimate what the machines of a notebook cost: an hour of them when nobody knows for how long."""
    low, high = one.minutes or (60, 60)
    cost = estimate(
        settings,
        one.instance_type,
        count=one.count,
        hours=(low / 60, high / 60),
        kind=one.kind,
        limit_hours=None if one.limit_minutes is None else one.limit_minutes / 60,
        max_jobs=one.max_jobs,
        session=session,
    )
    doubt = "The time is expected, not measured" if one.minutes else "The time is not known here"
    return replace(cost, text=f"{cost.text}. {doubt}.")


def whole_visit(settings: Settings) -> tuple[tuple[float, float], tuple[float, float] | None]:
    """Return what all notebooks but the optional ones take together, at best and at worst.

    Returns:
        Minutes, those without a paid machine included, and dollars at the prices of the dated table; the
        latter None when the price of any machine is not known. A speed that is not known counts an hour.
    """
    needed = [one for one in usages(settings) if not one.is_optional]
    spans = [one.minutes or (60, 60) for one in needed] + list(UNPAID_MINUTES.values())
    costs = [estimate_usage(settings, one) for one in needed]
    minutes = sum(low for low, _ in spans), sum(high for _, high in spans)
    if any(cost.aws_usd is None for cost in costs):
        return minutes, None
    return minutes, (sum(cost.aws_usd for cost in costs), sum(cost.aws_usd_high for cost in costs))


def num_epochs_of(settings: Settings, recipe: str) -> float:
    """Return how often a recipe trains on each row.

    Args:
        settings: Know where recipes are.
        recipe: File name under src/train/recipes.
    """
    return _num_epochs(settings.recipe_path.parent / recipe)


@cache
def _num_epochs(path: Path) -> float:
    import yaml

    return yaml.safe_load(path.read_text(encoding="utf-8"))["num_train_epochs"]


def _local_training(settings: Settings) -> Usage:
    machine = _jupyter_machine(settings.num_processes)
    trains = _job_minutes(settings, machine, 1, settings.recipe)
    low, high = (paid + more for paid, more in zip(trains, _SUMMARY_MINUTES, strict=True))
    return Usage(
        notebook="02-Train-Local-KR-News",
        kind=NOTEBOOK_INSTANCE,
        instance_type=machine,
        minutes=(low, high),
    )


def _local_serving(settings: Settings) -> Usage:
    notebook, load = (
        "01-SageMaker-Inference-Local-Test",
        settings.num_load_requests * _LOAD_S_PER_REQUEST / 60,
    )
    low, high = _MINUTES[notebook]
    return Usage(
        notebook=notebook,
        kind=NOTEBOOK_INSTANCE,
        instance_type=settings.container_instance_type,
        minutes=(low + load, high + load),
    )


def _jupyter_machine(num_gpus: int) -> str:
    """Return the smallest machine to run Jupyter on that has so many GPUs; the largest when none has."""
    fitting = [name for gpus, name in _JUPYTER_MACHINES.items() if gpus >= num_gpus]
    return fitting[0] if fitting else _JUPYTER_MACHINES[max(_JUPYTER_MACHINES)]


def _training(settings: Settings) -> Usage:
    machine, count = settings.training_instance_type, settings.training_instance_count
    kind = SPOT_TRAINING_JOB if settings.use_spot else TRAINING_JOB
    limit_minutes = settings.max_run_s / 60
    if settings.use_local_mode:  # trains where Jupyter runs: its hosts are containers of that machine
        kind, count, limit_minutes = NOTEBOOK_INSTANCE, 1, None
    return Usage(
        notebook="03-SageMaker-Training",
        kind=kind,
        instance_type=machine,
        count=count,
        minutes=_job_minutes(settings, machine, count, settings.recipe),
        limit_minutes=limit_minutes,
    )


def _long_run(settings: Settings) -> Usage:
    minutes = _job_minutes(settings, settings.long_run_instance_type, 1, settings.long_run_recipe)
    limit_s = settings.max_run_s if minutes is None else longest_run_s(minutes[0] * 60)
    return Usage(
        notebook="03-1-Option-SageMaker-Training",
        kind=TRAINING_JOB,
        instance_type=settings.long_run_instance_type,
        minutes=minutes,
        limit_minutes=limit_s / 60,
        max_jobs=settings.long_run_max_jobs,
        is_optional=True,
    )


def _job_minutes(
    settings: Settings, instance_type: str, count: int, recipe: str
) -> tuple[float, float] | None:
    num_rows, num_epochs = NUM_TRAINING_ROWS[settings.dataset_name], num_epochs_of(settings, recipe)
    if settings.news_source == "sample" and not settings.run_debug_sample:
        num_rows = NUM_GENERATED_ROWS
    seconds = training_s(instance_type, count, num_rows=num_rows, num_epochs=num_epochs)
    return None if seconds is None else (seconds[0] / 60, seconds[1] / 60)


def _endpoint(settings: Settings) -> Usage:
    notebook = "04-SageMaker-Inference"
    return Usage(
        notebook=notebook,
        kind=ENDPOINT,
        instance_type=settings.endpoint_instance_type,
        minutes=_MINUTES[notebook],
    )


def _components(settings: Settings, notebook: str) -> Usage:
    return Usage(
        notebook=notebook,
        kind=ENDPOINT,
        instance_type=settings.endpoint_instance_type,
        count=settings.endpoint_max_instances,
        minutes=_MINUTES[notebook],
        is_optional="-Option-" in notebook or notebook in _LATER_TRACKS,
    )


def _embedding(settings: Settings, notebook: str) -> Usage:
    return Usage(
        notebook=notebook,
        kind=ENDPOINT,
        instance_type=settings.embedding_instance_type,
        minutes=_EMBEDDING_MINUTES[notebook],
        is_optional=True,
        makes_vectors=True,
    )


def _monitoring(settings: Settings) -> list[Usage]:
    """Two jobs without a GPU: the one that scores, and the first step of what the alarm starts."""
    endpoint = Usage(
        notebook=MONITORING_NOTEBOOK,
        kind=ENDPOINT,
        instance_type=settings.pipeline_instance_type,
        minutes=_MINUTES[MONITORING_NOTEBOOK],
        is_optional=True,
    )
    scoring = Usage(
        notebook=MONITORING_NOTEBOOK,
        kind=PROCESSING_JOB,
        instance_type=settings.processing_instance_type,
        minutes=_SCORE_MINUTES,
        limit_minutes=2 * settings.pipeline_max_run_s / 60,
        is_optional=True,
    )
    return [endpoint, scoring]


def _rollout(settings: Settings) -> Usage:
    """A canary is at most half of its fleet, which is there twice while it is watched: two and two."""
    return Usage(
        notebook=ROLLOUT_NOTEBOOK,
        kind=ENDPOINT,
        instance_type=settings.pipeline_instance_type,
        count=4,
        minutes=_ROLLOUT_MINUTES,
        is_optional=True,
    )


def _pipeline(settings: Settings) -> list[Usage]:
    """Return what the three executions of the pipeline take, and the endpoint that they are compared on.

    A limit is that of each job, so often as there are jobs: all the same row of the table.
    """
    machine, num_jobs = settings.pipeline_instance_type, len(PIPELINE_SHARES)
    limit_minutes = settings.pipeline_max_run_s / 60
    spans = [
        training_s(machine, 1, num_rows=int(share * settings.pipeline_train_rows), num_epochs=1)
        for share in PIPELINE_SHARES
    ]
    trains = None if None in spans else tuple(sum(part) / 60 for part in zip(*spans, strict=True))
    evaluates = tuple(num_jobs * minutes for minutes in _EVALUATE_MINUTES)
    jobs = (
        (PROCESSING_JOB, settings.processing_instance_type, _PREPARE_MINUTES, limit_minutes),
        (TRAINING_JOB, machine, trains, num_jobs * limit_minutes),
        (PROCESSING_JOB, machine, evaluates, num_jobs * limit_minutes),
    )
    rows = [
        Usage(
            notebook=PIPELINE_NOTEBOOK,
            kind=kind,
            instance_type=instance_type,
            minutes=minutes,
            limit_minutes=limit,
            is_optional=True,
        )
        for kind, instance_type, minutes, limit in jobs
    ]
    endpoint = Usage(
        notebook=PIPELINE_NOTEBOOK,
        kind=ENDPOINT,
        instance_type=machine,
        count=2,
        minutes=_PIPELINE_ENDPOINT_MINUTES,
        is_optional=True,
    )
    return [*rows, endpoint]


def _own_image(settings: Settings) -> Usage:
    """An update starts the new machine before the old one ends: two at the same time."""
    notebook = "07-Own-Image"
    return Usage(
        notebook=notebook,
        kind=ENDPOINT,
        instance_type=settings.endpoint_instance_type,
        count=2,
        minutes=_MINUTES[notebook],
        is_optional=True,
    )
