"""One step of a definition: what it is called, what it waits for, and the arguments of its operation.

Source: as in definition.py; for retries, sagemaker 3.27, mlops/workflow/retry.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.pipelines import conditions
from sandbox.pipelines.arguments import OPERATIONS
from sandbox.pipelines.caching import duration_s
from sandbox.pipelines.references import step_names

CONDITION, FAIL = "Condition", "Fail"
TYPES = (*OPERATIONS, CONDITION, FAIL)
# Every other type that the SDK writes, with what does the same here.
_NOT_DONE = {
    "Callback": "let the client that waits for the execution do its part between two executions",
    "Lambda": "run the code in a Processing step",
    "Transform": "run the model over the data in a Processing step",
    "Tuning": "use one Training step for each set of hyperparameters",
    "AutoML": "use a Training step",
    "EMR": "use a Processing step",
    "EMRServerless": "use a Processing step",
    "ClarifyCheck": "compute the check in a Processing step, and decide in a Condition step",
    "QualityCheck": "compute the check in a Processing step, and decide in a Condition step",
    "EndpointConfig": "call CreateEndpointConfig when the execution has ended",
    "Endpoint": "call CreateEndpoint when the execution has ended",
    "InferenceComponent": "call CreateInferenceComponent when the execution has ended",
    "Lineage": "read the ARNs of the steps with ListPipelineExecutionSteps",
    "Job": "use a Training or a Processing step",
    "Cleanup": "delete what is no longer needed when the execution has ended",
    "ForEach": "write one step for each item",
}
_OF_STEPS = {"Name", "Type", "Arguments", "DependsOn", "DisplayName", "Description"}
_OF_JOBS = {"CacheConfig", "RetryPolicies"}
_MEMBERS = {
    "Processing": _OF_STEPS | _OF_JOBS | {"PropertyFiles"},
    "Training": _OF_STEPS | _OF_JOBS,
    "Model": _OF_STEPS | {"RetryPolicies"},
    "RegisterModel": _OF_STEPS | {"RetryPolicies"},
    CONDITION: _OF_STEPS,
    FAIL: _OF_STEPS,
}
_STEP_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_RETRIED = {
    "Step.SERVICE_FAULT",
    "Step.THROTTLING",
    "SageMaker.JOB_INTERNAL_ERROR",
    "SageMaker.CAPACITY_ERROR",
    "SageMaker.RESOURCE_LIMIT",
}
_FILE_MEMBERS = ("PropertyFileName", "OutputName", "FilePath")
_RETRY_MEMBERS = {"ExceptionType", "BackoffRate", "IntervalSeconds", "MaxAttempts", "ExpireAfterMin"}


@dataclass(frozen=True, kw_only=True)
class PropertyFile:
    """A JSON file that a Processing step leaves in one of its outputs, for Std:JsonGet to read."""

    name: str
    output_name: str
    path: str


@dataclass(frozen=True, kw_only=True)
class Cache:
    """That an earlier run of the step may stand for a new one.

    Args:
        expire_after_s: How old the earlier run may be; None: of any age.
    """

    expire_after_s: int | None


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step, as the definition has it.

    Args:
        name: Unique in the definition, those inside of Condition steps included.
        type: One of TYPES.
        arguments: Of the step's operation, with functions in them.
        display_name: "" where there is none.
        description: "" where there is none.
        depends_on: Steps that it waits for because it says so.
        references: Steps that it waits for because its arguments refer to them.
        branch: The Condition step in which it stands, and the outcome with which it runs; None: in none.
        cache: None where caching is not enabled.
        property_files: By name.
        retry_policies: As given.
        conditions: Of a Condition step: all must hold for the outcome to be true.
        if_steps: Names of the steps that run when the outcome is true, not those inside of them.
        else_steps: And when it is false.
    """

    name: str
    type: str
    arguments: dict[str, Any]
    display_name: str
    description: str
    depends_on: tuple[str, ...]
    references: tuple[str, ...]
    branch: tuple[str, bool] | None
    cache: Cache | None
    property_files: dict[str, PropertyFile]
    retry_policies: tuple[dict[str, Any], ...]
    conditions: list[dict[str, Any]]
    if_steps: tuple[str, ...]
    else_steps: tuple[str, ...]

    @property
    def needs(self) -> tuple[str, ...]:
        """Return the names of all steps that must have succeeded before this one begins."""
        outer = (self.branch[0],) if self.branch else ()
        return tuple(dict.fromkeys((*self.depends_on, *self.references, *outer)))


def read_steps(entries: Any, *, branch: tuple[str, bool] | None) -> Iterator[Step]:
    """Yield the steps of a list, those inside of each right after it.

    Args:
        entries: As the definition has them.
        branch: The Condition step in which they stand, and the outcome with which they run.

    Raises:
        ValueError: One makes no sense, or is of a type that is not done.
    """
    for entry in as_list(entries):
        step = _step(entry, branch)
        yield step
        if step.type == CONDITION:
            yield from read_steps(step.arguments.get("IfSteps") or [], branch=(step.name, True))
            yield from read_steps(step.arguments.get("ElseSteps") or [], branch=(step.name, False))


