"""The dtypes in which a program multiplies matrices: not every processor is quick in bfloat16."""

from __future__ import annotations

from collections import defaultdict

import torch
from torch.utils._python_dispatch import TorchDispatchMode

# Every processor since 2013 has instructions for these. Without bfloat16 ones (Intel Core, AMD Ryzen before
# Zen 4, Apple M1) a product in it takes forty times as long, whatever this machine has.
FAST_EVERYWHERE = frozenset({torch.float32, torch.float64})

_PRODUCTS = ("mm", "addmm", "bmm", "baddbmm", "matmul", "linear", "scaled_dot_product", "gemm", "conv")


class MatrixProducts(TorchDispatchMode):
    """Record every matrix product and attention of this thread, forward and backward, by dtype.

    bitsandbytes' operators are seen from outside: the dtype of what goes into them counts.

    Attributes:
        by_dtype: dtype -> names of the operators that ran in it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.by_dtype: dict[torch.dtype, set[str]] = defaultdict(set)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = str(func)
        if any(word in name for word in _PRODUCTS):
            for value in args:
                if isinstance(value, torch.Tensor) and value.is_floating_point():
                    self.by_dtype[value.dtype].add(name)
                    break
        return func(*args, **(kwargs or {}))

    @property
    def slow(self) -> dict[torch.dtype, set[str]]:
        """What runs in a dtype that not every processor has instructions for."""
        return {dtype: names for dtype, names in self.by_dtype.items() if dtype not in FAST_EVERYWHERE}

    @property
    def names(self) -> set[str]:
        """All operators that were seen."""
        return set().union(*self.by_dtype.values())
