"""The names of settings: the variables and flags that mean them, and what each says."""

from __future__ import annotations

from serve import container_paths
from serve.dialect import MAX_CONCURRENT_REQUESTS
from serve.dialects.registry import DIALECTS, variables_of
from serve.variables import Variable, done, without

DTYPES = ("float32", "bfloat16", "float16", "auto")
# LMI's and vLLM's other words for them.
DTYPE_ALIASES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16", "half": "float16"}
ENGINES = ("transformers", "ctranslate2")
QUANTIZATIONS = ("none", "int8")
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
    *("download_dir", "max_client_batch_size", "auto_truncate", "default_prompt"),
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
    "max_concurrent_requests": f"more are answered with 429 ({MAX_CONCURRENT_REQUESTS}; in tei 512)",
    "max_batch_size": f"generations that share a step of the model; more wait ({MAX_BATCH_SIZE})",
    "max_batch_prefill_tokens": "at least max_input_tokens; prompts are read in parts",
    "request_timeout_s": f"a request that takes longer ends with an error ({REQUEST_TIMEOUT_S})",
    "dtype": f"of the weights: {', '.join(DTYPES)} (float32)",
}
