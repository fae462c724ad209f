"""Load the engine that the settings name; its heavy libraries are imported here and not before."""

from __future__ import annotations

import os
import sys

from processes.errors import UserError
from serve.engine import Engine
from serve.model_folder import ModelFolder
from serve.settings import ServeSettings

# transformers and PEFT import these where they find them; generating on a CPU needs none. A module that is
# None counts as not installed. Measured: ready 0.9 s earlier, 47 MB less memory; the first adapter 0.9 s and
# 44 MB, since torch's compiler comes with bitsandbytes.
UNNEEDED_PACKAGES = ("accelerate", "scipy", "bitsandbytes")


def load_engine(settings: ServeSettings, model: ModelFolder) -> Engine:
    """Return the engine, ready to generate.

    Raises:
        UserError: The model cannot be loaded, or not by this engine.
    """
    # The server's own process never asks the hub: what it serves is in the folder.
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")
    try:
        if settings.engine == "ctranslate2":
            from serve.engines.ctranslate2 import CTranslate2Engine

            return CTranslate2Engine(
                model, quantize=settings.quantize, cache_dir=settings.cache_dir,
                max_batch_size=settings.max_batch_size,
                min_int8_agreement_percent=settings.min_int8_agreement_percent,
            )  # fmt: skip
        hide_unneeded_packages()
        from serve.engines.transformers import TransformersEngine

        return TransformersEngine(
            model.path, model.codec, dtype=settings.dtype, max_batch_size=settings.max_batch_size,
            adapters=settings.adapters,
        )  # fmt: skip
    except UserError:
        raise
    except Exception as error:  # whatever a damaged folder makes the libraries raise
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            found=f"a model in {model.path} that cannot be loaded: {type(error).__name__}: {reason}",
            expected="a causal language model that transformers can load",
            next_step="write or download the model again",
        ) from error


def hide_unneeded_packages() -> None:
    """Keep libraries from importing packages that generating on a CPU does not need."""
    for package in UNNEEDED_PACKAGES:
        sys.modules.setdefault(package, None)
