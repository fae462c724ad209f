"""Every picture, in the order in which the notebooks show them."""

from __future__ import annotations

from collections.abc import Callable

from workshop.pictures import endpoints, engines, jobs, operations, releases, training, walk
from workshop.pictures.canvas import Canvas

PICTURES: tuple[Callable[[], Canvas], ...] = (
    walk.walk,
    jobs.completion_loss,
    training.qlora,
    training.fsdp,
    training.merge,
    jobs.training_job,
    jobs.resume,
    endpoints.endpoint,
    engines.container,
    endpoints.component,
    endpoints.adapter,
    endpoints.rolling_update,
    endpoints.scale_to_zero,
    engines.serving_layers,
    engines.kv_cache,
    engines.batching,
    engines.parallelism,
    operations.evaluation,
    operations.retrieval,
    operations.ladder,
    operations.monitoring,
    releases.fallback,
    releases.canary,
    releases.pipeline,
    releases.own_image,
)
