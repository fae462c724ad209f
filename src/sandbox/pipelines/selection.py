"""Selective execution: some steps of a pipeline run, on what an earlier execution's others have left.

Source: API reference, SelectiveExecutionConfig; developer guide, "Run pipelines using selective execution".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sandbox.api.errors import validation_error
from sandbox.pipelines.progress import STEPS

if TYPE_CHECKING:
    from sandbox.pipelines.definition import Definition

Record = dict[str, Any]


def reused(definition: Definition, selected: list[str], source: Record | None) -> dict[str, Record]:
    """Return the steps that an execution of some steps begins with, as they ended in the earlier one.

    Args:
        definition: That it runs.
        selected: Names of the steps that run.
        source: The earlier execution; None when none is named.

    Raises:
        AwsError: A step is not there, what a selected one needs is missing, or a path between two of them
            leaves the selection.
    """
    for name in selected:
        if name not in definition.steps:
            raise validation_error(f"Step '{name}' of SelectedSteps is not in the pipeline's definition.")
    before = _upstream(definition, selected)
    for name in before:
        if _upstream(definition, [name]).intersection(selected):
            raise validation_error(f"Step '{name}' lies between selected steps: it must be selected, too.")
    steps = source[STEPS] if source else {}
    for name in selected:
        for needed in definition.steps[name].needs:
            if needed not in selected and steps.get(needed, {}).get("StepStatus") != "Succeeded":
                raise validation_error(
                    f"Step '{name}' needs step '{needed}', which is neither selected nor Succeeded in the"
                    " execution that SourcePipelineExecutionArn names."
                )
    if source is None:
        return {}
    result = {"SelectiveExecutionResult": {"SourcePipelineExecutionArn": source["PipelineExecutionArn"]}}
    return {
        name: {**steps[name], **result}
        for name in definition.steps
        if name in before and steps.get(name, {}).get("StepStatus") == "Succeeded"
    }


def _upstream(definition: Definition, names: Iterable[str]) -> set[str]:
    """Return the steps that some steps wait for, directly or through others, without themselves."""
    given, found = set(names), set()
    left = list(given)
    while left:
        for needed in definition.steps[left.pop()].needs:
            if needed not in found:
                found.add(needed)
                left.append(needed)
    return found - given
