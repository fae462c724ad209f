"""What is the workshop's: says its tag, or the ledger that a request of this machine made it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from workshop.aws.ledger import LedgerEntry
from workshop.aws.session import PREFIX, Aws
from workshop.errors import WorkshopError
from workshop.state import State

TAG, MODE_TAG = "workshop", "workshop-mode"
_RUNS = {
    "monitoring_run": ("Pipeline", "Endpoint", "EndpointConfig", "Model", "Dashboard"),
    "rollout_run": ("Endpoint",),
    "pipeline_run": ("Pipeline", "ModelPackageGroup", "Endpoint"),
}
"""Entry of state.json -> kinds of what has the run's name."""
_CLOCKS_DIFFER = timedelta(minutes=10)
"""Between this machine's and AWS's, and between a request and what it made."""


@dataclass(frozen=True, kw_only=True)
class _Adopted:
    name: str
    sources: tuple[str, ...]
    mode: str


class Ownership:
    """Tell for a name whether it is the workshop's, and what says so.

    A name in the ledger alone is no proof: the request may never have arrived, and somebody else's
    resource may have the name. Its tag counts; without one, that AWS has answered our request and that
    it was made at that time.
    """

    def __init__(self, aws: Aws) -> None:
        self._rows = {(row.kind, row.name): row for row in aws.ledger.entries()}
        self._state = _state_names(aws)
        self._adopted: dict[tuple[str, str], _Adopted] = {}

    def sources(
        self, kind: str, name: str, tags: Mapping[str, str] | None, made_at: datetime | None
    ) -> tuple[str, ...]:
        """Return what says that a resource is the workshop's; nothing when it is not.

        Args:
            tags: Of the resource; None when they could not be asked for.
            made_at: As AWS says.
        """
        row, adopted = self._rows.get((kind, name)), self._adopted.get((kind, name.lower()))
        has_tag = (tags or {}).get(TAG) == PREFIX
        if not has_tag and not adopted and not (row and _made(row, made_at)):
            return ()
        is_in_state = name in self._state.get(kind, ())
        known = row is not None and (row.status != "failed" or row.may_exist)
        by_maker = adopted.sources if adopted else ()
        says = {"ledger": known, "tag": has_tag, "state": is_in_state}
        return tuple(source for source, is_so in says.items() if is_so or source in by_maker)

    def mode_of(self, kind: str, name: str, tags: Mapping[str, str] | None, mode: str) -> str:
        """Return the mode of something: its tag says it, else what made it; `mode` when neither does."""
        adopted = self._adopted.get((kind, name.lower()))
        return (tags or {}).get(MODE_TAG, adopted.mode if adopted else mode)

    def adopt(self, kind: str, name: str, sources: tuple[str, ...], mode: str) -> None:
        """Take something for whose its maker is: an execution has made it.

        Args:
            name: As its ARN has it, where AWS may have written it in small letters.
            sources: What says that the maker is the workshop's.
        """
        self._adopted[kind, name.lower()] = _Adopted(name=name, sources=sources, mode=mode)

    def adopted(self, kind: str) -> dict[str, str]:
        """Return what executions have made of a kind: name -> what says first that it is the workshop's."""
        return {one.name: one.sources[0] for (of, _), one in self._adopted.items() if of == kind}

    def made_here(self, kind: str) -> list[str]:
        """Return the names that requests of this machine have made, deleted or not, as AWS has answered."""
        made = ("created", "ended")
        return [name for (of, name), row in self._rows.items() if of == kind and row.status in made]

    def may_exist(self, kind: str) -> list[str]:
        """Return the names that this machine has asked for and not deleted, answered or not."""
        return [name for (of, name), row in self._rows.items() if of == kind and row.may_exist]

    def row(self, kind: str, name: str) -> LedgerEntry | None:
        return self._rows.get((kind, name))

    def rows_of_other_kinds(self, kinds: Iterable[str]) -> list[LedgerEntry]:
        """Return what may exist of kinds that a cleanup does not know."""
        known = set(kinds)
        return [row for row in self._rows.values() if row.kind not in known and row.may_exist]


def _made(row: LedgerEntry, made_at: datetime | None) -> bool:
    if row.status not in ("created", "ended") or made_at is None:
        return False
    return abs(made_at - datetime.fromisoformat(row.time)) < _CLOCKS_DIFFER


def _state_names(aws: Aws) -> dict[str, set[str]]:
    """Return kind -> names that state.json has; an entry that cannot be read has none."""
    names: dict[str, set[str]] = {}
    with suppress(WorkshopError):
        state = State.load(aws.settings)
        for entry in ("training_job", "long_training_job"):
            with suppress(WorkshopError):
                names.setdefault("TrainingJob", set()).add(getattr(state, entry).job_name)
        for entry in ("endpoint", "embedding"):
            with suppress(WorkshopError):
                endpoint = getattr(state, entry)
                names.setdefault("Endpoint", set()).add(endpoint.endpoint_name)
                names.setdefault("EndpointConfig", set()).add(endpoint.config_name)
                names.setdefault("Model", set()).add(endpoint.model_name)
        with suppress(WorkshopError):
            own = state.own_image
            names.setdefault("Endpoint", set()).add(own.endpoint_name)
            names.setdefault("Repository", set()).add(own.repository)
        with suppress(WorkshopError):
            components = state.components
            names.setdefault("Endpoint", set()).add(components.endpoint_name)
            names.setdefault("EndpointConfig", set()).add(components.config_name)
            names.setdefault("InferenceComponent", set()).update(components.components)
        for entry, kinds in _RUNS.items():
            with suppress(WorkshopError):
                name = getattr(state, entry).name
                for kind in kinds:
                    names.setdefault(kind, set()).add(name)
    return names
