"""vLLM's bodies: their fields.

Source: vLLM, entrypoints/openai/chat_completion/protocol.py, entrypoints/openai/completion/protocol.py and
sampling_params.py, as stored in autumn 2026 (after 0.23, about the 0.30 of the image).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serve.body_fields import Table, done, ignored, refused

# Of a completion without max_tokens.
COMPLETION_MAX_TOKENS = 16
NO_GRAMMAR = "answers are not constrained"
NO_PROMPT_LOGPROBS = "the prompt's log-probabilities are not kept"
REPLACED = "vLLM has replaced it by `structured_outputs`"

# Of SamplingParams: what LMI's `parameters` may have as well.
SAMPLING: Table = {
    "frequency_penalty": done("f32?", "-2 to 2, times how often an id was generated", sets="count_penalty"),
    "presence_penalty": done("f32?", "-2 to 2, for ids that were generated", sets="presence_penalty"),
    "repetition_penalty": done("f32?", "above 0", sets="repetition_penalty"),
    "temperature": done("f32?", "0 is greedy", sets="temperature"),
    "top_p": done("f32?", "above 0, up to 1", sets="top_p"),
    "top_k": done("i32?", "0 and -1 keep all", sets="top_k"),
    "min_p": done("f32?", "0 to 1", sets="min_p"),
    "seed": done("i64?", "of the draw; -1 is none", sets="seed"),
    "logit_bias": done("map?", "token id to -100 to 100", sets="logit_bias"),
    "stop": done("any", "a text or a list of any length, left out of the answer"),
    "stop_token_ids": done("integers?", "left out of the answer", sets="stop_ids"),
    "include_stop_str_in_output": done("bool", "what ended the answer stays in it"),
    "ignore_eos": done("bool", "the end token ends nothing", sets="ignore_eos"),
    "min_tokens": done("u32", "before them nothing ends the answer", sets="min_new_tokens"),
    "skip_special_tokens": done("bool", "false: special tokens are text"),
    "spaces_between_special_tokens": ignored("bool", "it changes nothing with a fast tokenizer"),
    "allowed_token_ids": refused("integers?", "the vocabulary is not restricted"),
    "bad_words": refused("strings?", "the vocabulary is not restricted", []),
    "prompt_logprobs": refused("i32?", NO_PROMPT_LOGPROBS),
    "logprob_token_ids": refused("integers?", "only the most likely tokens are kept"),
    "structured_outputs": refused("map?", NO_GRAMMAR),
    "repetition_detection": refused("map?", "answers end by tokens, texts and lengths"),
    "thinking_token_budget": refused("i32?", "reasoning is not told apart", -1),
}
_ROUTES: Table = {
    "model": done("string?", "the model itself or a LoRA adapter"),
    "stream": done("bool?", "chunks as events"),
    "stream_options": done("map?", "the table below; only with `stream`"),
    "request_id": done("string", "the end of the answer's id"),
    "truncate_prompt_tokens": done("i64?", "keep so many tokens of the prompt's end", sets="truncate"),
    "truncation_side": refused("string?", "the prompt's end is kept", "left"),
    "response_format": refused("map?", NO_GRAMMAR, {"type": "text"}),
    "use_beam_search": refused("bool", "one answer is generated", False),
    "length_penalty": ignored("f32", "of beam search, which is refused"),
    "watermarking": refused("bool?", "no answer is watermarked", False),
    "user": ignored("string?", "vLLM does not use it"),
    "priority": refused("i64", "requests are taken as they come, as in vLLM without priority scheduling", 0),
    "session_id": ignored("string?", "it changes no answer"),
    "cache_salt": ignored("string?", "it changes no answer"),
    "vllm_xargs": ignored("map?", "of extensions"),
    "stream_interval": refused("u32?", "each token is a chunk", 1),
    "return_tokens_as_token_ids": refused("bool?", "tokens are shown as text", False),
    "return_token_ids": refused("bool?", "answers have no ids", False),
    "return_token_offsets": ignored("bool?", "vLLM does not use it on these routes"),
    "return_mm_kwargs": ignored("bool", "vLLM does not use it on these routes"),
    "routed_experts_prompt_start": ignored("u32", "of mixtures of experts"),
    "kv_transfer_params": refused("map?", "one process reads the prompt and answers"),
    "ec_transfer_params": refused("map?", "one process reads the prompt and answers"),
    "guided_json": ignored("any", REPLACED),
    "guided_regex": ignored("any", REPLACED),
    "guided_choice": ignored("any", REPLACED),
    "guided_grammar": ignored("any", REPLACED),
    "best_of": ignored("any", "vLLM has it no more"),
}
CHAT: Table = {
    "messages": done("list", "the table below"),
    **_ROUTES,
    **SAMPLING,
    "max_tokens": done("u32?", "unset: the rest of the context", sets="max_new_tokens"),
    "max_completion_tokens": done("u32?", "counts before max_tokens", sets="max_new_tokens"),
    "logprobs": done("bool?", "of the chosen tokens, from the model's own scores"),
    "top_logprobs": done("u32?", "0 to 20 most likely tokens; only with `logprobs`", sets="top_n_tokens"),
    "n": done("u32?", "so many answers, drawn, not streamed"),
    "echo": done("bool", "a last message of the assistant before the answer"),
    "add_generation_prompt": done("bool", "false: the prompt ends with the last message"),
    "continue_final_message": done("bool", "the last message stays open; needs add_generation_prompt: false"),
    "add_special_tokens": done("bool", "true: the tokenizer's, around the rendered template"),
    "documents": done("list?", "a variable of the template"),
    "chat_template_kwargs": done("map?", "variables of the template"),
    "reasoning_effort": done("string?", "a variable of the template, and enable_thinking with it"),
    "chat_template": refused("string?", "vLLM refuses it without --trust-request-chat-template"),
    "tools": refused("list?", NO_GRAMMAR),
    "tool_choice": refused("any", "there are no tools", "none"),
    "parallel_tool_calls": ignored("bool?", "of tools, which are refused"),
    "include_reasoning": ignored("bool", "reasoning is not told apart"),
    "media_io_kwargs": refused("map?", "there is text alone", {}),
    "mm_processor_kwargs": refused("map?", "there is text alone", {}),
    "return_prompt_text": refused("bool?", "answers have no prompt", False),
}
COMPLETION: Table = {
    "prompt": done("any", "a text, the ids of its tokens, or a list of such; several are not streamed"),
    **_ROUTES,
    **SAMPLING,
    "max_tokens": done("u32?", "unset: 16", sets="max_new_tokens"),
    "logprobs": done("u32?", "0 to 20 most likely tokens, from the model's own scores", sets="top_n_tokens"),
    "n": done("u32", "so many answers to each prompt, drawn, not streamed"),
    "echo": done("bool?", "the prompt before the answer; not with `logprobs`"),
    "suffix": refused("string?", "vLLM refuses it"),
    "add_special_tokens": done("bool", "false: the prompt has its special tokens"),
    "prompt_embeds": refused("any", "the prompt is text or ids"),
}
MESSAGE: Table = {
    "role": done("string", "for the template"),
    "content": done("any", "a text, or a list of texts and parts of text; null is empty"),
    "name": done("string?", "for the template"),
    "reasoning": done("string?", "for the template", aliases=("reasoning_content",)),
    "tool_call_id": done("string?", "for the template"),
    "tool_calls": refused("list?", "of tools, which are refused", []),
}
STREAM_OPTIONS: Table = {
    "include_usage": done("bool?", "a last chunk with the counts"),
    "continuous_usage_stats": done("bool?", "the counts in every chunk, with include_usage"),
}
OPENAI_TABLES: Mapping[str, Table] = {
    "chat": CHAT,
    "completion": COMPLETION,
    "message": MESSAGE,
    "stream_options": STREAM_OPTIONS,
}
# Title -> fields, as the page of this dialect shows them.
TABLES = {
    "`/v1/chat/completions`, `messages`": CHAT,
    "`/v1/completions`, `prompt`": COMPLETION,
    "a message": MESSAGE,
    "`stream_options`": STREAM_OPTIONS,
}


def model_defaults(generation: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sampling parameters of a body that has none: the model's own, where it has any.

    vLLM's --generation-config auto; LMI's chat and completions have them from there.

    Args:
        generation: Of generation_config.json.
    """
    names = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
    return {name: generation[name] for name in names if isinstance(generation.get(name), int | float)}
