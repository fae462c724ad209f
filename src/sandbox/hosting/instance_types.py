"""What an instance has, by its type: accelerators, CPU cores and memory. botocore's model has only the names.

Source: Amazon EC2 User Guide and the pages of the instance types, as of November 2026. SageMaker keeps a
part of the memory for itself and does not say how much; here all of it can be given to components.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_MIB_PER_GIB = 1024
_GENERAL = re.compile(r"ml\.([cmr])[0-9][a-z]*\.([a-z0-9]+)")  # 2, 4 and 8 GiB a core
_GIB_PER_CORE = {"c": 2, "m": 4, "r": 8}
_CORES = {"medium": 1, "large": 2, "xlarge": 4}

# Family -> GiB a core, and accelerators by size; a size of N xlarge has 4 N cores.
_ACCELERATED: dict[str, tuple[float, dict[int, int]]] = {
    "g4dn": (4, {1: 1, 2: 1, 4: 1, 8: 1, 12: 4, 16: 1}),
    "g5": (4, {1: 1, 2: 1, 4: 1, 8: 1, 12: 4, 16: 1, 24: 4, 48: 8}),
    "g6": (4, {1: 1, 2: 1, 4: 1, 8: 1, 12: 4, 16: 1, 24: 4, 48: 8}),
    "g6e": (8, {1: 1, 2: 1, 4: 1, 8: 1, 12: 4, 16: 1, 24: 4, 48: 8}),
    "p3": (7.625, {2: 1, 8: 4, 16: 8}),
    "p4d": (12, {24: 8}),
    "p4de": (12, {24: 8}),
    "p5": (2048 / 192, {48: 8}),
    "p5e": (2048 / 192, {48: 8}),
    "p5en": (2048 / 192, {48: 8}),
    "inf2": (4, {1: 1, 8: 1, 24: 6, 48: 12}),
    "trn1": (4, {2: 1, 32: 16}),
}


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What an instance has, or what a copy of an inference component needs.

    Args:
        num_accelerators: GPUs, or chips of Inferentia and Trainium.
        num_cores: CPU cores (vCPUs).
        memory_mib: Memory of the host, in MiB.
    """

    num_accelerators: float = 0
    num_cores: float = 0
    memory_mib: float = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(
            num_accelerators=self.num_accelerators + other.num_accelerators,
            num_cores=self.num_cores + other.num_cores,
            memory_mib=self.memory_mib + other.memory_mib,
        )

    def __sub__(self, other: Resources) -> Resources:
        return Resources(
            num_accelerators=self.num_accelerators - other.num_accelerators,
            num_cores=self.num_cores - other.num_cores,
            memory_mib=self.memory_mib - other.memory_mib,
        )

    def times_into(self, other: Resources) -> int:
        """Return how many times it fits into the other, one beside the other."""
        times = 0
        while self.fits_into(other):
            other, times = other - self, times + 1
        return times

    def fits_into(self, other: Resources) -> bool:
        """Tell whether there is as much of everything in the other."""
        return (
            self.num_accelerators <= other.num_accelerators
            and self.num_cores <= other.num_cores
            and self.memory_mib <= other.memory_mib
        )


def resources_of(instance_type: str) -> Resources | None:
    """Return what an instance of a type has, None when this table does not know it."""
    general = _GENERAL.fullmatch(instance_type)
    if general and (num_cores := _num_cores(general[2])):
        return _resources(num_cores, _GIB_PER_CORE[general[1]])
    _, family, size = instance_type.split(".")
    gib_per_core, accelerators = _ACCELERATED.get(family, (0, {}))
    num_cores = _num_cores(size)
    num_accelerators = accelerators.get(num_cores // 4, 0)
    return _resources(num_cores, gib_per_core, num_accelerators) if num_accelerators else None


def _num_cores(size: str) -> int:
    """Return the cores of a size, 0 for a size of another kind."""
    times = size.removesuffix("xlarge")
    return 4 * int(times) if times.isdigit() else _CORES.get(size, 0)


def _resources(num_cores: int, gib_per_core: float, num_accelerators: int = 0) -> Resources:
    memory_mib = num_cores * gib_per_core * _MIB_PER_GIB
    return Resources(num_accelerators=num_accelerators, num_cores=num_cores, memory_mib=memory_mib)
