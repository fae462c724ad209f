"""Say whether a training fits on a GPU, before it is started. Needs no GPU and no torch.

    python src/train/estimate_memory.py --config llama3-8b-qlora-g5-4xlarge.yaml --model MODEL_DIR \\
        --num_gpus 1 --gpu_memory_gib 22.5

MODEL_DIR is a folder with a config.json, or such a file. Exit status 0: it fits; 1: it does not, and the last
lines say what to lower; 2: something to correct. `--key value` of the recipe's keys win over the recipe.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

DOES_NOT_FIT = 1
GIB = 1024  # MiB


def main(argv: list[str]) -> int:
    """Print the estimate, as a table or as JSON."""
    from tuning.errors import UserError, exit_with

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True, help="recipe: a file, or a name in src/train/recipes")
    parser.add_argument(
        "--model", type=Path, required=True, help="folder of the base model, or its config.json"
    )
    parser.add_argument("--num_gpus", type=int, required=True, help="of all machines together")
    parser.add_argument(
        "--gpu_memory_gib", type=float, required=True, help="of one GPU, as nvidia-smi shows it"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options, others = parser.parse_known_args(argv)
    try:
        result = estimated(options, others)
    except UserError as error:
        exit_with(error)
    print(json.dumps(result) if options.json else table(result))
    return 0 if result["fits"] else DOES_NOT_FIT


def estimated(options: argparse.Namespace, others: list[str]) -> dict[str, Any]:
    """Return the estimate, whether it fits, and what to lower.

    Raises:
        UserError: No recipe of that name, an unknown key, or a model without a usable config.json.
    """
    import yaml

    from tuning.arguments import check, read_recipe
    from tuning.errors import UserError
    from tuning.memory_model import Load, Shape, estimate, ways_to_save

    check(["--config", options.config, *others])
    given = {key.removeprefix("--"): value for key, value in zip(others[::2], others[1::2], strict=False)}
    recipe = read_recipe(options.config) | {key: yaml.safe_load(value) for key, value in given.items()}
    try:
        shape = Shape.of_model(options.model)
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise UserError(
            found=f"{options.model}: {type(problem).__name__} {problem}",
            expected="the folder of a decoder model, with its config.json",
            next_step="name the base model's folder with --model",
        ) from None
    load = Load.of_recipe(recipe, num_gpus=options.num_gpus)
    memory = estimate(shape, load)
    return {
        "terms_mib": {name: round(value, 1) for name, value in asdict(memory).items()},
        "total_gib": round(memory.total / GIB, 2),
        "gpu_memory_gib": options.gpu_memory_gib,
        "num_tokens": load.rows * load.tokens,
        "fits": memory.total / GIB <= options.gpu_memory_gib,
        "ways_to_save": [(text, round(mib / GIB, 2)) for text, mib in ways_to_save(shape, load)],
    }


def table(result: dict[str, Any]) -> str:
    """Return the estimate as lines for a person."""
    lines = [f"{name:<12} {mib / GIB:7.2f} GiB" for name, mib in result["terms_mib"].items()]
    verdict = "fits" if result["fits"] else "does not fit"
    lines.append(
        f"{'total':<12} {result['total_gib']:7.2f} GiB of {result['gpu_memory_gib']:g} on each GPU, for"
        f" {result['num_tokens']:,} tokens at once: {verdict}"
    )
    if not result["fits"]:
        lines += [f"saves {gib:7.2f} GiB: {text}" for text, gib in result["ways_to_save"]]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
