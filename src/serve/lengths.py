"""How long an answer may be: TGI's chunks, and the context that prompt and answer share."""

from __future__ import annotations

from serve.errors import RequestError, invalid

# TGI generates so many tokens at once, and then goes on with the prompt and its answer as a new prompt.
CHUNK_TOKENS = 1024


def answer_length(
    asked: int | None, num_prompt: int, *, is_tgi: bool, name: str, max_input: int, max_total: int
) -> int:
    """Return how many tokens an answer may have.

    TGI counts at most CHUNK_TOKENS against the total. After so many it checks the prompt and its answer as a
    new request for as many, and ends with what there is where that is too long. An answer of more than one
    chunk therefore has whole chunks: 1,500 tokens asked for are 2,048 where there is room, else 1,024.
    Unset, the last chunk is what is left of the context.

    Args:
        asked: Tokens; None for the rest of the context.
        num_prompt: Tokens of the prompt.
        is_tgi: In chunks, as above; in vLLM all that is asked for counts.
        name: What the body calls it, for messages.
        max_input: Longest prompt, in tokens.
        max_total: Longest prompt and answer together, in tokens.

    Raises:
        RequestError: 422: prompt and answer are longer than the context, or the prompt is.

    Source: text-generation-inference 3.3.6 and 3.3.7, router/src/validation.rs (validate_input) and
    router/src/infer/mod.rs (generate_stream).
    """
    wanted = max(max_total - num_prompt, 0) if asked is None else asked
    length = min(wanted, CHUNK_TOKENS) if is_tgi else wanted
    if num_prompt + length > max_total:
        raise _too_long(num_prompt, length, is_tgi=is_tgi, name=name, max_total=max_total)
    if num_prompt > max_input:
        raise invalid(f"`inputs` must have less than {max_input} tokens. Given: {num_prompt}")
    while length < wanted and num_prompt + length <= max_input:
        chunk = CHUNK_TOKENS if asked is not None else min(wanted - length, CHUNK_TOKENS)
        if num_prompt + length + chunk > max_total:
            break
        length += chunk
    return length


def _too_long(num_prompt: int, num_new: int, *, is_tgi: bool, name: str, max_total: int) -> RequestError:
    if is_tgi:
        given = f"Given: {num_prompt} `inputs` tokens and {num_new} {name}"
        return invalid(f"`inputs` tokens + {name} must be <= {max_total}. {given}")
    given = f"{num_prompt} tokens of the prompt and {name} = {num_new}"
    return invalid(f"{given} are more than the model's context length of {max_total} tokens")
