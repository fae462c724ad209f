"""Values of a request are checked as TGI does it, and its prompt is encoded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from tokenizers import Tokenizer, models

from serve.dialects.tgi.requests import parse_tgi
from serve.errors import RequestError
from serve.request import Prompt, prepare
from serve.text import TextCodec


@dataclass(frozen=True)
class Offer:
    """What a request is checked against: the attributes of an engine."""

    name: str = "small"
    unsupported: frozenset[str] = frozenset()
    adapters: tuple[str, ...] = ()


def prepared(
    codec: TextCodec, body: Any, *, max_input: int = 60, max_total: int = 64, offer: Offer = Offer()
) -> Prompt:
    return prepare(parse_tgi(body), codec, offer, max_input=max_input, max_total=max_total)


def with_parameters(**parameters: Any) -> dict[str, Any]:
    return {"inputs": "안녕", "parameters": parameters}


def test_leaving_parameters_out_samples_and_an_empty_object_is_greedy(codec: TextCodec) -> None:
    assert prepared(codec, {"inputs": "안녕"}).sampling.do_sample
    assert not prepared(codec, with_parameters()).sampling.do_sample


@pytest.mark.parametrize(
    ("parameters", "samples"),
    [
        ({"do_sample": True}, True),
        ({"temperature": 0.5}, True),
        ({"temperature": 1.0}, False),
        ({"temperature": 1}, False),
        ({"top_k": 1}, True),
        ({"top_p": 0.9}, True),
        ({"typical_p": 0.9}, True),
        ({"seed": 3}, False),
        ({"repetition_penalty": 1.2}, False),
        ({"temperature": None, "top_k": None, "top_p": None}, False),
    ],
)
def test_a_warper_switches_sampling_on(codec: TextCodec, parameters: dict[str, Any], samples: bool) -> None:
    assert prepared(codec, with_parameters(**parameters)).sampling.do_sample is samples


def test_every_parameter_reaches_the_sampling(codec: TextCodec) -> None:
    given = {
        "max_new_tokens": 7, "temperature": 2, "top_k": 3, "top_p": 0.25, "typical_p": 0.75,
        "seed": 2**64 - 1, "repetition_penalty": 2, "frequency_penalty": -1, "stop": ["가", "나"],
    }  # fmt: skip
    sampling = prepared(codec, with_parameters(**given)).sampling
    assert {name: getattr(sampling, name) for name in given} == given | {"stop": ("가", "나")}
    assert type(sampling.repetition_penalty) is float


def length(
    codec: TextCodec, asked: int | None, *, is_tgi: bool = True, max_total: int, max_input: int | None = None
) -> int:
    """Return how many tokens an answer to a prompt of 4 tokens may have."""
    request = replace(parse_tgi(with_parameters(max_new_tokens=asked)), ids=(5, 6, 7, 8), is_tgi=is_tgi)
    longest = max_total - 1 if max_input is None else max_input
    return prepare(request, codec, Offer(), max_input=longest, max_total=max_total).sampling.max_new_tokens


@pytest.mark.parametrize("is_tgi", [True, False])
def test_without_max_new_tokens_the_rest_of_the_context_is_used(codec: TextCodec, is_tgi: bool) -> None:
    for max_total in (100, 1028, 1029, 2048, 8192):
        assert length(codec, None, is_tgi=is_tgi, max_total=max_total) == max_total - 4


@pytest.mark.parametrize(
    ("asked", "max_total", "found"),
    [
        (1024, 1028, 1024),
        (3000, 1028, 1024),  # only 1,024 of them are counted
        (3000, 2048, 1024),  # the second chunk would not fit: TGI ends with what there is
        (3000, 2052, 2048),
        (1500, 2051, 1024),
        (1500, 2052, 2048),  # whole chunks: TGI gives more than was asked for
        (2048, 8192, 2048),
        (3000, 8192, 3072),
    ],
)
def test_tgi_counts_1024_tokens_at_once_and_goes_on_in_whole_chunks(
    codec: TextCodec, asked: int, max_total: int, found: int
) -> None:
    assert length(codec, asked, max_total=max_total) == found


def test_tgi_goes_on_while_prompt_and_answer_are_an_allowed_prompt(codec: TextCodec) -> None:
    assert length(codec, None, max_total=8192, max_input=1027) == 1024
    assert length(codec, None, max_total=8192, max_input=1028) == 2048
    assert length(codec, 3000, max_total=8192, max_input=1028) == 2048


def test_tgi_counts_the_first_chunk_in_its_message_and_vllm_all(codec: TextCodec) -> None:
    with pytest.raises(RequestError, match="Given: 4 `inputs` tokens and 1024 `max_new_tokens`"):
        length(codec, 3000, max_total=1027)
    with pytest.raises(
        RequestError, match="`max_new_tokens` = 3000 are more than the model's context length"
    ):
        length(codec, 3000, is_tgi=False, max_total=2048)
    assert length(codec, 1500, is_tgi=False, max_total=2048) == 1500


def test_ids_are_the_prompt_and_have_to_be_the_models(codec: TextCodec) -> None:
    request = replace(parse_tgi(with_parameters()), inputs="", ids=(5, 6))
    assert prepare(request, codec, Offer(), max_input=60, max_total=64).ids == [5, 6]
    for ids in ((5, codec.num_ids), (-1,)):
        with pytest.raises(RequestError, match="is out of vocabulary"):
            prepare(replace(request, ids=ids), codec, Offer(), max_input=60, max_total=64)


def test_a_rendered_chat_is_given_no_begin_token(codec: TextCodec) -> None:
    request = parse_tgi(with_parameters(max_new_tokens=1))
    rendered = replace(request, is_rendered=True)
    ids = prepare(rendered, codec, Offer(), max_input=60, max_total=64).ids
    assert [0, *ids] == prepare(request, codec, Offer(), max_input=60, max_total=64).ids


def test_truncate_keeps_the_end_of_the_prompt(codec: TextCodec) -> None:
    assert prepared(codec, with_parameters(truncate=2)).ids == codec.encode("안녕")[-2:]


def test_vllms_truncation_of_minus_1_leaves_room_for_the_answer(codec: TextCodec) -> None:
    def num_prompt(**given: Any) -> int:
        parsed = parse_tgi(with_parameters(max_new_tokens=9))
        request = replace(parsed, is_tgi=False, parameters=parsed.parameters | given, inputs="가나다라" * 20)
        return len(prepare(request, codec, Offer(), max_input=63, max_total=64).ids)

    assert num_prompt(truncate=-1) == 64 - 9
    assert num_prompt(truncate=-1, max_new_tokens=None) == 63
    with pytest.raises(
        RequestError, match=r"`truncate` must be strictly positive and less than 63\. Given: -2"
    ):
        num_prompt(truncate=-2)


def test_unset_seeds_differ_and_a_given_one_is_kept(codec: TextCodec) -> None:
    seeds = {prepared(codec, {"inputs": "가"}).sampling.seed for _ in range(5)}
    assert len(seeds) == 5
    assert prepared(codec, with_parameters(seed=0)).sampling.seed == 0


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"temperature": 0}, "`temperature` must be strictly positive"),
        ({"temperature": -0.1}, "`temperature` must be strictly positive"),
        ({"repetition_penalty": 0.0}, "`repetition_penalty` must be strictly positive"),
        ({"frequency_penalty": 2.1}, "`frequency_penalty` must be >= -2.0 and <= 2.0"),
        ({"top_p": 1.0}, "`top_p` must be > 0.0 and < 1.0"),
        ({"top_p": 0}, "`top_p` must be > 0.0 and < 1.0"),
        ({"typical_p": 1}, "`typical_p` must be > 0.0 and < 1.0"),
        ({"top_k": 0}, "`top_k` must be strictly positive"),
        ({"max_new_tokens": 0}, "`max_new_tokens` must be strictly positive"),
        ({"stop": list("가나다라마")}, "`stop` supports up to 4 stop sequences. Given: 5"),
        ({"truncate": 0}, "`truncate` must be strictly positive and less than 60. Given: 0"),
        ({"truncate": 61}, "`truncate` must be strictly positive and less than 60. Given: 61"),
        (
            {"max_new_tokens": 64},
            "`inputs` tokens + `max_new_tokens` must be <= 64. Given: ",
        ),
        ({"best_of": 2}, "`best_of` is not supported by this server"),
        ({"watermark": True}, "`watermark` is not supported by this server"),
        ({"decoder_input_details": True}, "`decoder_input_details` is not supported by this server"),
        ({"top_n_tokens": 6}, "`top_n_tokens` must be >= 0 and <= 5. Given: 6"),
        ({"grammar": {"type": "regex", "value": "a"}}, "`grammar` is not supported by this server"),
        ({"adapter_id": "a"}, "`adapter_id`: the adapter 'a' is not loaded; known ones: none"),
    ],
)
def test_a_value_out_of_range_or_not_supported_is_named(
    codec: TextCodec, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(RequestError) as caught:
        prepared(codec, with_parameters(**parameters))
    assert caught.value.status == 422
    assert caught.value.body["error"].startswith(f"Input validation error: {message}")
    assert caught.value.body["error_type"] == "validation"


def test_fields_that_ask_for_nothing_are_not_refused(codec: TextCodec) -> None:
    harmless = {"best_of": 1, "watermark": False, "top_n_tokens": 0, "grammar": None, "adapter_id": None}
    assert prepared(codec, with_parameters(decoder_input_details=False, **harmless))


def test_prompts_that_are_empty_or_too_long_are_refused(codec: TextCodec) -> None:
    with pytest.raises(RequestError, match="`inputs` cannot be empty"):
        prepared(codec, {"inputs": "", "parameters": {}})
    body = with_parameters(max_new_tokens=1)
    given = len(codec.encode(body["inputs"]))
    with pytest.raises(RequestError, match=rf"`inputs` must have less than 2 tokens. Given: {given}$"):
        prepared(codec, body, max_input=2)


def test_a_prompt_of_which_the_tokenizer_leaves_nothing_is_empty() -> None:
    nothing = TextCodec(Tokenizer(models.BPE()), bos_id=None, eos_ids=frozenset())
    with pytest.raises(RequestError, match="`inputs` cannot be empty"):
        prepared(nothing, with_parameters())


@pytest.mark.parametrize(
    "parameters",
    [
        {"temperature": 0.5},
        {"top_k": 3},
        {"repetition_penalty": 1.5},
        {"frequency_penalty": 0.5},
        {"stop": ["가"]},
        {"do_sample": True},
    ],
)
def test_what_the_engine_cannot_honour_is_refused_by_name(codec: TextCodec, parameters: dict) -> None:
    (name,) = parameters
    offer = Offer(unsupported=frozenset(parameters))
    message = f"`{name}` is not supported by the engine small"
    with pytest.raises(RequestError, match=message) as caught:
        prepared(codec, with_parameters(**parameters), offer=offer)
    assert caught.value.status == 422
    assert prepared(codec, with_parameters(), offer=offer)
    assert prepared(codec, with_parameters(**parameters)), "another engine can"


def test_what_the_engine_cannot_honour_is_named_as_the_body_does(codec: TextCodec) -> None:
    parsed = parse_tgi(with_parameters())
    asked = parsed.parameters | {"count_penalty": 0.5}
    request = replace(parsed, parameters=asked, names={"count_penalty": "frequency_penalty"})
    offer = Offer(unsupported=frozenset({"count_penalty"}))
    with pytest.raises(RequestError, match="`frequency_penalty` is not supported by the engine small"):
        prepare(request, codec, offer, max_input=60, max_total=64)


def test_values_that_ask_an_engine_for_nothing_are_not_refused(codec: TextCodec) -> None:
    harmless = {
        "temperature": 1.0,
        "repetition_penalty": 1,
        "frequency_penalty": 0,
        "stop": [],
        "top_k": None,
    }
    assert prepared(codec, with_parameters(**harmless), offer=Offer(unsupported=frozenset(harmless)))


def test_a_seed_asks_for_nothing_where_nothing_is_drawn(codec: TextCodec) -> None:
    offer = Offer(unsupported=frozenset({"seed"}))
    assert prepared(codec, with_parameters(seed=3, temperature=1.0), offer=offer)
    with pytest.raises(RequestError, match="`seed` is not supported by the engine small"):
        prepared(codec, with_parameters(seed=3, top_p=0.5), offer=offer)


def test_an_adapter_is_chosen_by_name_and_an_unknown_one_names_the_known(codec: TextCodec) -> None:
    offer = Offer(adapters=("news", "sports"))
    assert prepared(codec, with_parameters(adapter_id="news"), offer=offer).adapter == "news"
    assert prepared(codec, with_parameters(), offer=offer).adapter is None
    with pytest.raises(RequestError, match="'new' is not loaded; known ones: news, sports"):
        prepared(codec, with_parameters(adapter_id="new"), offer=offer)
