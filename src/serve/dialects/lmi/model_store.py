"""Which model LMI's image would serve: of /opt/ml/model, HF_MODEL_ID, and the model's file of properties.

Source: djl-serving, serving ModelStore (which models), wlm ModelInfo (serving.properties, OPTION_*, S3),
djl Utils.getNestedModelDir (a folder alone in a folder is the model's).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from processes.errors import UserError
from serve.container_paths import MODEL_DIR, ContainerPaths
from serve.dialects.lmi.properties import read_properties
from serve.dialects.lmi.variables import PREFIX
from serve.s3_download import SCHEME, download
from serve.served_model import ServedModel
from serve.variables import Given, refuse_own_code

PROPERTIES = "serving.properties"
NAME_UNLESS_SERVED = "lmi"
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".mar")
# Code that the image runs, and packages that it installs, where it finds them in the model's folder.
_OWN_CODE = ("model.py", "requirements.txt")
# [NAME:VERSION:ENGINE:DEVICES]=URL; the brackets may be left out, and all before the URL.
_LOAD_MODELS = re.compile(r"(?:\[?(?P<name>[^?:\]=]+)(?P<more>[^?=\]]*)\]?=)?(?P<url>.+)")
# Properties without a prefix that are variables too.
_SERVER_PROPERTIES = (
    *("job_queue_size", "batch_size", "max_batch_delay", "max_idle_time", "load_on_devices"),
    "reserved_memory_mb",
)


@dataclass(frozen=True, kw_only=True)
class StoredModel:
    """A model of DJL Serving's.

    Args:
        name: In its routes.
        path: As the container knows it; or its prefix in S3.
        folder: Where its files are.
    """

    name: str
    path: str
    folder: Path

    @property
    def url(self) -> str:
        return self.path if self.path.startswith(SCHEME) else f"file:{self.path.rstrip('/')}/"


def read(environ: Mapping[str, str], flag: str | None, paths: ContainerPaths) -> Given:
    """Return the model that the image would serve, and its properties beside the variables.

    Raises:
        UserError: There is none, or more than one; it has code of its own; a file or prefix is missing.
    """
    stored, warnings = _stored_model(environ, flag, paths)
    refuse_own_code(stored.folder, _OWN_CODE, "LMI's image")
    merged, origins = _with_properties(environ, stored.folder)
    folder, model_id = stored.folder, flag or environ.get("HF_MODEL_ID") or stored.path
    if chosen := merged.get(f"{PREFIX}MODEL_ID", "").strip():
        origin, model_id = origins.get(f"{PREFIX}MODEL_ID", f"{PREFIX}MODEL_ID"), chosen
        folder = _weights(chosen, stored, merged, paths, origin)
    _check_rolling_batch(merged, origins)
    served = merged.get(f"{PREFIX}SERVED_MODEL_NAME", "")
    model = ServedModel(
        id=model_id,
        folder=folder,
        names=(served or NAME_UNLESS_SERVED,),
        aliases=() if served else (model_id,),
        store_name=stored.name,
        store_url=stored.url,
    )
    adapters = _adapters(merged, stored.folder, folder)
    return Given(environ=merged, model=model, origins=origins, adapters=adapters, warnings=warnings)


def _stored_model(
    environ: Mapping[str, str], flag: str | None, paths: ContainerPaths
) -> tuple[StoredModel, tuple[str, ...]]:
    """Return the one model among those of the folder and of HF_MODEL_ID."""
    if flag:
        return _in_folder(flag, paths), ()
    store = environ.get("SM_MODEL_DIR") or MODEL_DIR
    found = _of_store(environ, store, paths)
    if model_id := environ.get("HF_MODEL_ID"):
        found.append(_of_variable(model_id, environ, paths))
    models = list({(each.name, each.url): each for each in found}.values())
    if len(models) > 1:
        raise UserError(
            found=f"{len(models)} models: " + ", ".join(f"{each.name} ({each.path})" for each in models),
            expected="one: DJL Serving loads every folder of a store that has nothing but folders, and "
            "HF_MODEL_ID beside it, and then answers no /invocations without a model_name",
            next_step=f"leave one in {store} and HF_MODEL_ID out, or set it to the same folder",
        )
    if models:
        return models[0], ()
    if not environ.get(f"{PREFIX}MODEL_ID"):
        raise UserError(
            found=f"nothing in {store}, and no HF_MODEL_ID",
            expected="a model: DJL Serving loads what is there, or what HF_MODEL_ID names",
            next_step=f"give the endpoint's model its files (ModelDataSource), or set HF_MODEL_ID to "
            f"{SCHEME}BUCKET/PREFIX/",
        )
    warning = (
        f"{PREFIX}MODEL_ID alone: DJL Serving applies it to a model in {store}, which is empty, and loads "
        "none; set HF_MODEL_ID in its place on AWS"
    )
    return StoredModel(name="model", path=store, folder=paths.local(store)), (warning,)


def _of_store(environ: Mapping[str, str], store: str, paths: ContainerPaths) -> list[StoredModel]:
    """Return the models of the folder where SageMaker puts the files; SERVING_LOAD_MODELS names others."""
    wanted = environ.get("SERVING_LOAD_MODELS") or "ALL"
    if wanted.upper() == "NONE":
        return []
    if wanted.upper() != "ALL":
        return [_of_list(entry, environ, paths) for entry in re.split(r"[, ]+", wanted.strip())]
    folder = paths.local(store)
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    if not entries:
        return []
    # A store with any file is a model itself; hidden ones count here, as in DJL Serving.
    if any(not _is_model(entry) for entry in entries):
        return [_in_folder(store, paths)]
    for entry in entries:
        _refuse_archive(entry)
    return [
        _in_folder(f"{store.rstrip('/')}/{entry.name}", paths) for entry in entries if any(entry.iterdir())
    ]


def _of_list(entry: str, environ: Mapping[str, str], paths: ContainerPaths) -> StoredModel:
    match = _LOAD_MODELS.fullmatch(entry)
    engine = [*match["more"].split(":"), "", ""][2] if match["more"] else ""
    if engine.lower() not in ("", "python", "mpi"):
        raise UserError(
            found=f"SERVING_LOAD_MODELS = {entry!r}, with the engine {engine}",
            expected="Python or MPI, which LMI has",
            next_step="correct SERVING_LOAD_MODELS",
        )
    model = _of_url(match["url"].removeprefix("file://"), environ, paths, "SERVING_LOAD_MODELS")
    return StoredModel(name=match["name"] or model.name, path=model.path, folder=model.folder)


def _of_variable(model_id: str, environ: Mapping[str, str], paths: ContainerPaths) -> StoredModel:
    return _of_url(model_id, environ, paths, "HF_MODEL_ID")


def _of_url(url: str, environ: Mapping[str, str], paths: ContainerPaths, origin: str) -> StoredModel:
    if url.startswith(SCHEME):
        return StoredModel(name=_name(url), path=url, folder=download(url, environ, paths, origin=origin))
    return _in_folder(url, paths)


def _in_folder(path: str, paths: ContainerPaths) -> StoredModel:
    """Return the model of a folder; where it holds one folder and no file, that is the model's."""
    folder = paths.local(path)
    inside = [each for each in folder.iterdir() if not each.name.startswith(".")] if folder.is_dir() else []
    if len(inside) == 1 and inside[0].is_dir():
        path, folder = f"{path.rstrip('/')}/{inside[0].name}", inside[0]
    return StoredModel(name=_name(path), path=path, folder=folder)


