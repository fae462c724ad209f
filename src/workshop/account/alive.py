"""What costs by the hour as far as this machine knows: its ledger and state say so, nobody is asked."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from workshop.aws.ledger import Ledger, LedgerEntry
from workshop.errors import WorkshopError
from workshop.prices import ENDPOINT, NOTEBOOK_INSTANCE, PROCESSING_JOB, TRAINING_JOB, price_of

if TYPE_CHECKING:
    from workshop.settings import Settings

_KINDS = {
    "Endpoint": ENDPOINT,
    "TrainingJob": TRAINING_JOB,
    "ProcessingJob": PROCESSING_JOB,
    "NotebookInstance": NOTEBOOK_INSTANCE,
}


@dataclass(frozen=True, kw_only=True)
class Alive:
    """Something that was created and not deleted yet, as far as the ledger says.

    Attributes:
        kind: As in the ledger, for example "Endpoint".
        name: As AWS has it.
        instance_type: Of the state, else of the settings; "" when neither says.
        age: Since its request.
    """

    kind: str
    name: str
    instance_type: str
    age: timedelta

    def text(self, settings: Settings) -> str:
        """Say how old it is, what an hour of one machine costs and what that makes since its request."""
        hours = self.age.total_seconds() / 3600
        head = f"{self.kind} {self.name} for {_age_text(self.age)}"
        price = price_of(settings, self.instance_type, _KINDS[self.kind]).usd_per_hour
        if price is None:
            return f"{head}: price not known here"
        return f"{head}: about {price * hours:.2f} USD, {price:.2f} USD an hour ({self.instance_type})"


def alive(settings: Settings) -> list[Alive]:
    """Return what may cost now, in the mode's account and region; a job only as long as it may run.

    What a pipeline executes no ledger has: `make cost` asks AWS for it.
    """
    machines = _machines(settings)
    ended = _ended_jobs(settings)
    found = []
    for entry in _entries(settings):
        if entry.kind not in _KINDS or not entry.may_exist or entry.name in ended:
            continue
        age = datetime.now(UTC) - datetime.fromisoformat(entry.time)
        limit_s = {
            "TrainingJob": settings.training_timeout_s,
            "ProcessingJob": settings.pipeline_max_run_s,
        }
        if age.total_seconds() > limit_s.get(entry.kind, math.inf):
            continue
        usual = {
            "Endpoint": settings.endpoint_instance_type,
            "TrainingJob": settings.training_instance_type,
            "ProcessingJob": settings.processing_instance_type,
        }
        instance_type = machines.get(entry.name, usual.get(entry.kind, ""))
        found.append(Alive(kind=entry.kind, name=entry.name, instance_type=instance_type, age=age))
    return found


def _entries(settings: Settings) -> Iterator[LedgerEntry]:
    for path in sorted(settings.home.glob(f"ledger-*-{settings.region}.jsonl")):
        yield from Ledger(path).entries()


def _machines(settings: Settings) -> dict[str, str]:
    """Return names with their instance types, as far as state.json has them."""
    from workshop.state import State

    found = {}
    with suppress(WorkshopError):
        state = State.load(settings)
        for name in ("endpoint", "components", "embedding", "own_image"):
            with suppress(WorkshopError):
                entry = getattr(state, name)
                found[entry.endpoint_name] = entry.instance_type
        with suppress(WorkshopError):
            found[state.long_training_job.job_name] = settings.long_run_instance_type
        for name in ("monitoring_run", "rollout_run", "pipeline_run"):
            with suppress(WorkshopError):
                found[getattr(state, name).name] = settings.pipeline_instance_type  # its endpoint
    return found


def _ended_jobs(settings: Settings) -> set[str]:
    """Return the jobs whose end was seen: the ledger knows only of those that were stopped."""
    from workshop.state import State

    found = set()
    with suppress(WorkshopError):
        state = State.load(settings)
        for name in ("training_job", "long_training_job"):
            with suppress(WorkshopError):
                job = getattr(state, name)
                if job.status != "InProgress":
                    found.add(job.job_name)
    return found


def _age_text(age: timedelta) -> str:
    minutes = max(age.total_seconds() / 60, 0)
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.0f} h"
