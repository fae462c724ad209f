"""The variables of LMI's image, and the properties of a serving.properties file, which mean the same.

OPTION_NAME is option.name of the file, SERVING_NAME a property without a prefix; the file counts first.

Source: djl-serving (June 2026): wlm ModelInfo and SageMakerCompatibility, serving ConfigManager and
ModelStore, djl_python/properties_manager, docs/configurations_global.md and configurations_model.md.
"""

from __future__ import annotations

from serve.dialects.vllm import engine_arguments
from serve.dialects.vllm.variables import prefixed
from serve.variables import Family, Variable, done, refused, without

PREFIX = "OPTION_"
_HUB = "nothing is fetched from a hub: the model is a folder, or a prefix of S3"
_ONE_PROCESS = "one process computes, on the CPU"
_WORKERS = "one worker serves the model and takes many requests at once"
_OWN_CODE = "no code but the server's own runs here"
_JAVA = "there is no Java, and no other engine of DJL's"
_LOG = "log lines have one form"
_ONE_MODEL = "one model is served, on one port, without TLS"

# Of option.*; what LMI passes on to vLLM stands in vllm/engine_arguments.py.
_OPTIONS: tuple[Variable, ...] = (
    *done("model", "model_id", says="a folder, beside the file or absolute, or s3://BUCKET/PREFIX/"),
    *done("quantize", "quantize", "quantization", says="none; int8 with the engine ctranslate2"),
    *done("runtime_adapters", "enable_lora", says="true: adapters come and go, POST /adapters"),
    *done("max_batch_size", "max_rolling_batch_size", says="generations that share a step"),
    *done("request_timeout_s", "predict_timeout", says="a request that takes longer ends with an error"),
    *done("output_formatter", "output_formatter", says="json, jsonlines or sse"),
    *done("tgi_compat", "tgi_compat", says="true: TGI's array and events"),
    *done("rolling_batch", "rolling_batch", says="auto, vllm, lmi-dist; disable with async_mode"),
    *done("async_mode", "async_mode", says="true: the same answers; with rolling_batch=disable only so"),
    *done("chat_template", "chat_template", says="a file, or the template itself"),
    *refused("defaults are LMI's own", "generation_config", harmless=("auto",)),
    *refused("defaults are LMI's own", "override_generation_config", harmless=("{}",)),
    *refused("another engine's", "engine", harmless=("python", "mpi")),
    *refused(
        _OWN_CODE, "entryPoint",
        harmless=("djl_python.huggingface", "djl_python.lmi_vllm.vllm_async_service"),
    ),
    *refused(_OWN_CODE, "handler", harmless=("handle",)),
    *refused(_OWN_CODE, "env", "input_formatter"),
    *refused("answers are SageMaker's", "bedrock_compat"),
    *refused("the weights have one type", "load_in_8bit", "load_in_4bit"),
    *refused("there are no sessions", "enable_stateful_sessions"),
    *without(_ONE_PROCESS, "tensor_parallel_degree", "pipeline_parallel_degree", "cluster_size", "mpi_mode"),
    *without(_ONE_PROCESS, "device_map", "device_id", "low_cpu_mem_usage", "disable_flash_attn"),
    *without("prompts are read in parts", "max_rolling_batch_prefill_tokens"),
    *without("there is no GPU memory", "cpu_offload_gb_per_gpu", "lmcache_auto_config"),
    *without("there is no GPU memory", "lmcache_config_file"),
    *without("streams are asked for in the request", "enable_streaming"),
    *without("the sandbox's health check has its own limit", "model_loading_timeout"),
    *without(_WORKERS, "parallel_loading", "waiting_steps"),
    *without("the server has one Python, with the packages that it needs", "pythonExecutable", "enable_venv"),
    *without("it changes speed alone", "draft_model_id", "spec_length", "speculative_draft_model"),
    *without("a request with tools is refused by name", "enable_auto_tool_choice", "tool_call_parser"),
    *without("it is of embeddings, which are refused by name", "normalize"),
    *refused("templates get texts", "chat_template_content_format", harmless=("auto", "string")),
    *without("an answer has as many bytes as its tokens", "max_output_size"),
    *without("the model's folder says it", "is_peft_model", "modelName"),
)  # fmt: skip

