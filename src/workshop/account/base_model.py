"""The base model: a folder with weights, or one of the hub that this machine may read."""

from __future__ import annotations

from pathlib import Path

from workshop.account.checks import Line, fail, ok
from workshop.settings import Settings

_TIMEOUT_S = 10
_FILE = "config.json"


def base_model_line(settings: Settings) -> Line:
    """Look for the base model, without fetching any of it.

    The list of a gated model's files is public and its files are not, so that one of them is asked for.

    Raises:
        WorkshopError: The hub refuses, or does not answer.
    """
    name = settings.base_model
    folder = Path(settings.base_model_location)
    if folder.is_dir():
        if next(folder.glob("*.safetensors"), None) and (folder / _FILE).is_file():
            return ok("base model", f"{name}, a folder with its weights")
        step = "correct base_model in workshop.yaml (make base rebuilds the small one)"
        return fail("base model", f"no {_FILE} or no *.safetensors in {folder}", step)
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    from workshop.aws.upload import hub_errors

    with hub_errors(name):
        get_hf_file_metadata(hf_hub_url(name, _FILE), timeout=_TIMEOUT_S)
    return ok("base model", f"{name} on the hub, which lets you read it")
