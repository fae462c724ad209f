"""Text Generation Inference: what the server asks of its dialect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from processes.errors import UserError
from serve.container_paths import MODEL_DIR, ContainerPaths
from serve.dialect import Dialect, Routes
from serve.dialects.tgi.variables import FAMILIES, TABLE
from serve.served_model import ServedModel
from serve.variables import Given

if TYPE_CHECKING:
    from serve.body_fields import Table
    from serve.metrics import RequestMetrics
    from serve.service import Service

# What requests may call the model too; huggingface_hub sends "dummy" to an address.
ALIASES = ("tgi", "dummy")
# SageMaker sets it in every container that serves.
_IN_SAGEMAKER = "SAGEMAKER_BIND_TO_PORT"


def read(environ: Mapping[str, str], flag: str | None, paths: ContainerPaths) -> Given:
    """Return the model that HF_MODEL_ID names.

    Raises:
        UserError: In a container of SageMaker it is not set: TGI's image ends then; or both names of the
            longest prompt are set, which its launcher refuses.
    """
    model_id = flag or environ.get("HF_MODEL_ID") or environ.get("SM_MODEL_DIR") or MODEL_DIR
    if not flag and not environ.get("HF_MODEL_ID") and _IN_SAGEMAKER in environ:
        raise UserError(
            found="no HF_MODEL_ID",
            expected="the model's folder: without it TGI's image ends with `HF_MODEL_ID must be set`",
            next_step=f"set HF_MODEL_ID to {MODEL_DIR}, where the files of ModelDataSource are",
        )
    if environ.get("MAX_INPUT_TOKENS") and environ.get("MAX_INPUT_LENGTH"):
        raise UserError(
            found="MAX_INPUT_TOKENS and MAX_INPUT_LENGTH",
            expected="one of them: TGI's launcher refuses both together",
            next_step="remove MAX_INPUT_LENGTH, the older name",
        )
    model = ServedModel(id=model_id, folder=paths.local(model_id), names=(model_id,), aliases=ALIASES)
    return Given(environ=environ, model=model)


def make_routes(service: Service) -> Routes:
    from serve.dialects.tgi.routes import TgiRoutes

    return TgiRoutes(service)


def make_metrics(service: Service) -> RequestMetrics:
    from serve.dialects.tgi.metrics import TgiMetrics

    return TgiMetrics(service.capacity, max_input=service.max_input, max_total=service.max_total)


def bodies() -> Mapping[str, Table]:
    from serve.dialects.tgi.requests import TABLES

    return TABLES


TGI = Dialect(
    name="tgi",
    table=TABLE,
    families=FAMILIES,
    read=read,
    routes=make_routes,
    metrics=make_metrics,
    bodies=bodies,
)
