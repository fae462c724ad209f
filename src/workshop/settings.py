"""The settings of a run: one mode of workshop.yaml, overridden by WORKSHOP_* variables, checked."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from processes.cores import threads_per_process
from workshop.account.confirmation import WORDS
from workshop.containers.images import KINDS
from workshop.errors import WorkshopError
from workshop.instance_types import CPU_USD_PER_HOUR, INSTANCE_TYPES
from workshop.serving.engines import ENGINES, PLACES, quantizations
from workshop.settings_file import read_settings_file

PREFIX = "WORKSHOP_"
FILE_NAME = "workshop.yaml"
# The last one is set by a launch for its own processes.
RESERVED_VARIABLES = {"WORKSHOP_MODE", "WORKSHOP_HOME", "WORKSHOP_LAUNCH_ID"}

REGIONS = ("ap-northeast-2", "ap-northeast-1", "ap-southeast-1", "us-east-1", "us-east-2", "us-west-2")
DTYPES = ("float32", "bfloat16")
PATTERNS = {
    "bucket": re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"),
    "instance_type": re.compile(r"ml\.[a-z]+\d[a-z0-9-]*\.(\d*xlarge|large|medium)"),
    "judge_url": re.compile(r"https?://[^\s/@?#]+(/[^\s@?#]*)?"),
    "region": re.compile(r"[a-z]{2}(-[a-z]+)+-\d"),
    "role_arn": re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+"),
}
MAX_CLOCK_SPEED = 600
"""Of the sandbox: a minute of AWS in a tenth of a second."""

CORPUS_ARTICLES = (80, 300)
"""Thirty are written by hand. Of fewer, and of many more, too few say something that no other one says, for
questions that name it in other words."""

# May be "": the account's own bucket and role, no judge, and nothing to delete.
OPTIONAL_NAMES = ("bucket", "role_arn", "judge_url", "judge_model", "cleanup_confirmed")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Hold the values that make the same cells run on a laptop or on AWS.

    Args:
        mode: Block of workshop.yaml these values come from; also the folder under the workshop's home.
        region: AWS region.
        bucket: S3 bucket for data, weights and results; "" is SageMaker's own, sagemaker-<region>-<account>.
        role_arn: Role that jobs and endpoints run as; "" is the role of SageMaker Studio.
        base_model: Folder relative to the repository, or name on the Hugging Face hub.
        news_source: "sample", name on the hub, or path of a CSV, JSONL or Parquet file or folder.
        run_debug_sample: Train on the small data set (10 / 10 / 10) instead of the full one.
        recipe: File name under src/train/recipes.
        num_processes: Training processes on one machine (torchrun --nproc_per_node), 1 or more.
        use_local_mode: Train with SageMaker Local Mode (Docker) instead of a training job.
        training_instance_type: For example ml.g5.4xlarge.
        training_instance_count: Instances of one training job, 1 or more.
        use_spot: Train on managed spot instances: cheaper, and AWS may take them away and give others.
        max_run_s: AWS stops a training job that runs longer, in seconds.
        max_spot_wait_s: Longest wait for spot instances beside that, in seconds.
        long_run_instance_type: Of notebook 03-1, for example ml.g5.48xlarge.
        long_run_recipe: File name under src/train/recipes, for notebook 03-1.
        long_run_num_processes: Training processes on that instance, 1 or more.
        long_run_steps_per_job: A job of the long run saves and ends after so many steps, 1 or more.
        long_run_max_jobs: So many jobs in a row at most, 1 or more.
        endpoint_instance_type: For example ml.g5.12xlarge.
        endpoint_num_gpus: GPUs that a model is spread over (tensor parallel), 1 or more.
        container_instance_type: The machine on which notebook 02-01 tries the serving container: a
            notebook instance, a Studio space or your own, named by its like.
        container_num_gpus: GPUs of that machine that a model is spread over, 1 or more.
        container_images: Whose images run on this machine: "aws", for GPUs, or "own", for CPUs (make images).
        num_endpoint_articles: Unseen articles that an endpoint summarises, 1 or more.
        endpoint_timeout_s: Longest wait for an instance that starts and loads a model, in seconds.
        endpoint_max_instances: That the endpoint for inference components may grow to, 1 or more.
        keep_endpoint: Leave that endpoint for the next notebook, at its price by the hour, instead of
            deleting it at a notebook's end.
        embedding_model: On the Hugging Face hub, of 384 dimensions and trained with E5's prefixes.
        embedding_instance_type: Of the endpoint that serves it, for example ml.c6i.2xlarge.
        use_mlflow: Log trainings, scores and prompts in an MLflow App of the account; with false none is made
            and none is asked.
        component_num_gpus: GPUs of each copy of an inference component, 1 or more.
        scaling_timeout_s: Longest wait for automatic scaling (quarters of an hour on AWS), in seconds.
        metric_period_s: Of the points that are drawn of CloudWatch's metrics, in seconds.
        sandbox_clock_speed: So many times faster the AWS on this machine passes waits that AWS counts in
            minutes, 1 to 600; of no use in modes on AWS.
        serving_engine: A name of ENGINES.
        next_serving_engine: That a rolling update changes to, in the same words.
        serving_quantization: Of the weights while they are loaded: "none", or a name of the engine's own.
        serve_with: Where a model is served on this machine: "process" or "container".
        num_load_users: Users of the load test, in parallel, 1 or more.
        num_load_requests: Requests of the load test, of all users together, 1 or more.
        poll_interval_s: Between two questions to AWS about a job or an endpoint, in seconds, above 0.
        num_evaluation_articles: Unseen articles that models are compared on, 1 or more.
        num_corpus_articles: Articles that track 03 searches, thirty of them written by hand, 80 to 300.
        num_prompt_runs: Times that each prompt case is asked, 1 or more.
        processing_instance_type: Of the pipeline's job that prepares data, for example ml.m5.xlarge.
        pipeline_instance_type: Of its jobs that train and evaluate, for example ml.g5.4xlarge.
        pipeline_recipe: File name under src/train/recipes, for the pipeline's trainings.
        pipeline_num_processes: Training processes on that instance, 1 or more.
        pipeline_train_rows: Of the pipeline's first version, 10 or more; others train on a tenth of them and
            on twice as many.
        pipeline_max_run_s: AWS stops a job of the pipeline that runs longer, in seconds.
        num_pipeline_articles: Unseen articles that each version is evaluated on, 20 or more: of fewer a
            verdict says little.
        judge_url: Address of an OpenAI-compatible server that judges answers; "" is Amazon Bedrock.
        judge_model: Model that judges; "" for none.
        inference_dtype: Of the weights when a notebook generates: "float32" or "bfloat16".
        seed: For splits, generated news and training, 0 or more.
        cleanup_confirmed: What notebook 99 and `make cleanup` delete, in words of WORDS; "" lists only.
        cell_timeout_s: Longest time for one notebook cell in `python -m workshop.notebooks.run`, in seconds.
        repo_dir: Root of the repository.
        workshop_home: Parent of the modes' homes: $WORKSHOP_HOME or <repo>/.workshop.

    Raises:
        WorkshopError: A value has the wrong type or is not a possible one.
    """

    mode: str
    region: str
    bucket: str
    role_arn: str
    base_model: str
    news_source: str
    run_debug_sample: bool
    recipe: str
    num_processes: int
    use_local_mode: bool
    training_instance_type: str
    training_instance_count: int
    use_spot: bool
    max_run_s: int
    max_spot_wait_s: int
    long_run_instance_type: str
    long_run_recipe: str
    long_run_num_processes: int
    long_run_steps_per_job: int
    long_run_max_jobs: int
    endpoint_instance_type: str
    endpoint_num_gpus: int
    container_instance_type: str
    container_num_gpus: int
    container_images: str
    num_endpoint_articles: int
    endpoint_timeout_s: int
    endpoint_max_instances: int
    keep_endpoint: bool
    embedding_model: str
    embedding_instance_type: str
    use_mlflow: bool
    component_num_gpus: int
    scaling_timeout_s: int
    metric_period_s: int
    sandbox_clock_speed: int
    serving_engine: str
    next_serving_engine: str
    serving_quantization: str
    serve_with: str
    num_load_users: int
    num_load_requests: int
    poll_interval_s: float
    num_evaluation_articles: int
    num_corpus_articles: int
    num_prompt_runs: int
    processing_instance_type: str
    pipeline_instance_type: str
    pipeline_recipe: str
    pipeline_num_processes: int
    pipeline_train_rows: int
    pipeline_max_run_s: int
    num_pipeline_articles: int
    judge_url: str
    judge_model: str
    inference_dtype: str
    seed: int
    cleanup_confirmed: str
    cell_timeout_s: int
    repo_dir: Path
    workshop_home: Path

    def __post_init__(self) -> None:
        for name, kind in FIELD_TYPES.items():
            _check_type(name, getattr(self, name), kind)
        _check_form("region", self.region, PATTERNS["region"], REGIONS)
        _check_choice("inference_dtype", self.inference_dtype, DTYPES, "dtype")
        for name in ("serving_engine", "next_serving_engine"):
            _check_choice(name, getattr(self, name), tuple(ENGINES), "serving engine")
        _check_choice("serve_with", self.serve_with, PLACES, "place")
        _check_choice("container_images", self.container_images, KINDS, "kind of images")
        possible = quantizations(self.serving_engine, on_cpu=self.serves_on_cpu)
        what = f"quantization of {self.serving_engine} in a container"
        if self.serves_on_cpu:
            way = "serve_with: process" if self.serve_with == "process" else "container_images: own"
            what = f"quantization of {way}, which runs on a CPU"
        _check_choice("serving_quantization", self.serving_quantization, possible, what)
        if self.bucket:
            _check_form("bucket", self.bucket, PATTERNS["bucket"], ("a-bucket-of-yours",))
        if self.role_arn and not PATTERNS["role_arn"].fullmatch(self.role_arn):
            raise _wrong_value("role_arn", self.role_arn, "arn:aws:iam::<account>:role/<name of the role>")
        if self.judge_url and not PATTERNS["judge_url"].fullmatch(self.judge_url):
            expected = "an address like http://127.0.0.1:8080/v1, without a key (variable OPENAI_API_KEY)"
            raise _wrong_value("judge_url", self.judge_url, expected)
        if self.judge_url and not self.judge_model:
            raise _wrong_value(
                "judge_model", "", "a model of the server at judge_url, or judge_url empty too"
            )
        for word in self.cleanup_confirmed.split():
            _check_choice("cleanup_confirmed", word, tuple(WORDS), "word for what a cleanup deletes")
        if self.poll_interval_s <= 0:
            raise _wrong_value("poll_interval_s", self.poll_interval_s, "above 0")
        if not 1 <= self.sandbox_clock_speed <= MAX_CLOCK_SPEED:
            raise _wrong_value("sandbox_clock_speed", self.sandbox_clock_speed, f"1 to {MAX_CLOCK_SPEED}")
        # A mistyped name is offered known ones; others of the form are accepted: new ones come every year.
        machines = (*INSTANCE_TYPES, *CPU_USD_PER_HOUR)
        for name in FIELD_TYPES:
            if name.endswith("instance_type"):
                _check_form(name, getattr(self, name), PATTERNS["instance_type"], machines)
        for name in FIELD_TYPES:
            value, lowest = getattr(self, name), 0 if name == "seed" else 1
            if FIELD_TYPES[name] is int and value < lowest:
                raise _wrong_value(name, value, f"{lowest} or more")
        low, high = CORPUS_ARTICLES
        if not low <= self.num_corpus_articles <= high:
            raise _wrong_value("num_corpus_articles", self.num_corpus_articles, f"{low} to {high}")
        for name, lowest in (("pipeline_train_rows", 10), ("num_pipeline_articles", 20)):
            if getattr(self, name) < lowest:
                raise _wrong_value(name, getattr(self, name), f"{lowest} or more")
        recipes_dir = self.recipe_path.parent
        for name in ("recipe", "long_run_recipe", "pipeline_recipe"):
            if not (recipes_dir / getattr(self, name)).is_file():
                known = sorted(path.name for path in recipes_dir.glob("*.yaml"))
                expected = _nearest(getattr(self, name), known, "file in src/train/recipes")
                raise _wrong_value(name, getattr(self, name), expected)

    @property
    def home(self) -> Path:
        """Everything this mode writes: state.json, data, models, reports."""
        return self.workshop_home / self.mode

    @property
    def data_dir(self) -> Path:
        """Parent of the data sets "small" and "full"."""
        return self.home / "data"

    @property
    def dataset_name(self) -> str:
        """Data set to train on: "small" or "full"."""
        return "small" if self.run_debug_sample else "full"

    @property
    def recipe_path(self) -> Path:
        return self.repo_dir / "src" / "train" / "recipes" / self.recipe

    @property
    def serves_on_cpu(self) -> bool:
        """Whether what serves a model on this machine needs no GPU: a process, or the repository's image."""
        return self.serve_with == "process" or self.container_images == "own"

    @property
    def num_threads(self) -> int:
        """Threads of each training process on this machine: the processes share its cores."""
        return threads_per_process(self.num_processes)

    @property
    def max_wait_s(self) -> int | None:
        """Longest time of a managed spot job from its creation to its end, in seconds; None without spot."""
        return self.max_run_s + self.max_spot_wait_s if self.use_spot else None

    @property
    def training_timeout_s(self) -> int:
        """How long to wait for a training job: for its instance, and then for all it may run, in seconds."""
        return self.endpoint_timeout_s + (self.max_wait_s or self.max_run_s)

    @property
    def base_model_location(self) -> str:
        """What `from_pretrained` takes: the folder's absolute path, or the name on the hub."""
        folder = self.repo_dir / self.base_model
        return str(folder) if folder.is_dir() else self.base_model


