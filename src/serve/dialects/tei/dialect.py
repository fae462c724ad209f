"""Text Embeddings Inference: what the server asks of its dialect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from processes.errors import UserError
from serve.container_paths import ContainerPaths
from serve.dialect import Dialect
from serve.dialects.tei.variables import FAMILIES, TABLE
from serve.served_model import ServedModel
from serve.setting_values import Value, number, switch
from serve.variables import Given

if TYPE_CHECKING:
    from serve.body_fields import Table
    from serve.dialect import ServerApplication
    from serve.settings import ServeSettings

MODEL_ID = "intfloat/multilingual-e5-small"
"""The one model that can be served: a copy of it, in 4 bits, ships in a package."""

MAX_CLIENT_BATCH_SIZE, MAX_CONCURRENT_REQUESTS = 32, 512
"""TEI's own defaults."""


def read(environ: Mapping[str, str], flag: str | None, paths: ContainerPaths) -> Given:
    """Return the model that HF_MODEL_ID names.

    Raises:
        UserError: It is not set: TEI's image on SageMaker ends then.
    """
    model_id = flag or environ.get("HF_MODEL_ID")
    if not model_id:
        raise UserError(
            found="no HF_MODEL_ID",
            expected=f"the model's name: without it TEI's image ends; here it is {MODEL_ID}",
            next_step=f"set HF_MODEL_ID to {MODEL_ID}",
        )
    model = ServedModel(id=model_id, folder=paths.local(model_id), names=(model_id,))
    return Given(environ=environ, model=model)


def prepare(settings: ServeSettings) -> Callable[[], ServerApplication]:
    """Check what is asked for, and return what makes the application.

    Raises:
        UserError: Another model, or a value that is not offered.
    """
    from serve.engines.e5.packaged import packaged_path

    if settings.model.id != MODEL_ID:
        raise UserError(
            found=f"the model {settings.model.id!r}",
            expected=f"{MODEL_ID}: the one embedding model that is on this machine, in a package; TEI's "
            "image on AWS fetches any other from the Hugging Face hub",
            next_step=f"set HF_MODEL_ID to {MODEL_ID}, or try the other model on AWS",
        )
    path, given = packaged_path(), settings.options
    limit = number(Value("MAX_CLIENT_BATCH_SIZE", given.get("max_client_batch_size", "")))
    auto_truncate = switch(Value("AUTO_TRUNCATE", given.get("auto_truncate", "")))

    def application() -> ServerApplication:
        from serve.dialects.tei.metrics import TeiMetrics
        from serve.dialects.tei.routes import TeiRoutes
        from serve.embedding_service import EmbeddingApplication, EmbeddingService

        metrics = TeiMetrics()
        service = EmbeddingService(
            served=settings.model,
            metrics=metrics,
            max_client_batch_size=limit or MAX_CLIENT_BATCH_SIZE,
            max_concurrent_requests=settings.max_concurrent_requests,
            request_timeout_s=settings.request_timeout_s,
            auto_truncate=auto_truncate,
            default_prompt=given.get("default_prompt", ""),
        )
        return EmbeddingApplication(service, TeiRoutes(service, metrics), path)

    return application


def bodies() -> Mapping[str, Table]:
    from serve.dialects.tei.requests import TABLES

    return TABLES


TEI = Dialect(
    name="tei",
    table=TABLE,
    families=FAMILIES,
    read=read,
    prepare=prepare,
    bodies=bodies,
    max_concurrent_requests=MAX_CONCURRENT_REQUESTS,
)
