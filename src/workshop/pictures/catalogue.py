"""Every picture, in the order in which the notebooks show them."""

from __future__ import annotations

from collections.abc import Callable

from workshop.pictures import endpoints, jobs, training, walk
from workshop.pictures.canvas import Canvas

PICTURES: tuple[Callable[[], Canvas], ...] = (
    walk.walk,
    jobs.completion_loss,
    training.qlora,
    training.fsdp,
    training.merge,
    jobs.training_job,
    endpoints.endpoint,
    endpoints.component,
    endpoints.rolling_update,
    endpoints.scale_to_zero,
)
