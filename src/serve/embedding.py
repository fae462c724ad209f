"""What the server asks of a model that makes vectors, and what becomes of a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np


class Encoder(Protocol):
    """What the server asks of a model that makes vectors; any number of threads may call it.

    Attributes:
        pooling: How a text's states become one vector.
        num_dimensions: Of a vector.
        max_tokens: Of a text, those of begin and end included.
    """

    pooling: str
    num_dimensions: int
    max_tokens: int

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text, without those of begin and end."""

    def with_ends(self, ids: list[int]) -> list[int]: ...

    def piece(self, id_: int) -> str: ...

    def embed(self, ids: list[int]) -> np.ndarray:
        """Return the vector of tokens with their ends, not yet of length 1: (num_dimensions,) float32."""


class EmbeddingMetrics(Protocol):
    """What happens to requests and their texts."""

    def received(self, *, is_batch: bool) -> None: ...

    def embedded(self, vector: Embedded) -> None:
        """Count a text."""

    def succeeded(self, vectors: Sequence[Embedded], *, is_batch: bool, total_s: float) -> None: ...

    def failed(self, why: str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How texts become vectors.

    Args:
        truncate: Cut what is too long; None as the server is set.
        keeps_end: Of a text that is cut, in place of its beginning.
        normalize: To length 1.
        num_dimensions: The first so many of a vector; None for all.
    """

    truncate: bool | None = None
    keeps_end: bool = False
    normalize: bool = True
    num_dimensions: int | None = None


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """A text's vector, how many tokens and characters it has, and what took how long."""

    vector: np.ndarray
    num_tokens: int
    num_characters: int
    tokenization_s: float
    queue_s: float
    inference_s: float