def _step(entry: Any, branch: tuple[str, bool] | None) -> Step:
    if not isinstance(entry, dict):
        raise ValueError("Expecting start of Json Object.")
    name, kind = entry.get("Name"), entry.get("Type")
    if not isinstance(name, str) or not _STEP_NAME.fullmatch(name):
        raise ValueError(f"Step name {name!r} does not match {_STEP_NAME.pattern}.")
    if kind in tuple(_NOT_DONE):
        raise ValueError(f"Step '{name}' is of type {kind}, which is not done here: {_NOT_DONE[kind]}.")
    if kind not in TYPES:
        raise ValueError(f"Step '{name}' has the type {kind!r}; it may be {', '.join(TYPES)}.")
    try:
        check_members(entry, _MEMBERS[kind])
        return _checked_step(entry, branch)
    except ValueError as error:
        raise ValueError(f"{error} (Step '{name}'.)") from error


def _checked_step(entry: dict[str, Any], branch: tuple[str, bool] | None) -> Step:
    kind, given = entry["Type"], entry.get("Arguments")
    if not isinstance(given, dict):
        raise ValueError("Expecting start of Json Object.")
    if kind == CONDITION:
        check_members(given, {"Conditions", "IfSteps", "ElseSteps"})
        conditions.check_all(as_list(given.get("Conditions") or []))
    elif kind == FAIL:
        check_members(given, {"ErrorMessage"})
    own = {name: value for name, value in given.items() if name not in ("IfSteps", "ElseSteps")}
    return Step(
        name=entry["Name"],
        type=kind,
        arguments=given,
        display_name=entry.get("DisplayName") or "",
        description=entry.get("Description") or "",
        depends_on=tuple(_depends_on(entry)),
        references=tuple(dict.fromkeys(step_names(own))),
        branch=branch,
        cache=_cache(entry.get("CacheConfig")),
        property_files={each.name: each for each in _property_files(entry.get("PropertyFiles"))},
        retry_policies=tuple(_retry_policies(entry.get("RetryPolicies"))),
        conditions=given.get("Conditions") or [],
        if_steps=tuple(each["Name"] for each in _named(given.get("IfSteps"))),
        else_steps=tuple(each["Name"] for each in _named(given.get("ElseSteps"))),
    )


def _named(entries: Any) -> Iterator[dict[str, Any]]:
    """Yield the entries that have a name; the others are refused when it is their turn."""
    return (each for each in as_list(entries or []) if isinstance(each, dict) and "Name" in each)


def _depends_on(entry: dict[str, Any]) -> Iterator[str]:
    for each in as_list(entry.get("DependsOn") or []):
        if isinstance(each, dict):
            raise ValueError("A 'Trigger' in DependsOn is not done here: name the step alone.")
        if not isinstance(each, str):
            raise ValueError("DependsOn must be a list of step names.")
        yield each


def _cache(config: Any) -> Cache | None:
    if config is None:
        return None
    check_members(config, {"Enabled", "ExpireAfter"})
    expire_after = config.get("ExpireAfter")
    expire_after_s = None if expire_after is None else duration_s(str(expire_after))
    if not isinstance(config.get("Enabled", False), bool):
        raise ValueError("'Enabled' of CacheConfig must be a Boolean.")
    return Cache(expire_after_s=expire_after_s) if config.get("Enabled") else None


def _property_files(entries: Any) -> Iterator[PropertyFile]:
    for each in as_list(entries or []):
        check_members(each, _FILE_MEMBERS)
        if not all(isinstance(each.get(name), str) for name in _FILE_MEMBERS):
            raise ValueError(f"A property file needs {', '.join(_FILE_MEMBERS)}.")
        name, output_name, path = (each[member] for member in _FILE_MEMBERS)
        yield PropertyFile(name=name, output_name=output_name, path=path)


def _retry_policies(entries: Any) -> Iterator[dict[str, Any]]:
    for each in as_list(entries or []):
        check_members(each, _RETRY_MEMBERS)
        kinds = each.get("ExceptionType") or []
        for kind in kinds if isinstance(kinds, list) else [kinds]:
            if kind not in tuple(_RETRIED):
                raise ValueError(f"ExceptionType {kind!r} may be {', '.join(sorted(_RETRIED))}.")
        if ("MaxAttempts" in each) == ("ExpireAfterMin" in each):
            raise ValueError("A retry policy needs either 'MaxAttempts' or 'ExpireAfterMin', and not both.")
        yield each


def check_members(value: Any, allowed: Iterable[str]) -> None:
    """Make sure that a value is an object with known members only.

    Raises:
        ValueError: It is not.
    """
    if not isinstance(value, dict):
        raise ValueError("Expecting start of Json Object.")
    for unknown in sorted(value.keys() - set(allowed)):
        raise ValueError(f"Cannot parse object, unknown property '{unknown}'.")


def as_list(value: Any) -> list[Any]:
    """Return a value that must be a list.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(value, list):
        raise ValueError("Expecting start of Json Array.")
    return value