_SERVER: tuple[Variable, ...] = (
    *done("max_concurrent_requests", "SERVING_JOB_QUEUE_SIZE", says="more are answered with 429"),
    *done("load_models", "SERVING_LOAD_MODELS", says="ALL, or [NAME:VERSION:ENGINE]=FOLDER of one model"),
    *refused(_ONE_MODEL, "SERVING_MODEL_STORE", harmless=("/opt/ml/model",)),
    *refused("requests share steps, and no batch has a size", "SERVING_BATCH_SIZE", harmless=("1",)),
    *refused("requests share steps, and no batch has a size", "max_dynamic_batch_size", harmless=("1",)),
    *refused(
        _ONE_MODEL, "SERVING_INFERENCE_ADDRESS", "SERVING_MANAGEMENT_ADDRESS", "SERVING_CLUSTER_ADDRESS"
    ),
    *refused(_ONE_MODEL, "SERVING_KEYSTORE", "SERVING_CERTIFICATE_FILE", "SERVING_PRIVATE_KEY_FILE"),
    *refused(_ONE_MODEL, "SERVING_MODEL_URL_PATTERN"),
    *refused(_OWN_CODE, "SERVING_PLUGIN_FOLDER", "translator", "translatorFactory", "DJL_ENTRY_POINT"),
    *refused(
        "errors have the statuses of the README",
        *("SERVING_BAD_REQUEST_HTTP_CODE", "SERVING_WLM_ERROR_HTTP_CODE", "SERVING_THROTTLE_ERROR_HTTP_CODE"),
        *("SERVING_TIMEOUT_HTTP_CODE", "SERVING_SERVER_ERROR_HTTP_CODE", "SERVING_ALLOW_MULTI_STATUS"),
        *("SERVING_ERROR_RATE_WLM", "SERVING_ERROR_RATE_SERVER", "SERVING_ERROR_RATE_MODEL"),
        *("SERVING_ERROR_RATE_ANY",),
    ),
    *refused("answers are not kept", "SERVING_DDB_CACHE", "SERVING_CACHE_MULTITENANT"),
    *refused("the image's engine is vLLM", "SERVING_FEATURES", harmless=("vllm",)),
    *refused("TGI's image alone has it", "SERVING_HEALTH_CHECK_OVERRIDE", "ALLOW_REQUEST_HANDLER_OVERRIDE"),
    *without("a body has at most 2,000,000 bytes, and a larger one is a 413", "SERVING_MAX_REQUEST_SIZE"),
    *without("a body has at most 2,000,000 bytes, and a larger one is a 413", "SAGEMAKER_MAX_REQUEST_SIZE"),
    *without("a body has at most 2,000,000 bytes, and a larger one is a 413", "SAGEMAKER_MAX_PAYLOAD_IN_MB"),
    *done("download_dir", "SERVING_DOWNLOAD_DIR", "DJL_CACHE_DIR", says="where models from S3 are kept"),
    *done("request_timeout_s", "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS", says="as option.predict_timeout"),
    *without(
        _WORKERS,
        *("SERVING_MIN_WORKERS", "SERVING_MAX_WORKERS", "SERVING_MAX_IDLE_TIME", "SERVING_MAX_BATCH_DELAY"),
        *("SERVING_NUMBER_OF_NETTY_THREADS", "SERVING_RETRY_THRESHOLD", "SERVING_WAIT_MODEL_LOADING"),
        *("SERVING_FAIL_FAST", "SERVING_LOAD_ON_DEVICES", "SERVING_RESERVED_MEMORY_MB", "minWorkers"),
        *("maxWorkers", "gpu.minWorkers", "gpu.maxWorkers", "cpu.minWorkers", "cpu.maxWorkers"),
        *("retry_threshold", "required_memory_mb", "gpu.required_memory_mb", "gpu.reserved_memory_mb"),
        *("SAGEMAKER_NUM_MODEL_WORKERS", "SAGEMAKER_MULTI_MODEL"),
    ),
    *without(
        "the sandbox's health check has its own limit", "SAGEMAKER_STARTUP_TIMEOUT", "MODEL_LOADING_TIMEOUT"
    ),
    *without("other handlers alone read it", "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT"),
    *without(
        _LOG, "log_request_metric", "metrics_aggregation", "SERVING_PROMETHEUS", "LMI_DEBUG_NSYS_ENABLED"
    ),
    *without(_JAVA, "JAVA_HOME", "JAVA_OPTS", "SERVING_OPTS", "DEFAULT_JVM_OPTS", "MODEL_SERVER_HOME"),
    *without(
        "SageMaker calls, and no browser", "SERVING_CORS_ALLOWED_ORIGIN", "SERVING_CORS_ALLOWED_METHODS"
    ),
    *without("SageMaker calls, and no browser", "SERVING_CORS_ALLOWED_HEADERS"),
    *without("no body is in pieces", "SERVING_CHUNKED_READ_TIMEOUT"),
    *without("log lines name no request", "SERVING_REQUEST_ID_HEADER_KEY"),
    *without(
        "one model of one instance answers", "DJL_CLUSTER_SIZE", "DJL_LEADER_ADDR", "DJL_WORKER_ADDR_FORMAT"
    ),
    *without(_ONE_PROCESS, "TENSOR_PARALLEL_DEGREE", "PIPELINE_PARALLEL_DEGREE", "CUDA_VISIBLE_DEVICES"),
    *without(_HUB, "HF_REVISION", "HF_TASK", "HF_TOKEN", "HF_HOME", "HUGGING_FACE_HUB_TOKEN"),
    *without(_HUB, "HUGGINGFACE_HUB_CACHE", "HF_HUB_ENABLE_HF_TRANSFER"),
)


def _options() -> tuple[Variable, ...]:
    own = {variable.name.upper() for variable in _OPTIONS}
    passed_on = (each for each in engine_arguments.TABLE if each.name.upper() not in own | {"MODEL"})
    return prefixed(PREFIX, (*_OPTIONS, *passed_on))


TABLE = (
    *done("model", "HF_MODEL_ID", says="a folder, or s3://BUCKET/PREFIX/"),
    *_options(),
    *_SERVER,
)

FAMILIES = (
    Family(
        prefix=PREFIX, outcome="ignored", says="neither LMI nor vLLM knows it, and the image ignores it too"
    ),
    Family(prefix="SERVING_", outcome="ignored", says="DJL Serving does not know it, and ignores it too"),
    Family(prefix="ARGS_", outcome="ignored", says="LMI's handler reads no arguments"),
    Family(prefix="VLLM_", outcome="without", says="they are kernels, caches, processes and logs of vLLM's"),
    Family(prefix="SM_VLLM_", outcome="ignored", says="vLLM's image reads it, and LMI's does not"),
)
