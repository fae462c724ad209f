"""Every picture, in the order in which the notebooks show them."""

from __future__ import annotations

from collections.abc import Callable

from workshop.pictures import training, walk
from workshop.pictures.canvas import Canvas

PICTURES: tuple[Callable[[], Canvas], ...] = (
    walk.walk,
    training.qlora,
    training.fsdp,
    training.merge,
)
