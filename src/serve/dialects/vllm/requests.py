"""What vLLM reads in OpenAI's bodies beside what every dialect does, and what of it is not offered.

Source: vLLM, entrypoints/openai.
"""

from __future__ import annotations

from collections.abc import Mapping

from serve.dialects.openai import requests as openai
from serve.dialects.openai.requests import Kind

_OWN = {"top_k": "i32?", "seed": "i64?", "stream": "bool?"}
FIELDS: Mapping[Kind, Mapping[str, str]] = {
    "chat": openai.FIELDS["chat"] | _OWN | {"max_completion_tokens": "u32?", "repetition_penalty": "f32?"},
    "completion": openai.FIELDS["completion"] | _OWN,
}
# Parameter -> values that ask for nothing, on both routes.
PARAMETERS_NOT_OFFERED: Mapping[str, tuple] = {
    "min_p": (None, 0),
    "presence_penalty": (None, 0),
    # vLLM subtracts it once for each time an id was generated, TGI's engines by the id's share.
    "frequency_penalty": (None, 0),
    "min_tokens": (None, 0),
    "ignore_eos": (None, False),
    "stop_token_ids": (None, []),
    "include_stop_str_in_output": (None, False),
    "skip_special_tokens": (None, True),
    "use_beam_search": (None, False),
    "length_penalty": (None, 1),
    "best_of": (None, 1),
    "echo": (None, False),
    "prompt_logprobs": (None,),
    "truncate_prompt_tokens": (None,),
    "add_generation_prompt": (None, True),
    "continue_final_message": (None, False),
    "add_special_tokens": (None,),
    "chat_template": (None,),
    "chat_template_kwargs": (None, {}),
    "structured_outputs": (None,),
    "guided_json": (None,),
    "guided_regex": (None,),
    "guided_choice": (None,),
    "guided_grammar": (None,),
    "logits_processors": (None, []),
    "return_token_ids": (None, False),
}
NOT_OFFERED: Mapping[Kind, Mapping[str, tuple]] = {
    kind: fields | PARAMETERS_NOT_OFFERED | {"response_format": (None, {"type": "text"})}
    for kind, fields in openai.NOT_OFFERED.items()
}
