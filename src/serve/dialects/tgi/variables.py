"""The variables of TGI's image: its entrypoint's and its launcher's.

Source: text-generation-inference 3.3.6, sagemaker-entrypoint.sh and launcher/src/main.rs; 3.3.7 has the same.
"""

from __future__ import annotations

from serve.variables import Family, done, refused, without

_HUB = "nothing is fetched from a hub: the model is a folder"
_ONE_PROCESS = "one process computes, on the CPU"
_GPU = "there is no GPU, and none of its kernels"
_SCHEDULE = "when a prompt is read beside running answers; the engine decides it itself"
_LOG = "log lines have one form"
_ELSEWHERE = "nothing is sent to another machine"

TABLE = (
    *done("model", "HF_MODEL_ID", says="the model's folder; /info and answers name it so"),
    *done("quantize", "HF_MODEL_QUANTIZE", "QUANTIZE", says="none; int8 with the engine ctranslate2"),
    *done("adapters", "LORA_ADAPTERS", says="NAME=FOLDER,NAME=FOLDER"),
    *done("max_input_tokens", "MAX_INPUT_TOKENS", "MAX_INPUT_LENGTH", says="longest prompt"),
    *done("max_total_tokens", "MAX_TOTAL_TOKENS", says="prompt and answer together"),
    *done("max_concurrent_requests", "MAX_CONCURRENT_REQUESTS", says="more are answered with 429"),
    *done("max_batch_size", "MAX_BATCH_SIZE", says="generations that share a step"),
    *done("max_batch_prefill_tokens", "MAX_BATCH_PREFILL_TOKENS", says="checked against the longest prompt"),
    *done("dtype", "DTYPE", says="of the weights"),
    *refused("keys and values have the weights' type", "KV_CACHE_DTYPE"),
    *refused("positions are the model's own", "ROPE_SCALING", "ROPE_FACTOR"),
    *refused("SageMaker sends no key, so no request would be answered", "API_KEY"),
    *refused("put the template into the model's folder", "TOKENIZER_CONFIG_PATH"),
    *refused("no tunnel is opened: nothing leaves this machine", "NGROK"),
    *without("a body has at most 2,000,000 bytes, and a larger one is a 413", "PAYLOAD_LIMIT"),
    *without("the image's entrypoint puts HF_MODEL_ID in its place", "MODEL_ID"),
    *without(
        _HUB,
        *("HF_MODEL_REVISION", "REVISION", "HF_TOKEN", "HF_API_TOKEN", "HUGGING_FACE_HUB_TOKEN"),
        *("HUGGINGFACE_HUB_CACHE", "WEIGHTS_CACHE_OVERRIDE", "HF_HUB_ENABLE_HF_TRANSFER"),
        *("HF_HUB_USER_AGENT_ORIGIN", "HF_HOME"),
    ),
    *without(
        "a model with code of its own is refused by name", "HF_MODEL_TRUST_REMOTE_CODE", "TRUST_REMOTE_CODE"
    ),
    *without(_ONE_PROCESS, "SM_NUM_GPUS", "NUM_SHARD", "SHARDED", "SHARD_UDS_PATH"),
    *without(_ONE_PROCESS, "MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE", "VALIDATION_WORKERS"),
    *without(
        _GPU,
        *(
            "CUDA_GRAPHS",
            "CUDA_MEMORY_FRACTION",
            "DISABLE_CUSTOM_KERNELS",
            "ATTENTION",
            "USE_FLASH_ATTENTION",
        ),
        *("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "TGI_WIGGLE_ROOM", "XPU_MEMORY_FRACTION"),
        *("ZE_AFFINITY_MASK", "EXLLAMA_VERSION", "DISABLE_EXLLAMA", "ROCM_USE_CUSTOM_PAGED_ATTN"),
        *("ROCM_USE_FLASH_ATTN_V2_TRITON", "ROCM_USE_SKINNY_GEMM", "PYTORCH_TUNABLEOP_ENABLED"),
        *("PYTORCH_TUNABLEOP_SEQLENS", "PYTORCH_TUNABLEOP_TUNING", "PYTORCH_TUNABLEOP_TUNING_AFTER_WARMUP"),
    ),
    *without(
        _SCHEDULE,
        *("WAITING_SERVED_RATIO", "MAX_BATCH_TOTAL_TOKENS", "MAX_WAITING_TOKENS", "PREFILL_CHUNKING"),
    ),
    *without("it changes speed alone, and no token that is chosen greedily", "SPECULATE", "PREFIX_CACHING"),
    *without("4 stop texts; a request with more is refused by name", "MAX_STOP_SEQUENCES"),
    *without(
        "a request that asks for it is refused by name",
        *("MAX_BEST_OF", "MAX_TOP_N_TOKENS", "MAX_CLIENT_BATCH_SIZE", "DISABLE_GRAMMAR_SUPPORT"),
        *("ENABLE_PREFILL_LOGPROBS", "REQUEST_LOGPROBS", "WATERMARK_GAMMA", "WATERMARK_DELTA"),
    ),
    *without("it is HOST and PORT that the server listens on", "HOSTNAME"),
    *without("metrics are on the server's own port", "PROMETHEUS_PORT"),
    *without(_LOG, "JSON_OUTPUT", "LOG_LEVEL", "LOG_FORMAT", "LOG_COLORIZE", "DEBUG"),
    *without(
        _ELSEWHERE, "OTLP_ENDPOINT", "OTLP_SERVICE_NAME", "USAGE_STATS", "NGROK_AUTHTOKEN", "NGROK_EDGE"
    ),
    *without("SageMaker calls, and no browser", "CORS_ALLOW_ORIGIN"),
    *without("running requests have 10 s after SIGTERM", "GRACEFUL_TERMINATION_TIMEOUT"),
    *without("x-compute-type is cpu", "COMPUTE_TYPE"),
    *without("/info says null", "DOCKER_LABEL", "GIT_SHA"),
    *without("they are Vertex AI's", "AIP_HEALTH_ROUTE", "AIP_HTTP_PORT", "AIP_PREDICT_ROUTE"),
    *without("/invocations chooses by the body, as in TGI 3", "MESSAGES_API_ENABLED"),
)

FAMILIES = (
    Family(prefix="OPTION_", outcome="ignored", says="LMI's image reads it, and TGI's does not"),
    Family(prefix="SERVING_", outcome="ignored", says="LMI's image reads it, and TGI's does not"),
    Family(prefix="SM_VLLM_", outcome="ignored", says="vLLM's image reads it, and TGI's does not"),
)
