"""The variables of TEI's image on SageMaker, and what becomes of each.

Source: text-embeddings-inference 1.8.2, router/src/main.rs (every argument is a variable of the same name);
aws.github.io/deep-learning-containers/tei/deployment/sagemaker (HF_MODEL_ID, which has to be set).
"""

from __future__ import annotations

from serve.variables import Family, Variable, done, refused, without

_HUB = "nothing is fetched from a hub: the model is the packaged one"
_OBSERVED = "metrics are on the server's own port; nothing is sent to another machine"

TABLE: tuple[Variable, ...] = (
    *done("model", "HF_MODEL_ID", says="intfloat/multilingual-e5-small, served from a copy in 4 bits"),
    *done(
        "max_concurrent_requests",
        "MAX_CONCURRENT_REQUESTS",
        says="texts at once, 512 unless it is set: one more alone is answered with 429, more of a batch wait",
    ),
    *done("max_client_batch_size", "MAX_CLIENT_BATCH_SIZE", says="texts of one request, 32 unless it is set"),
    *done("auto_truncate", "AUTO_TRUNCATE", says="whether what is too long is cut where a body says nothing"),
    *done("default_prompt", "DEFAULT_PROMPT", says="what is put before every text"),
    *refused(
        "the model has no prompts of its own; DEFAULT_PROMPT takes the text itself", "DEFAULT_PROMPT_NAME"
    ),
    *refused("the packaged model computes in float32", "DTYPE", harmless=("float32",)),
    *refused("the model's own is the mean of its tokens", "POOLING", harmless=("mean",)),
    *refused("bodies of 2,000,000 bytes are read, TEI's default", "PAYLOAD_LIMIT", harmless=("2000000",)),
    *refused("/invocations answers with vectors", "TASK", harmless=("feature-extraction",)),
    *refused("no request is asked for a key", "API_KEY"),
    *refused("the model has no such module", "DENSE_PATH"),
    *without(_HUB, "REVISION", "HF_TOKEN", "HF_API_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_CACHE"),
    *without(_HUB, "HF_HOME", "HF_HUB_USER_AGENT_ORIGIN", "HF_ENDPOINT"),
    *without(
        "each text is computed by itself, so that no other text changes its vector",
        *("MAX_BATCH_TOKENS", "MAX_BATCH_REQUESTS"),
    ),
    *without("texts are read where they are computed", "TOKENIZATION_WORKERS"),
    *without("SageMaker calls port 8080 of every address", "HOSTNAME"),
    *without("one process computes", "UDS_PATH"),
    *without(_OBSERVED, "OTLP_ENDPOINT", "OTLP_SERVICE_NAME", "PROMETHEUS_PORT", "DISABLE_SPANS"),
    *without("the log is text", "JSON_OUTPUT"),
    *without("what a browser's page may call changes no answer", "CORS_ALLOW_ORIGIN"),
    *without("there is no GPU", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "USE_FLASH_ATTENTION"),
    *without("no code of MKL runs here", "MKL_ENABLE_INSTRUCTIONS", "RAYON_NUM_THREADS", "MKL_NUM_THREADS"),
    *without("the number of GPUs changes no vector", "SM_NUM_GPUS"),
)
FAMILIES: tuple[Family, ...] = (
    Family(prefix="OPTION_", outcome="ignored", says="LMI's image reads it, and TEI's does not"),
    Family(prefix="SM_VLLM_", outcome="ignored", says="vLLM's image reads it, and TEI's does not"),
)
