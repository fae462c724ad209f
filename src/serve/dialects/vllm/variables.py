"""The variables of vLLM's image: SM_VLLM_NAME becomes --name of vLLM's server; SGLang's are its neighbours.

Source: aws/deep-learning-containers, scripts/docker: vllm/sagemaker_args.py, sglang/sagemaker_entrypoint.sh;
vLLM, entrypoints/openai/cli_args.py (FrontendArgs) and envs.py; aws/model-hosting-container-standards.
"""

from __future__ import annotations

from dataclasses import replace

from serve.dialects.vllm import engine_arguments
from serve.variables import Family, Variable, done, refused, without

PREFIX = "SM_VLLM_"
SGLANG_PREFIX = "SM_SGLANG_"
_LOG = "log lines have one form"
_TOOLS = "a request with tools is refused by name"
_PORT = "SageMaker asks the container on port 8080, without TLS"

SERVER_ARGUMENTS: tuple[Variable, ...] = (
    *done("adapters", "lora_modules", says="NAME=FOLDER, JSON objects, or a JSON array of them"),
    *done("chat_template", "chat_template", says="a file, or the template itself"),
    *refused(
        "texts reach the template as texts", "chat_template_content_format", harmless=("auto", "string")
    ),
    *refused("a request's own template is refused by name", "trust_request_chat_template"),
    *refused("the template gets messages and special tokens alone", "default_chat_template_kwargs"),
    *refused("answers are the assistant's", "response_role", harmless=("assistant",)),
    *refused("tokens are texts", "return_tokens_as_token_ids"),
    *refused(
        "answers have the members of the README",
        *("enable_prompt_tokens_details", "enable_per_request_metrics", "enable_force_include_usage"),
        *("enable_request_id_headers", "fingerprint_value"),
    ),
    *refused("answers have no fingerprint", "fingerprint_mode", harmless=("none",)),
    *refused("there are no such routes", "enable_tokenizer_info_endpoint", "enable_server_load_tracking"),
    *refused("SageMaker sends no key", "api_key"),
    *refused(_PORT, "port", harmless=("8080",)),
    *refused(_PORT, "host", harmless=("0.0.0.0",)),
    *refused(_PORT, "uds", "ssl_keyfile", "ssl_certfile", "ssl_ca_certs", "enable_ssl_refresh", "grpc"),
    *refused(_PORT, "ssl_cert_reqs", "ssl_ciphers", "root_path", "headless", "config"),
    *refused("no code but the server's own runs here", "middleware", "tool_parser_plugin", "tool_server"),
    *without(_TOOLS, "enable_auto_tool_choice", "tool_call_parser", "exclude_tools_when_tool_choice_none"),
    *without(
        _LOG,
        *("max_log_len", "log_config_file", "enable_log_outputs", "enable_log_deltas", "log_error_stack"),
        *("uvicorn_log_level", "disable_uvicorn_access_log", "disable_access_log_for_endpoints"),
        *("disable_frontend_multiprocessing",),
    ),
    *without("SageMaker calls, and no browser", "allow_credentials", "allowed_origins", "allowed_methods"),
    *without("SageMaker calls, and no browser", "allowed_headers", "disable_fastapi_docs"),
    *without("SageMaker calls, and no browser", "enable_offline_docs"),
    *without("one process answers", "api_server_count", "data_parallel_supervisor_port"),
    *without("one process answers", "dp_supervisor_probe_interval_s", "dp_supervisor_probe_timeout_s"),
    *without("one process answers", "dp_supervisor_probe_failure_threshold"),
    *without("headers and bodies have uvicorn's limits", "h11_max_incomplete_event_size"),
    *without("headers and bodies have uvicorn's limits", "h11_max_header_count"),
    *without("Cohere's routes are not here", "cohere_is_reasoning_model", "cohere_format"),
    *without("text alone is served", "enable_flash_late_interaction"),
)


def prefixed(prefix: str, table: tuple[Variable, ...]) -> tuple[Variable, ...]:
    """Return the variables of arguments."""
    return tuple(replace(variable, name=prefix + variable.name.upper()) for variable in table)


_SGLANG = (
    *done("model", "model_path", says="the model's folder; /opt/ml/model unless it is set"),
    *done("served_model_name", "served_model_name", says="what requests call the model"),
    *done("max_total_tokens", "context_length", says="prompt and answer together"),
    *done("max_batch_size", "max_running_requests", says="generations that share a step"),
    *done("dtype", "dtype", says="of the weights"),
    *without("one process computes, on the CPU", "tp", "tp_size", "tensor_parallel_size", "dp", "dp_size"),
    *without("there is no GPU memory", "mem_fraction_static", "cuda_graph_max_bs", "disable_cuda_graph"),
    *without("a model with code of its own is refused by name", "trust_remote_code"),
    *without(_LOG, "log_level"),
    *refused(_PORT, "port", harmless=("8080",)),
    *refused(_PORT, "host", harmless=("0.0.0.0",)),
)

TABLE = (
    *prefixed(PREFIX, (*engine_arguments.TABLE, *SERVER_ARGUMENTS)),
    *prefixed(SGLANG_PREFIX, _SGLANG),
    *done(
        "model",
        "HF_MODEL_ID",
        says="where SM_VLLM_MODEL is not set and /opt/ml/model is empty, as in the image",
    ),
    *done(
        "runtime_adapters",
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING",
        says="true: adapters come and go, POST /adapters",
    ),
    *refused("SageMaker sends no key", "VLLM_API_KEY"),
    *refused(
        "positions beyond the model's own have no meaning", "VLLM_ALLOW_LONG_MAX_MODEL_LEN", harmless=("0",)
    ),
    *refused("nothing is fetched from a hub", "VLLM_USE_MODELSCOPE", harmless=("0",)),
    *without("the endpoint starts the server again when it ends", "PROCESS_AUTO_RECOVERY"),
    *without("the endpoint starts the server again when it ends", "PROCESS_MAX_START_RETRIES"),
    *without("a requirements.txt of the model is refused by name", "STANDARD_AUTO_INSTALL_REQ"),
    *without("a requirements.txt of the model is refused by name", "STANDARD_PIP_ARGS"),
    *refused(
        "no code but the server's own runs here", "CUSTOM_SCRIPT_FILENAME", "CUSTOM_FASTAPI_PING_HANDLER"
    ),
    *refused("no code but the server's own runs here", "CUSTOM_FASTAPI_INVOCATION_HANDLER"),
    *without("nothing is fetched from a hub", "HF_TOKEN", "HF_HOME", "HUGGING_FACE_HUB_TOKEN"),
    *without("there is no GPU", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"),
)

FAMILIES = (
    Family(prefix=PREFIX, outcome="refused", says="vLLM's server ends at an argument that it does not know"),
    Family(
        prefix=SGLANG_PREFIX, outcome="refused",
        says="of SGLang's arguments model_path, served_model_name, context_length, max_running_requests and "
        "dtype are done",
    ),
    Family(
        prefix="VLLM_", outcome="without",
        says="they are kernels, caches, processes and logs of vLLM's",
    ),
    Family(prefix="OPTION_", outcome="ignored", says="LMI's image reads it, and vLLM's does not"),
    Family(prefix="SERVING_", outcome="ignored", says="LMI's image reads it, and vLLM's does not"),
)  # fmt: skip
