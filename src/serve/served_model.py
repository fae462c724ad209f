"""The model that a container serves: what it is called, and where its files are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """A model, under the names that its image gives it.

    Args:
        id: The model as whoever chose it named it, in the container's paths.
        folder: Where its files are.
        names: What requests may call it; the first one is in answers.
        aliases: Further names, which are in no list.
        store_name: What DJL Serving calls it, in its routes.
        store_url: Where DJL Serving has it from.
    """

    id: str
    folder: Path
    names: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    store_name: str = "model"
    store_url: str = ""

    @property
    def name(self) -> str:
        return self.names[0]

    @property
    def known_names(self) -> frozenset[str]:
        return frozenset({*self.names, *self.aliases})
