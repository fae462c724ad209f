"""Which earlier run of a step may stand for a new one: step caching.

Source: developer guide, "Default cache key attributes by pipeline step type" and "Turn on step caching".
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.pipelines.step_definition import Step

# Per type of step, the arguments that start a new run when they change; no other argument does.
KEY_ARGUMENTS = {
    "Processing": ("AppSpecification", "Environment", "ProcessingInputs"),
    "Training": (
        "AlgorithmSpecification",
        "CheckpointConfig",
        "DebugHookConfig",
        "DebugRuleConfigurations",
        "Environment",
        "HyperParameters",
        "InputDataConfig",
    ),
}
_DURATION = re.compile(
    r"P?(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?", re.IGNORECASE
)
_DAY_S = 24 * 3600
# A year, a month, a week, a day, an hour, a minute; AWS does not say how long its years and months are.
_UNITS_S = (365 * _DAY_S, 30 * _DAY_S, 7 * _DAY_S, _DAY_S, 3600, 60)


def cache_key(step: Step, arguments: dict[str, Any]) -> str:
    """Return what two runs of a step must share for one to stand for the other.

    Args:
        step: Of a type in KEY_ARGUMENTS.
        arguments: The step's, with every function replaced by its value.
    """
    counted = {name: arguments[name] for name in KEY_ARGUMENTS[step.type] if name in arguments}
    text = json.dumps([step.type, step.name, counted], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def duration_s(text: str) -> int:
    """Return an ISO 8601 duration in seconds: P30D, 30d, T12H, 30dT5h, as AWS's examples have them.

    Raises:
        ValueError: It is none.
    """
    found = _DURATION.fullmatch(text)
    if found is None or not any(found.groups()) or text[-1] in "Tt":
        raise ValueError(f"'{text}' is not an ISO 8601 duration of years to minutes.")
    return sum(int(count) * unit_s for count, unit_s in zip(found.groups(default="0"), _UNITS_S, strict=True))
