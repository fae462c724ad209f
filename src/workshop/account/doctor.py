"""Look at everything that a mode needs before it spends: this machine, then the account. Nothing is made.

    make doctor                      # of the mode in workshop.yaml
    make doctor MODE=debug           # of another one

In a notebook, before anything is created: `preflight(settings, "03-SageMaker-Training")`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from workshop.account.access import access_checks, asked, brief_client, identity
from workshop.account.base_model import base_model_lines
from workshop.account.checks import LIMIT_S, Check, Line, fail, run_checks, warn
from workshop.account.containers import TRAINING_NOTEBOOK, container_checks
from workshop.account.images import image_line, images_of
from workshop.account.machine import machine_checks
from workshop.account.quotas import quota_lines
from workshop.account.rights import PUSHING_NOTEBOOKS, RULE_NOTEBOOKS, push_line, role_of_rules
from workshop.account.runs import LOGGING_NOTEBOOKS, runs_line
from workshop.account.usage import NOTEBOOK_INSTANCE, PIPELINE_NOTEBOOK, usages
from workshop.aws import local as local_aws
from workshop.aws.session import Aws
from workshop.errors import WorkshopError
from workshop.prices import PROCESSING_JOB
from workshop.settings import Settings, load_settings

UPLOADING_NOTEBOOKS = (TRAINING_NOTEBOOK, "03-1-Option-SageMaker-Training", PIPELINE_NOTEBOOK)
"""They bring the base model to S3."""


def examine(settings: Settings, notebook: str | None = None) -> Iterator[Line]:
    """Yield a line for everything that was looked at, this machine before the account.

    Args:
        settings: Of the mode.
        notebook: Look at what this one needs; at the whole mode when None.
    """
    yield from run_checks([*machine_checks(settings, notebook), *container_checks(settings, notebook)])
    connected: list[Aws] = []
    limit_s = local_aws.START_TIMEOUT_S + LIMIT_S  # in sample mode it starts the AWS on this machine
    first = [Check(subject="identity", look=lambda: identity(settings, connected), limit_s=limit_s)]
    if notebook in (None, *UPLOADING_NOTEBOOKS):
        first.append(Check(subject="base model", look=lambda: base_model_lines(settings)))
    yield from run_checks(first)
    if connected:
        yield from run_checks(_account_checks(connected[0], notebook))
    else:
        step = "mend what [FAIL] says of the identity, then run this again"
        yield warn("account", "role, bucket, quotas and images: not looked at without an account", step)


def _account_checks(aws: Aws, notebook: str | None) -> list[Check]:
    """Return what the account is asked; its clients are made here, one after the other."""
    rows = [row for row in usages(aws.settings) if notebook in (None, row.notebook)]
    # Local Mode gives the training container the role, and fetches its image, as a job would.
    needs_role = any(row.kind != NOTEBOOK_INSTANCE or row.notebook == TRAINING_NOTEBOOK for row in rows)
    executes = any(row.kind == PROCESSING_JOB for row in rows)  # only pipelines have such jobs
    tell = (warn if notebook is None else fail) if executes else None
    checks = access_checks(aws, needs_role=needs_role, tell_of_pipelines=tell)
    if aws.settings.use_mlflow and notebook in (None, *LOGGING_NOTEBOOKS):
        iam = brief_client(aws, "iam")
        checks.append(Check(subject="runs", look=lambda: runs_line(aws, iam)))
    checks += _rights_checks(aws, notebook, needs_role=needs_role)
    if not needs_role:
        return checks
    quotas, ecr = brief_client(aws, "service-quotas"), brief_client(aws, "ecr")
    look = asked("quota", "servicequotas", lambda: quota_lines(aws, quotas, notebook))
    checks.append(Check(subject="quota", look=look))
    for address in images_of(aws.settings, notebook):
        look = asked("image", "ecr", lambda address=address: image_line(ecr, address))
        checks.append(Check(subject="image", look=look))
    return checks


def _rights_checks(aws: Aws, notebook: str | None, *, needs_role: bool) -> list[Check]:
    """Return the checks of what single notebooks need: of a whole mode they only warn."""
    tell = warn if notebook is None else fail
    looks = (
        ("role", RULE_NOTEBOOKS if needs_role else (), role_of_rules),
        ("push", PUSHING_NOTEBOOKS, push_line),
    )
    checks = []
    for subject, notebooks, look in looks:
        if notebook in notebooks or (notebook is None and notebooks):
            iam = brief_client(aws, "iam")
            line = asked(subject, "iam", lambda look=look, iam=iam: look(aws, iam, tell))
            checks.append(Check(subject=subject, look=line))
    return checks


def preflight(settings: Settings, notebook: str) -> None:
    """Show what a notebook needs, and stop when something is missing, before anything is made or paid.

    Args:
        settings: Of the mode.
        notebook: Its name without .ipynb.

    Raises:
        WorkshopError: At least one check failed.
    """
    lines = _shown(examine(settings, notebook))
    if failures := [line for line in lines if line.status == "FAIL"]:
        subjects = ", ".join(line.subject for line in failures)
        raise WorkshopError(
            found=f"{len(failures)} of {len(lines)} checks failed: {subjects}",
            expected=f"every check of {notebook} to be [OK] or [WARN] before it spends anything",
            next_step=f"do what the lines above say, then run this cell again ({failures[0].next_step})",
        )


def _shown(lines: Iterator[Line]) -> list[Line]:
    shown = []
    for line in lines:
        print(line, flush=True)
        shown.append(line)
    return shown


def main() -> int:
    """Look at what a mode needs, in a terminal; exit status 1 when something failed."""
    try:
        settings = load_settings()
    except WorkshopError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"mode {settings.mode}", flush=True)
    with local_aws.left_as_found(settings.home / "sandbox"):
        lines = _shown(examine(settings))
    print(_summary(lines))
    return 1 if any(line.status == "FAIL" for line in lines) else 0


def _summary(lines: Sequence[Line]) -> str:
    counts = {status: sum(line.status == status for line in lines) for status in ("OK", "WARN", "FAIL")}
    return ", ".join(f"{count} {status}" for status, count in counts.items())


if __name__ == "__main__":
    sys.exit(main())
