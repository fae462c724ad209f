"""The arguments of vLLM's engine, which its image reads as SM_VLLM_NAME and LMI's as OPTION_NAME.

Source: vLLM, engine/arg_utils.py (EngineArgs), config/; LMI's properties_manager passes them on as they are.
"""

from __future__ import annotations

from serve.variables import Variable, done, refused, without

_ONE_PROCESS = "one process computes, on the CPU"
_GPU = "there is no GPU, and none of its kernels, graphs and compilers"
_GPU_MEMORY = "there is no GPU memory; keys and values take up to half of the free memory"
_SCHEDULE = "when a prompt is read beside running answers; the engine decides it itself"
_SPEED = "it changes speed alone, and no token that is chosen greedily"
_HUB = "nothing is fetched from a hub: the model is a folder, or a prefix of S3"
_TEXT_ONLY = "text alone is served; a request with another kind of content is refused by name"
_OBSERVED = "metrics are those of the README; nothing is sent to another machine"
_WEIGHTS = "weights are safetensors, read by transformers"
_OWN_CODE = "no code but the server's own runs here"
_NUMBERS = "it would change what the model computes"

TABLE: tuple[Variable, ...] = (
    *done(
        "model",
        "model",
        says="the model's folder, or s3://BUCKET/PREFIX/; it is its name unless it has another",
    ),
    *done("served_model_name", "served_model_name", says="what requests call the model"),
    *done("max_total_tokens", "max_model_len", says="prompt and answer together"),
    *done("max_batch_size", "max_num_seqs", says="generations that share a step"),
    *done("dtype", "dtype", says="of the weights"),
    *done("quantize", "quantization", says="none; int8 with the engine ctranslate2"),
    *done("max_lora_rank", "max_lora_rank", says="of adapters, 16 unless it is set: a larger one is refused"),
    *done("generation_config", "generation_config", says="auto, vllm, or a folder"),
    *done("override_generation_config", "override_generation_config", says="a JSON object"),
    *without("adapters are loaded where they are named or switched on", "enable_lora"),
    *without("all adapters stay in memory", "max_loras", "max_cpu_loras", "fully_sharded_loras"),
    *without(_GPU, "specialize_active_lora"),
    *refused(_NUMBERS, "lora_dtype", harmless=("auto",)),
    *without(
        _ONE_PROCESS,
        *("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size", "data_parallel_rank"),
        *("data_parallel_start_rank", "data_parallel_size_local", "data_parallel_address"),
        *("data_parallel_rpc_port", "data_parallel_backend", "data_parallel_hybrid_lb"),
        *("data_parallel_external_lb", "enable_expert_parallel", "all2all_backend", "enable_dbo"),
        *("ubatch_size", "dbo_decode_token_threshold", "dbo_prefill_token_threshold", "enable_eplb"),
        *("eplb_config", "expert_placement_strategy", "distributed_executor_backend", "master_addr"),
        *("master_port", "nnodes", "node_rank", "decode_context_parallel_size", "afd_config"),
        *("dcp_kv_cache_interleave_size", "cp_kv_cache_interleave_size", "prefill_context_parallel_size"),
        *("max_parallel_loading_workers", "ray_workers_use_nsight", "disable_custom_all_reduce"),
        *("disable_nccl_for_dp_synchronization", "enable_fault_tolerance", "engine_recovery_timeout"),
        *("internal_fault_report_port", "external_fault_notify_port", "gloo_comm_timeout"),
        *("shutdown_on_fault_tolerance_failure", "weight_transfer_config"),
    ),
    *without(
        _GPU,
        *("enforce_eager", "compilation_config", "cudagraph_capture_sizes", "max_cudagraph_capture_size"),
        *("optimization_level", "attention_backend", "attention_config", "disable_cascade_attn"),
        *("use_v2_block_manager", "max_seq_len_to_capture", "device", "moe_backend", "gdn_prefill_backend"),
        *("enable_flashinfer_autotune", "performance_mode", "kernel_config"),
    ),
    *without(
        _GPU_MEMORY,
        *("gpu_memory_utilization", "kv_cache_memory_bytes", "swap_space", "cpu_offload_gb", "block_size"),
        *("num_gpu_blocks_override", "kv_offloading_size", "kv_offloading_backend", "enable_sleep_mode"),
        *("kv_transfer_config", "kv_events_config", "ec_transfer_config", "kv_sharing_fast_prefill"),
        *("mamba_cache_mode", "mamba_block_size", "disable_hybrid_kv_cache_manager", "preemption_mode"),
    ),
    *without(
        _SCHEDULE,
        *("max_num_batched_tokens", "max_num_partial_prefills", "max_long_partial_prefills"),
        *(
            "long_prefill_token_threshold",
            "enable_chunked_prefill",
            "async_scheduling",
            "num_scheduler_steps",
        ),
        *("scheduler_delay_factor", "disable_async_output_proc", "scheduling_policy"),
    ),
    *without(_SPEED, "enable_prefix_caching", "prefix_caching_hash_algo", "speculative_config"),
    *without(
        _HUB,
        *("revision", "code_revision", "tokenizer_revision", "hf_token", "download_dir", "ignore_patterns"),
    ),
    *without("a model with code of its own is refused by name", "trust_remote_code"),
    *without(
        _TEXT_ONLY,
        *("limit_mm_per_prompt", "enable_mm_embeds", "interleave_mm_strings", "media_io_kwargs"),
        *("mm_processor_kwargs", "mm_processor_cache_gb", "mm_processor_cache_type", "mm_encoder_only"),
        *("mm_shm_cache_max_object_size_mb", "mm_encoder_tp_mode", "mm_encoder_attn_backend"),
        *("skip_mm_profiling", "video_pruning_rate", "allowed_local_media_path", "allowed_media_domains"),
        *("default_mm_loras", "enable_tower_connector_lora", "disable_chunked_mm_input"),
        *("disable_mm_preprocessor_cache", "language_model_only", "enable_prompt_embeds"),
    ),
    *without(
        _OBSERVED,
        *("disable_log_stats", "aggregate_engine_logging", "show_hidden_metrics_for_version"),
        *("otlp_traces_endpoint", "collect_detailed_traces", "kv_cache_metrics", "kv_cache_metrics_sample"),
        *("cudagraph_metrics", "enable_layerwise_nvtx_tracing", "enable_mfu_metrics", "profiler_config"),
        *("enable_logging_iteration_details", "enable_mm_processor_stats", "enable_log_requests"),
        *("disable_log_requests",),
    ),
    *without(_WEIGHTS, "use_tqdm_on_load", "pt_load_map_location", "safetensors_load_strategy"),
    *without(_WEIGHTS, "model_loader_extra_config", "model_impl"),
    *without(
        "a request that asks for it is refused by name",
        *("structured_outputs_config", "guided_decoding_backend", "logits_processor_pattern"),
        "max_logprobs",
    ),
    *without("chunks are sent as they come", "stream_interval"),
    *refused(_WEIGHTS, "load_format", harmless=("auto", "safetensors", "hf", "runai_streamer")),
    *refused(
        _NUMBERS,
        *("rope_scaling", "rope_theta", "hf_overrides", "override_attention_dtype"),
        *("calculate_kv_scales", "disable_sliding_window", "long_lora_scaling_factors"),
        *("enable_lora_bias", "enable_return_routed_experts", "additional_config"),
    ),
    *refused(_NUMBERS, "kv_cache_dtype", "mamba_cache_dtype", "mamba_ssm_cache_dtype", harmless=("auto",)),
    *refused("probabilities are the model's own", "logprobs_mode", harmless=("raw_logprobs",)),
    *refused("config.json is the one in the model's folder", "hf_config_path"),
    *refused("config.json is the one in the model's folder", "config_format", harmless=("auto", "hf")),
    *refused("send `seed` in each request", "seed", harmless=("0",)),
    *refused("the tokenizer is the one in the model's folder", "tokenizer"),
    *refused(
        "the tokenizer is the one in the model's folder", "tokenizer_mode", harmless=("auto", "hf", "fast")
    ),
    *refused("answers are texts", "skip_tokenizer_init", "tokens_only"),
    *refused("text is generated, and nothing else", "task", harmless=("auto", "generate", "text-generation")),
    *refused(
        "text is generated, and nothing else", "runner", "convert", harmless=("auto", "generate", "none")
    ),
    *refused("text is generated, and nothing else", "pooler_config", "io_processor_plugin"),
    *refused("answers are not taken apart into thoughts and text", "reasoning_parser", "enable_reasoning"),
    *refused(_OWN_CODE, "reasoning_parser_plugin", "logits_processors", "scheduler_cls"),
    *refused(_OWN_CODE, "worker_cls", "worker_extension_cls", harmless=("auto",)),
    *refused("no quantization kernels are here", "allow_deprecated_quantization"),
    *refused("an unknown VLLM_ variable ends nothing here", "fail_on_environ_validation"),
)
