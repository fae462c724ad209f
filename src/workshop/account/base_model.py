"""The base model: a folder with weights, or one of the hub that this machine may read; who serves it."""

from __future__ import annotations

import json
from pathlib import Path

from workshop.account.checks import Line, fail, ok, warn
from workshop.serving.engines import ENGINES
from workshop.serving.family_rules import unserved_family
from workshop.settings import Settings

_TIMEOUT_S = 10
_FILE = "config.json"


def base_model_lines(settings: Settings) -> list[Line]:
    """Look for the base model, without fetching its weights, and whether the engines serve its family.

    The list of a gated model's files is public and its files are not, so that one of them is asked for.

    Raises:
        WorkshopError: The hub refuses, or does not answer.
    """
    name = settings.base_model
    folder = Path(settings.base_model_location)
    if folder.is_dir():
        if next(folder.glob("*.safetensors"), None) and (folder / _FILE).is_file():
            found = ok("base model", f"{name}, a folder with its weights")
            return [found, *_serving_lines(settings, (folder / _FILE).read_text(encoding="utf-8"))]
        step = "correct base_model in workshop.yaml (make base rebuilds the small one)"
        return [fail("base model", f"no {_FILE} or no *.safetensors in {folder}", step)]
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    from workshop.aws.upload import hub_errors

    url = hf_hub_url(name, _FILE)
    with hub_errors(name):
        get_hf_file_metadata(url, timeout=_TIMEOUT_S)
        answer = get_session().get(url, headers=build_hf_headers(), timeout=_TIMEOUT_S, follow_redirects=True)
        hf_raise_for_status(answer)
    found = ok("base model", f"{name} on the hub, which lets you read it")
    return [found, *_serving_lines(settings, answer.text)]


def _serving_lines(settings: Settings, config: str) -> list[Line]:
    """Say of each engine that does not serve the family so, before the model is trained for it."""
    family = json.loads(config).get("model_type")
    engines = dict.fromkeys((settings.serving_engine, settings.next_serving_engine))
    problems = [unserved_family(ENGINES[engine], family) for engine in engines]
    return [warn("serving", f"{it.found}; expected {it.expected}", it.next_step) for it in problems if it]
