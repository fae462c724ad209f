"""A pipeline's definition: the JSON that SDKs write, checked as far as it can be before it runs.

Source: github.com/aws-sagemaker-mlops/sagemaker-model-building-pipeline-definition-JSON-schema, sagemaker
3.27, mlops/workflow, where the two differ. "Unable to parse pipeline definition" with "Expecting start of
Json Object", "Expecting start of Json Array", "unknown property", "Unknown Argument member" and "can not
depends on" is AWS's, as public issue threads and the SDK's tests against AWS quote it; the other reasons are
worded here.
"""

from __future__ import annotations

import graphlib
import json
from dataclasses import dataclass
from typing import Any

from sandbox.api.errors import validation_error
from sandbox.pipelines import arguments
from sandbox.pipelines.parameters import Parameter, declared
from sandbox.pipelines.references import STEPS, refuse_constant, step_names
from sandbox.pipelines.step_definition import FAIL, Step, as_list, check_members, read_steps

VERSION = "2020-12-01"
_TOP = {"Version", "Metadata", "Parameters", "PipelineExperimentConfig", "MlflowConfig", "Steps"}
_OF_EXPERIMENTS = ("ExperimentName", "TrialName")


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A definition that was checked.

    Args:
        parameters: By name.
        steps: By name, in the definition's order; those of a Condition step come right after it.
        experiment: PipelineExperimentConfig, which has no effect here; None where there is none.
    """

    parameters: dict[str, Parameter]
    steps: dict[str, Step]
    experiment: dict[str, Any] | None


def parse(text: str) -> Definition:
    """Return the definition that a text holds.

    Raises:
        AwsError: It is not JSON, or no definition that could run; what is not done is named.
    """
    try:
        definition = _definition(_json(text))
        _check_graph(definition)
    except (ValueError, RecursionError) as error:
        reason = "It is nested too deeply." if isinstance(error, RecursionError) else error
        raise validation_error(f"Unable to parse pipeline definition. {reason}") from error
    return definition


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=refuse_constant)
    except ValueError as error:
        raise ValueError(f"It is not valid JSON: {error}.") from error


def _definition(content: Any) -> Definition:
    check_members(content, _TOP)
    if content.get("Version", VERSION) != VERSION:
        raise ValueError(f"Version {content['Version']!r} is not known; it must be '{VERSION}'.")
    if content.get("MlflowConfig") is not None:
        raise ValueError("'MlflowConfig' is not done here: let the steps log to MLflow themselves.")
    parameters: dict[str, Parameter] = {}
    for parameter in map(declared, as_list(content.get("Parameters") or [])):
        if parameter.name in parameters:
            raise ValueError(f"Parameter names must be unique, and '{parameter.name}' is there twice.")
        parameters[parameter.name] = parameter
    steps: dict[str, Step] = {}
    if not content.get("Steps"):
        raise ValueError("It needs at least one step in 'Steps'.")
    for step in read_steps(content["Steps"], branch=None):
        if step.name in steps:
            raise ValueError(f"Step names must be unique, and '{step.name}' is there twice.")
        steps[step.name] = step
    return Definition(parameters=parameters, steps=steps, experiment=content.get("PipelineExperimentConfig"))


def _check_graph(definition: Definition) -> None:
    """Make sure that what each step refers to is there, and that no step waits for itself."""
    for step in definition.steps.values():
        for name in step.needs:
            if name not in definition.steps:
                raise ValueError(f"Step {name} is undefined. (Step '{step.name}'.)")
            if definition.steps[name].type == FAIL:
                raise ValueError(f"{step.name} can not depends on {name}: a Fail step ends the execution.")
        try:
            arguments.check(step, definition)
        except ValueError as error:
            raise ValueError(f"{error} (Step '{step.name}'.)") from error
    if definition.experiment is not None:
        check_members(definition.experiment, _OF_EXPERIMENTS)
        for name in step_names(definition.experiment):
            raise ValueError(f"PipelineExperimentConfig cannot refer to {STEPS}.{name}.")
        arguments.check_functions(definition.experiment, definition)
    try:
        graphlib.TopologicalSorter({name: step.needs for name, step in definition.steps.items()}).prepare()
    except graphlib.CycleError as error:
        raise ValueError(f"Cycle detected in pipeline step graph: {' -> '.join(error.args[1])}.") from error
