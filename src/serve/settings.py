"""Settings of the server: the container's environment variables, and flags of the same meaning that win."""

from __future__ import annotations

import argparse
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from processes.errors import UserError
from serve import container_paths
from serve.container_paths import ContainerPaths
from serve.dialect import Dialect
from serve.dialects.registry import DIALECTS
from serve.served_model import ServedModel
from serve.setting_names import (
    DTYPE_ALIASES,
    DTYPES,
    ENGINES,
    HELP,
    MAX_BATCH_SIZE,
    MAX_LORA_RANK,
    MIN_INT8_AGREEMENT_PERCENT,
    OPTIONS,
    OWN,
    QUANTIZATIONS,
    REQUEST_TIMEOUT_S,
    VARIABLES,
)
from serve.setting_values import Value, adapters_of, choice, number, switch, wrong
from serve.variables import Given, check


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """Hold what the server was asked for; None where the model decides (see `token_limits`).

    Args:
        model: What is served.
        max_lora_rank: Of an adapter, where the dialect has a limit.
        options: Of the dialect: name -> text, for those that are given.
        paths: The container's.
        host: Address to listen on.
        port: 0 to 65535; 0 takes a free one.
        max_input_tokens: Longest prompt.
        max_total_tokens: Longest prompt and answer together.
        max_concurrent_requests: Requests that run or wait before the server answers 429.
        max_batch_size: Generations that share a step of the model.
        request_timeout_s: A request that takes longer ends with an error.
        dtype: Of the weights; "auto" is the one they are stored in.
        dialect: Whose routes and bodies the server speaks: a name of DIALECTS.
        engine: What generates: "transformers" or "ctranslate2".
        quantize: Of the weights: "none" or "int8".
        cache_dir: Where ctranslate2 keeps converted models.
        min_int8_agreement_percent: Of the original's tokens an int8 copy has to choose so many: 1 to 100.
        adapters: Name -> folder of a LoRA adapter that a request may choose.
        runtime_adapters: More of them may be loaded while it serves.
    """

    model: ServedModel
    host: str
    port: int
    max_input_tokens: int | None
    max_total_tokens: int | None
    max_concurrent_requests: int
    max_batch_size: int
    request_timeout_s: int
    dtype: str
    dialect: str
    engine: str
    quantize: str
    cache_dir: Path
    min_int8_agreement_percent: int
    adapters: Mapping[str, Path]
    runtime_adapters: bool = False
    max_lora_rank: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    paths: ContainerPaths = field(default_factory=ContainerPaths)

    @property
    def model_dir(self) -> Path:
        return self.model.folder


def read_settings(argv: Sequence[str], environ: Mapping[str, str] | None = None) -> ServeSettings:
    """Read flags and environment variables.

    Args:
        argv: Arguments without the program's name; a leading "serve" is SageMaker's `docker run IMAGE serve`.
        environ: Variables; os.environ when None.

    Raises:
        UserError: A value is not a number or not a possible one.
        SystemExit: --help, or an unknown flag (status 2).
    """
    flags = _parser().parse_args(argv)
    dialect, given, paths = _given(flags, os.environ if environ is None else environ)
    values = {name: _value(name, getattr(flags, name), given) for name in VARIABLES}
    dtype = values["dtype"]
    values["dtype"] = Value(dtype.origin, DTYPE_ALIASES.get(dtype.text, dtype.text))
    chosen = {
        name: choice(values[name], known)
        for name, known in (("engine", ENGINES), ("quantize", QUANTIZATIONS), ("dtype", DTYPES))
    }
    named = {name: paths.local(folder) for name, folder in adapters_of(values["adapters"]).items()}
    adapters = {**given.adapters, **named}
    _check_engine(values, chosen, adapters)
    port = number(values["port"], lowest=0)
    if port is not None and port > 65535:
        raise wrong(values["port"], "a port: 0 to 65535")
    agreement = number(values["min_int8_agreement_percent"])
    if agreement is not None and agreement > 100:
        raise wrong(values["min_int8_agreement_percent"], "a share in percent: 1 to 100")
    max_input_tokens = number(values["max_input_tokens"])
    prefill = number(values["max_batch_prefill_tokens"])
    if prefill is not None and max_input_tokens is not None and prefill < max_input_tokens:
        origin = values["max_input_tokens"].origin
        raise wrong(values["max_batch_prefill_tokens"], f"at least {origin} = {max_input_tokens}")
    return ServeSettings(
        dialect=dialect.name,
        model=given.model,
        options=_options(dialect, given),
        max_lora_rank=_max_lora_rank(dialect, given),
        paths=paths,
        host=values["host"].text or "0.0.0.0",
        port=8080 if port is None else port,
        max_input_tokens=max_input_tokens,
        max_total_tokens=number(values["max_total_tokens"]),
        max_concurrent_requests=number(values["max_concurrent_requests"]) or dialect.max_concurrent_requests,
        max_batch_size=number(values["max_batch_size"]) or MAX_BATCH_SIZE,
        request_timeout_s=number(values["request_timeout_s"]) or REQUEST_TIMEOUT_S,
        cache_dir=paths.local(values["cache_dir"].text or str(_user_cache_dir(given.environ))),
        min_int8_agreement_percent=agreement or MIN_INT8_AGREEMENT_PERCENT,
        adapters=adapters,
        runtime_adapters=switch(values["runtime_adapters"]),
        **chosen,
    )


