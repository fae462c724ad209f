"""Settings of the server: the container's environment variables, and flags of the same meaning that win."""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from processes.errors import UserError
from serve import container_paths
from serve.container_paths import ContainerPaths
from serve.dialects.registry import DIALECTS, variables_of
from serve.served_model import ServedModel
from serve.variables import Variable, check, done, without

DTYPES = ("float32", "bfloat16", "float16", "auto")
# LMI's and vLLM's other words for them.
DTYPE_ALIASES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16", "half": "float16"}
ENGINES = ("transformers", "ctranslate2")
QUANTIZATIONS = ("none", "int8")
# TGI's own default.
MAX_CONCURRENT_REQUESTS = 128
# Several generations share a step of the model; more wait.
MAX_BATCH_SIZE = 32
# Share of the original's tokens that an int8 copy has to choose itself.
MIN_INT8_AGREEMENT_PERCENT = 90
# vLLM's, and so LMI's.
MAX_LORA_RANK = 16
# SageMaker waits 60 s for an answer: nobody reads what comes later.
REQUEST_TIMEOUT_S = 60
# The server's own variables, in every dialect.
OWN: tuple[Variable, ...] = (
    *done("model", "SM_MODEL_DIR", says="the model's folder where nothing else names one"),
    *done("host", "HOST", says="address to listen on"),
    *done("port", "PORT", says="0 takes a free one"),
    *done("dialect", "SERVE_DIALECT", says="whose routes and bodies to speak"),
    *done("engine", "SERVE_ENGINE", says="what generates"),
    *done("cache_dir", "SERVE_CACHE_DIR", says="where ctranslate2 keeps converted models"),
    *done("min_int8_agreement_percent", "SERVE_MIN_INT8_AGREEMENT_PERCENT", says="of an int8 copy"),
    *done("max_concurrent_requests", "SERVE_MAX_CONCURRENT_REQUESTS", says="more are answered with 429"),
    *done(
        "request_timeout_s", "SERVE_REQUEST_TIMEOUT_S", says="a request that takes longer ends with an error"
    ),
    *done(
        "paths", container_paths.VARIABLE, says="the folder that is /opt/ml, in a container without a mount"
    ),
    *done("threads", "OMP_NUM_THREADS", says="of one multiplication; 1 unless it is set"),
    *done("download", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", says="the S3 that has a model"),
    *without("the sandbox reads it: the server starts alone", "SERVE_PRELOADED"),
    *without(
        "no image of a serving engine reads it",
        *("SAGEMAKER_PROGRAM", "SAGEMAKER_SUBMIT_DIRECTORY", "SAGEMAKER_REGION", "SAGEMAKER_ENV"),
        *("SAGEMAKER_CONTAINER_LOG_LEVEL", "SAGEMAKER_MODEL_SERVER_WORKERS", "MODEL_CACHE_ROOT"),
        *("SAGEMAKER_MODEL_SERVER_TIMEOUT", "SAGEMAKER_SERVE_SECRET_KEY"),
    ),
)
# Flag -> variables that mean the same; of those that the dialect reads the first that is set counts.
VARIABLES = {
    name: (
        *variables_of(name),
        *(variable.name for variable in OWN if variable.setting == name),
    )
    for name in (
        *(
            "model",
            "host",
            "port",
            "dialect",
            "engine",
            "quantize",
            "cache_dir",
            "min_int8_agreement_percent",
        ),
        *("adapters", "runtime_adapters", "max_input_tokens", "max_total_tokens", "max_concurrent_requests"),
        *("max_batch_size", "max_batch_prefill_tokens", "request_timeout_s", "dtype"),
    )
}
# Of one dialect, without a flag.
OPTIONS = (
    *("served_model_name", "generation_config", "override_generation_config", "chat_template"),
    *("max_lora_rank", "output_formatter", "tgi_compat", "rolling_batch", "async_mode", "load_models"),
    "download_dir",
)
HELP = {
    "model": "folder of the model ($SM_MODEL_DIR, /opt/ml/model)",
    "host": "address to listen on (0.0.0.0)",
    "port": "0 takes a free one (8080)",
    "dialect": f"whose routes and bodies to speak: {', '.join(DIALECTS)} (tgi)",
    "engine": f"what generates: {', '.join(ENGINES)} (transformers)",
    "quantize": f"of the weights: {', '.join(QUANTIZATIONS)}; int8 with the engine ctranslate2 (none)",
    "cache_dir": "where ctranslate2 keeps converted models ($XDG_CACHE_HOME/serve, ~/.cache/serve)",
    "min_int8_agreement_percent": "the share of the original's tokens that an int8 copy has to choose "
    f"({MIN_INT8_AGREEMENT_PERCENT}); less only to measure one",
    "adapters": "LoRA adapters beside the model: NAME=FOLDER,NAME=FOLDER",
    "runtime_adapters": "true: adapters may be loaded while it serves, with POST /adapters "
    f"({', '.join(name for name, dialect in DIALECTS.items() if 'runtime_adapters' in dialect.variables)})",
    "max_input_tokens": "longest prompt (one less than the total)",
    "max_total_tokens": "prompt and answer together (the model's max_position_embeddings)",
    "max_concurrent_requests": f"more are answered with 429 ({MAX_CONCURRENT_REQUESTS})",
    "max_batch_size": f"generations that share a step of the model; more wait ({MAX_BATCH_SIZE})",
    "max_batch_prefill_tokens": "at least max_input_tokens; prompts are read in parts",
    "request_timeout_s": f"a request that takes longer ends with an error ({REQUEST_TIMEOUT_S})",
    "dtype": f"of the weights: {', '.join(DTYPES)} (float32)",
}


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
    environ = os.environ if environ is None else environ
    flags = _parser().parse_args(argv)
    paths = ContainerPaths(environ.get(container_paths.VARIABLE, ""))
    environ = {name: paths.shown(text) for name, text in environ.items()}
    dialect = DIALECTS[_choice(_value("dialect", flags.dialect, environ, {}), tuple(DIALECTS))]
    given = dialect.read(environ, flags.model, paths)
    table = (*OWN, *dialect.table)
    check(table, dialect.families, given, {name for names in VARIABLES.values() for name in names})
    known = {variable.name for variable in table}
    environ = {name: text for name, text in given.environ.items() if name in known}
    values = {name: _value(name, getattr(flags, name), environ, given.origins) for name in VARIABLES}
    dtype = values["dtype"]
    values["dtype"] = _Value(dtype.origin, DTYPE_ALIASES.get(dtype.text, dtype.text))
    chosen = {
        name: _choice(values[name], known)
        for name, known in (
            ("dialect", tuple(DIALECTS)),
            ("engine", ENGINES),
            ("quantize", QUANTIZATIONS),
            ("dtype", DTYPES),
        )
    }
    if chosen["quantize"] != "none" and chosen["engine"] != "ctranslate2":
        raise _wrong(values["quantize"], "none, or the engine ctranslate2 (SERVE_ENGINE) on a CPU")
    adapters = {name: paths.local(folder) for name, folder in _adapters(values["adapters"]).items()}
    if adapters and chosen["engine"] == "ctranslate2":
        raise _wrong(values["adapters"], "none with the engine ctranslate2, which has no LoRA adapters")
    port = _number(values["port"], lowest=0)
    if port is not None and port > 65535:
        raise _wrong(values["port"], "a port: 0 to 65535")
    agreement = _number(values["min_int8_agreement_percent"])
    if agreement is not None and agreement > 100:
        raise _wrong(values["min_int8_agreement_percent"], "a share in percent: 1 to 100")
    max_input_tokens = _number(values["max_input_tokens"])
    prefill = _number(values["max_batch_prefill_tokens"])
    if prefill is not None and max_input_tokens is not None and prefill < max_input_tokens:
        origin = values["max_input_tokens"].origin
        raise _wrong(values["max_batch_prefill_tokens"], f"at least {origin} = {max_input_tokens}")
    options = _options(dialect.variables, environ)
    return ServeSettings(
        model=given.model,
        options=options,
        max_lora_rank=_max_lora_rank(dialect.variables, options),
        paths=paths,
        host=values["host"].text or "0.0.0.0",
        port=8080 if port is None else port,
        max_input_tokens=max_input_tokens,
        max_total_tokens=_number(values["max_total_tokens"]),
        max_concurrent_requests=_number(values["max_concurrent_requests"]) or MAX_CONCURRENT_REQUESTS,
        max_batch_size=_number(values["max_batch_size"]) or MAX_BATCH_SIZE,
        request_timeout_s=_number(values["request_timeout_s"]) or REQUEST_TIMEOUT_S,
        cache_dir=paths.local(values["cache_dir"].text or str(_user_cache_dir(given.environ))),
        min_int8_agreement_percent=agreement or MIN_INT8_AGREEMENT_PERCENT,
        adapters=adapters,
        runtime_adapters=_switch(values["runtime_adapters"]),
        **chosen,
    )


def token_limits(settings: ServeSettings, max_positions: int) -> tuple[int, int]:
    """Return the longest prompt and the longest prompt and answer together, in tokens.

    Args:
        settings: What was asked for.
        max_positions: The model's max_position_embeddings.

    Raises:
        UserError: The limits contradict each other or the model.
    """
    total = max_positions if settings.max_total_tokens is None else settings.max_total_tokens
    if total > max_positions:
        raise UserError(
            found=f"MAX_TOTAL_TOKENS = {total}",
            expected=f"at most {max_positions}, the model's max_position_embeddings",
            next_step=f"set MAX_TOTAL_TOKENS to {max_positions} or less, or leave it out",
        )
    max_input = total - 1 if settings.max_input_tokens is None else settings.max_input_tokens
    if not 0 < max_input < total:
        raise UserError(
            found=f"MAX_INPUT_TOKENS = {max_input} and MAX_TOTAL_TOKENS = {total}",
            expected="room for an answer: MAX_INPUT_TOKENS less than MAX_TOTAL_TOKENS",
            next_step="lower MAX_INPUT_TOKENS, or raise MAX_TOTAL_TOKENS",
        )
    return max_input, total


@dataclass(frozen=True)
class _Value:
    origin: str
    text: str


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


def _value(name: str, flag: str | None, environ: Mapping[str, str], origins: Mapping[str, str]) -> _Value:
    if flag is not None:
        return _Value("--" + name.replace("_", "-"), flag)
    for variable in VARIABLES[name]:
        if environ.get(variable):
            return _Value(origins.get(variable, variable), environ[variable])
    return _Value(VARIABLES[name][0], "")


def _options(variables: Mapping[str, tuple[str, ...]], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the dialect's options that are given."""
    found = {
        name: [environ[each] for each in variables.get(name, ()) if environ.get(each)] for name in OPTIONS
    }
    return {name: texts[0] for name, texts in found.items() if texts}


def _max_lora_rank(variables: Mapping[str, tuple[str, ...]], options: Mapping[str, str]) -> int | None:
    """Return the largest rank of an adapter; None where the dialect has no such limit."""
    names = variables.get("max_lora_rank")
    if names is None:
        return None
    return _number(_Value(names[0], options.get("max_lora_rank", ""))) or MAX_LORA_RANK


def _choice(value: _Value, known: tuple[str, ...]) -> str:
    """Return one of the known words; the first where none is given."""
    if value.text and value.text not in known:
        raise _wrong(value, f"one of {', '.join(known)}")
    return value.text or known[0]


def _switch(value: _Value) -> bool:
    """Return whether something is switched on; off where nothing is given."""
    text = value.text.strip().lower()
    if text not in ("", "true", "1", "false", "0"):
        raise _wrong(value, "true or false")
    return text in ("true", "1")


def _adapters(value: _Value) -> dict[str, str]:
    """Read NAME=FOLDER pairs, with commas or spaces between them, or vLLM's JSON objects."""
    if value.text.strip()[:1] in ("{", "["):
        pairs = _json_adapters(value)
    else:
        items = [item.partition("=") for item in re.split(r"[,\s]+", value.text) if item]
        pairs = [(name, folder) for name, _, folder in items]
    if not all(name and folder for name, folder in pairs) or len(dict(pairs)) < len(pairs):
        raise _wrong(value, "NAME=FOLDER,NAME=FOLDER with each name once")
    return dict(pairs)


def _json_adapters(value: _Value) -> list[tuple[str, str]]:
    """Read an array of objects, or objects with spaces between them."""
    decoder, text, found = json.JSONDecoder(), value.text.strip(), []
    try:
        while text:
            item, end = decoder.raw_decode(text)
            found += item if isinstance(item, list) else [item]
            text = text[end:].lstrip()
        return [(each["name"], each["path"]) for each in found]
    except (ValueError, KeyError, TypeError):
        raise _wrong(value, 'JSON objects like {"name": "news", "path": "FOLDER"}') from None


def _user_cache_dir(environ: Mapping[str, str]) -> Path:
    """Return the user's cache folder for this server.

    Source: XDG Base Directory Specification 0.8.
    """
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "serve"


def _number(value: _Value, *, lowest: int = 1) -> int | None:
    if not value.text:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", value.text.strip()) or int(value.text) < lowest:
        raise _wrong(value, f"a whole number, {lowest} or more")
    return int(value.text)


def _wrong(value: _Value, expected: str) -> UserError:
    return UserError(
        found=f"{value.origin} = {value.text!r}", expected=expected, next_step=f"correct {value.origin}"
    )
