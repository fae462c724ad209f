"""What follows from the code: a part of README.md, and FIELDS.md. `python -m sandbox.docs` writes both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sandbox import fields_page, operations
from sandbox.api import faults, fields, service_model
from sandbox.other_services import SERVICES

README = Path(__file__).with_name("README.md")
FIELDS = Path(__file__).with_name("FIELDS.md")
_BEGIN, _END = "<!-- begin: python -m sandbox.docs -->", "<!-- end -->"
RUNTIME = ("InvokeEndpoint", "InvokeEndpointWithResponseStream")


def implemented() -> list[tuple[str, str]]:
    """Return service and name of every operation whose fields are accounted for."""
    ours = [
        (service.name, name)
        for service in operations.SERVICES.values()
        for name in sorted(service.operations)
    ]
    alarms = [
        ("cloudwatch", name)
        for name in sorted(service_model.operation_names("cloudwatch"))
        if fields.is_accounted_for("cloudwatch", name)
    ]
    return [*ours, *(("sagemaker-runtime", name) for name in RUNTIME), *alarms]


def updated(text: str) -> str:
    """Return the text of README.md with the part between its two markers made from the code.

    Raises:
        ValueError: A marker is missing.
    """
    before, _, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not end:
        raise ValueError(f"found no {_BEGIN} ... {_END} in README.md")
    return f"{before}{_BEGIN}\n{_tables()}\n{_END}{after}"


def _tables() -> str:
    ours = sagemaker, scaling, events = operations.SAGEMAKER, operations.AUTO_SCALING, operations.EVENTS
    total, of_scaling, of_events = (len(service_model.operation_names(each.name)) for each in ours)
    lines = [
        f"{len(sagemaker.operations)} of SageMaker's {total} operations; any other call is answered with a"
        " 400 that names it.",
        "",
        "| operations | where |",
        "|---|---|",
        *_rows(sagemaker.operations),
        f"| {', '.join(f'`{name}`' for name in RUNTIME)} (SageMaker Runtime) | [hosting/runtime.py]"
        "(hosting/runtime.py) |",
        "| `POST .../openai/v1/chat/completions` ([OpenAI's clients](#openais-clients)) |"
        " [hosting/openai_api.py](hosting/openai_api.py) |",
        "| whatever MLflow's client and its pages ask of an app ([MLflow Apps](#mlflow-apps)) |"
        " [mlflow_apps/requests.py](mlflow_apps/requests.py) |",
        "",
        f"{len(scaling.operations)} of Application Auto Scaling's {of_scaling} operations:",
        "",
        "| operations | where |",
        "|---|---|",
        *_rows(scaling.operations),
        "",
        f"{len(events.operations)} of EventBridge's {of_events} operations:",
        "",
        "| operations | where |",
        "|---|---|",
        *_rows(events.operations),
        "",
        "Of Service Quotas and the price list:",
        "",
        "| operations | where |",
        "|---|---|",
        *_rows(operations.SERVICE_QUOTAS.operations),
        *_rows(operations.PRICING.operations),
        "",
        f"moto answers {', '.join(f'`{name}`' for name in SERVICES)}.",
        "",
        f"Faults: {', '.join(f'`{kind}`' for kind in faults.KINDS)}.",
    ]
    return "\n".join(lines)


def _rows(implemented: dict[str, Any]) -> list[str]:
    by_module: dict[str, list[str]] = {}
    for name, function in sorted(implemented.items()):
        module = function.__module__.removeprefix("sandbox.").replace(".", "/")
        by_module.setdefault(f"{module}.py", []).append(f"`{name}`")
    return [f"| {', '.join(names)} | [{module}]({module}) |" for module, names in sorted(by_module.items())]


def main() -> None:
    """Write README.md and FIELDS.md anew."""
    README.write_text(updated(README.read_text(encoding="utf-8")), encoding="utf-8")
    FIELDS.write_text(fields_page.page(implemented()), encoding="utf-8")


if __name__ == "__main__":
    main()