def _given(flags: argparse.Namespace, environ: Mapping[str, str]) -> tuple[Dialect, Given, ContainerPaths]:
    """Return the dialect, what it makes of the variables, and the container's paths.

    Raises:
        UserError: A variable is refused, or there is no model.
    """
    paths = ContainerPaths(environ.get(container_paths.VARIABLE, ""))
    environ = {name: paths.shown(text) for name, text in environ.items() if not _is_own_name(name, text)}
    chosen = flags.dialect if flags.dialect is not None else environ.get("SERVE_DIALECT", "")
    origin = "SERVE_DIALECT" if flags.dialect is None else "--dialect"
    dialect = DIALECTS[choice(Value(origin, chosen), tuple(DIALECTS))]
    given = dialect.read(environ, flags.model, paths)
    table = (*OWN, *dialect.table)
    check(table, dialect.families, given, {name for names in VARIABLES.values() for name in names})
    known = {variable.name for variable in table} | {"XDG_CACHE_HOME"}
    read = {name: text for name, text in given.environ.items() if name in known}
    return dialect, replace(given, environ=read), paths


def _is_own_name(variable: str, text: str) -> bool:
    """Tell whether Docker has set a variable, which it does in every container, and nobody else."""
    return variable == "HOSTNAME" and text == socket.gethostname()


def _check_engine(
    values: Mapping[str, Value], chosen: Mapping[str, str], adapters: Mapping[str, Path]
) -> None:
    if chosen["quantize"] != "none" and chosen["engine"] != "ctranslate2":
        raise wrong(values["quantize"], "none, or the engine ctranslate2 (SERVE_ENGINE) on a CPU")
    if adapters and chosen["engine"] == "ctranslate2":
        raise wrong(values["adapters"], "none with the engine ctranslate2, which has no LoRA adapters")


def token_limits(settings: ServeSettings, max_positions: int) -> tuple[int, int]:
    """Return the longest prompt and the longest prompt and answer together, in tokens.

    Args:
        settings: What was asked for.
        max_positions: The model's max_position_embeddings.

    Raises:
        UserError: The limits contradict each other or the model.
    """
    names = DIALECTS[settings.dialect].variables
    (of_total, *_), (of_input, *_) = names["max_total_tokens"], names.get("max_input_tokens", ["the prompt"])
    total = max_positions if settings.max_total_tokens is None else settings.max_total_tokens
    if total > max_positions:
        raise UserError(
            found=f"{of_total} = {total}",
            expected=f"at most {max_positions}, the model's max_position_embeddings",
            next_step=f"set {of_total} to {max_positions} or less, or leave it out",
        )
    max_input = total - 1 if settings.max_input_tokens is None else settings.max_input_tokens
    if not 0 < max_input < total:
        raise UserError(
            found=f"{of_input} = {max_input} and {of_total} = {total}",
            expected=f"room for an answer: {of_input} less than {of_total}",
            next_step=f"lower {of_input}, or raise {of_total}",
        )
    return max_input, total


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m serve",
        description="Serve a model folder on a CPU, as a container does. Each flag has a variable.",
        allow_abbrev=False,
    )
    parser.add_argument("command", nargs="?", choices=["serve"], help="may be left out")
    for name, variables in VARIABLES.items():
        # Everything is text here, so that flags and variables are checked by the same code.
        parser.add_argument(
            "--" + name.replace("_", "-"), metavar=variables[0], help=HELP[name], default=None
        )
    return parser


def _value(name: str, flag: str | None, given: Given) -> Value:
    """Return what a flag says, else the first of its variables that is given."""
    if flag is not None:
        return Value("--" + name.replace("_", "-"), flag)
    for variable in VARIABLES[name]:
        if given.environ.get(variable):
            return Value(given.origins.get(variable, variable), given.environ[variable])
    return Value(VARIABLES[name][0], "")


def _options(dialect: Dialect, given: Given) -> dict[str, str]:
    """Return the dialect's options that are given."""
    found = {
        name: [given.environ[each] for each in dialect.variables.get(name, ()) if given.environ.get(each)]
        for name in OPTIONS
    }
    return {name: texts[0] for name, texts in found.items() if texts}


def _max_lora_rank(dialect: Dialect, given: Given) -> int | None:
    """Return the largest rank of an adapter; None where the dialect has no such limit."""
    for name in dialect.variables.get("max_lora_rank", ()):
        value = Value(given.origins.get(name, name), given.environ.get(name, ""))
        return number(value) or MAX_LORA_RANK
    return None


def _user_cache_dir(environ: Mapping[str, str]) -> Path:
    """Return the user's cache folder for this server.

    Source: XDG Base Directory Specification 0.8.
    """
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "serve"
