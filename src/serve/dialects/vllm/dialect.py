"""vLLM: what the server asks of its dialect."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from processes.errors import UserError
from serve.container_paths import MODEL_DIR, ContainerPaths
from serve.dialect import Dialect, Routes
from serve.dialects.vllm.variables import FAMILIES, PREFIX, TABLE
from serve.s3_download import SCHEME, download
from serve.served_model import ServedModel
from serve.variables import Given, refuse_own_code

if TYPE_CHECKING:
    from serve.body_fields import Table
    from serve.metrics import RequestMetrics
    from serve.service import Service

# What the image runs, or installs, where it finds it beside the model.
_OWN_CODE = ("model.py", "requirements.txt")
_MODEL_VARIABLES = ("SM_VLLM_MODEL", "SM_SGLANG_MODEL_PATH")
_NAME_VARIABLES = ("SM_VLLM_SERVED_MODEL_NAME", "SM_SGLANG_SERVED_MODEL_NAME")


def read(environ: Mapping[str, str], flag: str | None, paths: ContainerPaths) -> Given:
    """Return the model that the image's entrypoint would serve.

    SM_VLLM_MODEL counts before a model in /opt/ml/model, and that before HF_MODEL_ID.

    Raises:
        UserError: Code beside the model, adapters that vLLM would not load, or nothing in S3.
    """
    environ = _without_negations(environ)
    store = environ.get("SM_MODEL_DIR") or MODEL_DIR
    origin = next((name for name in _MODEL_VARIABLES if environ.get(name)), None)
    if flag is None and origin is None and not _is_filled(paths.local(store)):
        origin = "HF_MODEL_ID" if environ.get("HF_MODEL_ID") else None
    model_id = flag or environ.get(origin or "") or store
    refuse_own_code(paths.local(store), _OWN_CODE, "vLLM's image")
    if environ.get("SM_VLLM_LORA_MODULES") and environ.get("SM_VLLM_ENABLE_LORA", "").lower() != "true":
        raise UserError(
            found="SM_VLLM_LORA_MODULES without SM_VLLM_ENABLE_LORA",
            expected="both: vLLM ends when it is to load an adapter and is not prepared for any",
            next_step="set SM_VLLM_ENABLE_LORA to true",
        )
    if model_id.startswith(SCHEME):
        folder = download(model_id, environ, paths, origin=origin or "--model")
    else:
        folder = paths.local(model_id)
    model = ServedModel(
        id=model_id,
        folder=folder,
        names=_served_names(environ) or (model_id,),
    )
    return Given(environ=environ, model=model)


def _without_negations(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with SM_VLLM_NO_NAME, which becomes --no-name, as the name that is false."""
    known, found = {variable.name for variable in TABLE}, dict(environ)
    for name, text in environ.items():
        positive = PREFIX + name.removeprefix(f"{PREFIX}NO_")
        if name.startswith(f"{PREFIX}NO_") and name not in known and positive in known:
            del found[name]
            found[positive] = "false" if text.lower() == "true" else found.get(positive, "")
    return found


def _served_names(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the model: the image makes several of a JSON array, and one of any other text."""
    text = next((environ[name] for name in _NAME_VARIABLES if environ.get(name)), "")
    if text.strip().startswith("["):
        try:
            names = json.loads(text)
        except ValueError:
            return (text,)
        return tuple(str(name) for name in names)
    return (text,) if text else ()


def _is_filled(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def make_routes(service: Service) -> Routes:
    from serve.dialects.vllm.routes import VllmRoutes

    return VllmRoutes(service)


def make_metrics(service: Service) -> RequestMetrics:
    from serve.dialects.vllm.metrics import VllmMetrics

    return VllmMetrics(service.capacity, model_name=service.served.name)


def bodies() -> Mapping[str, Table]:
    from serve.dialects.vllm.requests import TABLES

    return TABLES


VLLM = Dialect(
    name="vllm",
    table=TABLE,
    families=FAMILIES,
    read=read,
    routes=make_routes,
    metrics=make_metrics,
    bodies=bodies,
)