def _name(path: str) -> str:
    """Return what DJL Serving calls the model of an address: its last part, in letters, digits and _."""
    return re.sub(r"\W", "_", PurePosixPath(path.rstrip("/")).name) or "model"


def _is_model(entry: Path) -> bool:
    return not entry.name.startswith(".") and (entry.is_dir() or entry.name.endswith(_ARCHIVES))


def _refuse_archive(entry: Path) -> None:
    if entry.is_file():
        raise UserError(
            found=f"{entry.name} in the model's folder, an archive that DJL Serving unpacks",
            expected="its files",
            next_step="put its files into model.tar.gz, or under the prefix, as they are",
        )


def _with_properties(environ: Mapping[str, str], folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return the variables with those that serving.properties sets, which count first, and their origins."""
    merged, origins = _normalized(environ), {}
    file = folder / PROPERTIES
    for name, value in read_properties(file).items() if file.is_file() else ():
        if name.startswith("option."):
            variable = PREFIX + _option(name.removeprefix("option."))
        elif name == "engine":
            variable = f"{PREFIX}ENGINE"
        else:
            variable = f"SERVING_{name.upper()}" if name in _SERVER_PROPERTIES else name
        merged[variable], origins[variable] = value, f"{name} ({PROPERTIES})"
    # Of SageMaker's own containers; it counts before both.
    if timeout_s := environ.get("SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS"):
        merged[f"{PREFIX}PREDICT_TIMEOUT"] = timeout_s
        origins[f"{PREFIX}PREDICT_TIMEOUT"] = "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS"
    return merged, origins


def _normalized(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with OPTION_name as OPTION_NAME: both are option.name."""
    return {
        PREFIX + _option(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else name: value
        for name, value in environ.items()
    }


def _option(name: str) -> str:
    """Return an option's name as the table has it: "quantization" and "max_num_seqs" are vLLM's names."""
    return name.upper()


def _weights(
    model_id: str, stored: StoredModel, environ: Mapping[str, str], paths: ContainerPaths, origin: str
) -> Path:
    """Return the folder that option.model_id names: in S3, absolute, or beside serving.properties."""
    if model_id.startswith(SCHEME):
        return download(model_id, environ, paths, origin=origin)
    return stored.folder / paths.local(model_id)


def _adapters(environ: Mapping[str, str], *folders: Path) -> dict[str, Path]:
    """Return what lies in adapters/ of the model's folders, which DJL Serving registers with enable_lora."""
    if environ.get(f"{PREFIX}ENABLE_LORA", "").lower() != "true":
        return {}
    found = (path for folder in folders for path in sorted(folder.glob("adapters/*")) if path.is_dir())
    return {path.name: path for path in found}


def _check_rolling_batch(environ: Mapping[str, str], origins: Mapping[str, str]) -> None:
    name = f"{PREFIX}ROLLING_BATCH"
    value = environ.get(name, "").lower()
    is_async = environ.get(f"{PREFIX}ASYNC_MODE", "").lower() == "true"
    if value in ("", "auto", "vllm", "lmi-dist") or (value == "disable" and is_async):
        return
    raise UserError(
        found=f"{origins.get(name, name)} = {value!r}",
        expected="auto, vllm, or lmi-dist, which is vllm; disable together with async_mode = true: other "
        "backends answer otherwise",
        next_step=f"correct {origins.get(name, name)}, or leave it out",
    )