FIELD_TYPES: dict[str, type] = {
    field.name: {"str": str, "bool": bool, "int": int, "float": float}[field.type]
    for field in fields(Settings)
    if field.type in ("str", "bool", "int", "float") and field.name != "mode"
}


def find_repo_dir(module_file: str = __file__) -> Path:
    """Return the repository this package runs from (it is installed with `pip install -e .`)."""
    repo_dir = Path(module_file).resolve().parents[2]
    if (repo_dir / FILE_NAME).is_file():
        return repo_dir
    raise WorkshopError(
        found=f"the package workshop in {Path(module_file).resolve().parent}, without {FILE_NAME} above it",
        expected="the package installed from the repository in editable form",
        next_step="in the repository's root run: make sample   (or: python -m pip install --no-deps -e .)",
    )


def load_settings(repo_dir: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read workshop.yaml, apply WORKSHOP_MODE and WORKSHOP_<FIELD>, and check every value.

    Args:
        repo_dir: Root of the repository; found from the installed package when None.
        environ: Variables to read; os.environ when None.

    Raises:
        WorkshopError: An unknown key, variable or mode, a missing key, or a wrong value.
    """
    repo_dir = repo_dir or find_repo_dir()
    environ = os.environ if environ is None else environ
    file_mode, modes = read_settings_file(repo_dir / FILE_NAME, tuple(FIELD_TYPES))
    mode, origin = environ.get("WORKSHOP_MODE") or file_mode, "mode"
    if environ.get("WORKSHOP_MODE"):
        origin = "WORKSHOP_MODE"
    if mode not in modes:
        raise _wrong_value(origin, mode, _nearest(mode, list(modes), f"mode in {FILE_NAME}"))
    values: dict[str, Any] = {**modes[mode], **_overrides(environ)}
    home = Path(environ.get("WORKSHOP_HOME") or repo_dir / ".workshop").expanduser().absolute()
    return Settings(mode=mode, repo_dir=repo_dir, workshop_home=home, **values)


def _overrides(environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or variable in RESERVED_VARIABLES:
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name not in FIELD_TYPES or variable != variable.upper():
            known = sorted(RESERVED_VARIABLES | {PREFIX + field.upper() for field in FIELD_TYPES})
            raise WorkshopError(
                found=f"the variable {variable} in the environment, which names no setting",
                expected=_nearest(variable, known, "variable"),
                next_step=f"correct its name, or remove it: unset {variable}",
            )
        values[name] = _parse(variable, text, FIELD_TYPES[name])
    return values


def _parse(variable: str, text: str, kind: type) -> Any:
    if kind is bool:
        if text.lower() not in ("true", "false", "1", "0"):
            raise _wrong_value(variable, text, "true or false")
        return text.lower() in ("true", "1")
    if kind is int:
        if not re.fullmatch(r"-?\d+", text):
            raise _wrong_value(variable, text, "a whole number")
        return int(text)
    if kind is float:
        if not re.fullmatch(r"-?\d+(\.\d+)?", text):
            raise _wrong_value(variable, text, "a number")
        return float(text)
    return text


def _check_type(name: str, value: Any, kind: type) -> None:
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    # bool is a subclass of int, so `type is` and not isinstance
    is_right = type(value) is kind or (kind is float and type(value) is int)
    if not is_right or (kind is str and not value.strip() and not (value == "" and name in OPTIONAL_NAMES)):
        raise _wrong_value(name, value, names[kind])


def _check_choice(name: str, value: str, known: tuple[str, ...], what: str) -> None:
    if value not in known:
        raise _wrong_value(name, value, _nearest(value, list(known), what))


def _check_form(name: str, value: str, pattern: re.Pattern[str], known: tuple[str, ...]) -> None:
    if not pattern.fullmatch(value):
        raise _wrong_value(name, value, _nearest(value, list(known), " ".join(name.split("_")[-2:])))


def _nearest(value: Any, known: list[str], what: str) -> str:
    close = get_close_matches(str(value), known, n=2, cutoff=0.5)
    return (
        f"a {what}; closest: {' or '.join(close)}" if close else f"a {what}: {', '.join(known) or 'none yet'}"
    )


def _wrong_value(name: str, value: Any, expected: str) -> WorkshopError:
    place = f"the variable {name}" if name.startswith(PREFIX) else f"{name} in {FILE_NAME}"
    return WorkshopError(
        found=f"{name} = {value!r}",
        expected=expected,
        next_step=f"correct {place}"
        + ("" if name.startswith(PREFIX) else f" (or the variable {PREFIX}{name.upper()}, if it is set)"),
    )
