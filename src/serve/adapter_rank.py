"""Whether an adapter's rank is one that vLLM would load."""

from __future__ import annotations

import json
from pathlib import Path

from processes.errors import UserError


def check_rank(name: str, folder: Path, max_rank: int | None) -> None:
    """Refuse an adapter of a larger rank; what cannot be read is left to the engine, which says why.

    Args:
        name: The adapter's.
        folder: With adapter_config.json.
        max_rank: The largest one; None for any.

    Raises:
        UserError: It is larger.
    """
    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        rank = max([config["r"], *(config.get("rank_pattern") or {}).values()])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    if max_rank is not None and isinstance(rank, int) and rank > max_rank:
        raise UserError(
            found=f"the adapter {name} of rank {rank}",
            expected=f"at most {max_rank}, the server's max_lora_rank",
            next_step="set OPTION_MAX_LORA_RANK (LMI) or SM_VLLM_MAX_LORA_RANK (vLLM): 8, 16, 32, 64, ...",
        )
