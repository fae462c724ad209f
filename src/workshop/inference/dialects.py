"""TGI, LMI and vLLM: the same question in three bodies, and three forms of answer read alike."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workshop.errors import WorkshopError
from workshop.inference.answers import Answer, AnswerStream, InferenceError, Piece
from workshop.inference.error_responses import response_error
from workshop.inference.parameters import Parameters
from workshop.inference.streams import DONE, json_events, unexpected
from workshop.prompt import Message, render
from workshop.serving.engines import ENGINES


def prompt_text(messages: Sequence[Message]) -> str:
    """Return the prompt as the model was trained on it, without the begin token.

    The server's tokenizer adds that token, and the model was trained with one.
    """
    return render(messages, begin_token="", add_generation_prompt=True)


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """What one engine calls things.

    Args:
        engine: A name of ENGINES, as in the settings.
        has_inputs: Whether a text goes as `inputs` with `parameters`; as `prompt` in OpenAI's form if not.
        stop_name: What `parameters` calls the stop texts.
        chat_lacks: Parameters that its chat route does not know.
    """

    engine: str
    has_inputs: bool
    stop_name: str = "stop"
    chat_lacks: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return ENGINES[self.engine].title

    def body(self, prompt: str | Sequence[Message], *, stream: bool = False, **parameters: Any) -> bytes:
        """Return the body of a request to /invocations.

        Args:
            prompt: A text, see `prompt_text`; or messages, which the server renders by its own template.
            stream: Ask for one event a token.
            parameters: As in `Parameters`.

        Raises:
            WorkshopError: A parameter is unknown, out of range, or missing in this engine.
        """
        asked = Parameters.of(parameters)
        if not isinstance(prompt, str):
            content = {"messages": list(prompt), **self._openai(asked, self.chat_lacks)}
        elif self.has_inputs:
            content = {"inputs": prompt, "parameters": self._parameters(asked)}
        else:
            content = {"prompt": prompt, **self._openai(asked, ())}
        if stream:
            content["stream"] = True
            if "inputs" not in content:
                content["stream_options"] = {"include_usage": True}
        return json.dumps(content, ensure_ascii=False).encode("utf-8")

    def answer(self, body: bytes, headers: Mapping[str, str] | None = None, **times: Any) -> Answer:
        """Read an answer that came in one piece.

        Args:
            body: Its bytes.
            headers: TGI tells the numbers of tokens there.
            times: seconds, where they are known.

        Raises:
            InferenceError: It is in none of the engine's forms, or says that generating has failed.
        """
        try:
            content = json.loads(body)
            first = content[0] if isinstance(content, list) else content
            if "choices" in first:
                return _openai_answer(first, times)
            if not self.has_inputs:
                raise unexpected(body)
            text, details = first["generated_text"].strip(), first.get("details") or {}
        except (ValueError, LookupError, TypeError, AttributeError):
            raise unexpected(body) from None
        self._check_reason(details.get("finish_reason"))
        given = {name.lower(): value for name, value in (headers or {}).items()}
        return Answer(
            text=text,
            finish_reason=details.get("finish_reason"),
            num_prompt_tokens=_number(given.get("x-prompt-tokens")),
            num_generated_tokens=_number(details.get("generated_tokens") or given.get("x-generated-tokens")),
            **times,
        )

    def stream(
        self, parts: Iterable[bytes | dict[str, Any]], *, started_s: float | None = None
    ) -> AnswerStream:
        """Read an answer while it comes.

        Args:
            parts: Bytes as they come, or the Body of boto3's invoke_endpoint_with_response_stream.
            started_s: When the request was sent (time.perf_counter); now when None.
        """
        return AnswerStream(self.pieces(parts), time.perf_counter() if started_s is None else started_s)

    def pieces(self, parts: Iterable[bytes | dict[str, Any]]) -> Iterator[Piece]:
        """Yield what every event of a stream adds.

        Raises:
            InferenceError: The server reports an error, ends before the answer does, or speaks another form.
        """
        num_tokens, has_ended = 0, False
        for content in json_events(parts):
            if content is DONE:
                has_ended = True
                continue
            piece = self._piece(content)
            num_tokens, has_ended = num_tokens + piece.is_token, has_ended or piece.is_last
            yield piece
        if not has_ended:
            raise InferenceError(
                found=f"a stream that stopped after {num_tokens} tokens, before the answer's end",
                expected=f"an event with a finish reason, as {self.title} sends at the end",
                next_step="look at the server's log: it was ended, or it took too long; then call again",
            )

    def _parameters(self, asked: Parameters) -> dict[str, Any]:
        """Return `parameters` as TGI and LMI take them; without do_sample and warpers both are greedy."""
        given: dict[str, Any] = {
            "max_new_tokens": asked.max_new_tokens,
            "return_full_text": False,
            # Brings the finish reason and the number of tokens.
            "details": True,
        }
        if asked.samples:
            given |= {"do_sample": True, "temperature": asked.sampling_temperature}
        if asked.top_p not in (None, 1):  # TGI refuses 1
            given["top_p"] = asked.top_p
        if asked.top_k not in (None, 0):  # and 0
            given["top_k"] = asked.top_k
        if asked.stop:
            given[self.stop_name] = list(asked.stop)
        return given | _set(asked, "repetition_penalty", "seed")

    def _openai(self, asked: Parameters, lacks: tuple[str, ...]) -> dict[str, Any]:
        """Return parameters in OpenAI's form. Without a temperature all three engines sample there."""
        for name in lacks:
            if getattr(asked, name) is not None:
                raise WorkshopError(
                    found=f"{name} = {getattr(asked, name)!r} with chat messages",
                    expected=f"{self.title}'s chat route without it: it would be ignored silently",
                    next_step=f"leave {name} out, or send the prompt as text: prompt_text(messages)",
                )
        given: dict[str, Any] = {
            "max_tokens": asked.max_new_tokens,
            "temperature": asked.sampling_temperature,
        }
        if asked.stop:
            given["stop"] = list(asked.stop)
        if asked.top_k:
            given["top_k"] = asked.top_k
        return given | _set(asked, "top_p", "repetition_penalty", "seed")

    def _piece(self, content: Any) -> Piece:
        if not isinstance(content, dict):
            raise unexpected(json.dumps(content).encode())
        if content.get("error") or content.get("object") == "error":
            raise response_error(self.engine, None, json.dumps(content, ensure_ascii=False))
        if "choices" in content:
            return _openai_piece(content)
        if "token" not in content or not self.has_inputs:
            raise unexpected(json.dumps(content, ensure_ascii=False).encode())
        token, details = content["token"] or {}, content.get("details") or {}
        self._check_reason(details.get("finish_reason"))
        # LMI calls it special_token.
        is_special = bool(token.get("special") or token.get("special_token"))
        return Piece(
            text="" if is_special else token.get("text", ""),
            is_token=True,
            is_special=is_special,
            is_last=content.get("generated_text") is not None,
            finish_reason=details.get("finish_reason"),
            num_generated_tokens=_number(details.get("generated_tokens")),
        )

    def _check_reason(self, finish_reason: str | None) -> None:
        """LMI answers 200 and an empty text when generating fails, and says so only here."""
        if finish_reason == "error":
            raise response_error(self.engine, None, "generation failed (finish_reason: error)")


TGI = Dialect(
    engine="tgi",
    has_inputs=True,
    # Of TGI's ChatRequest (3.3.7): it has frequency_penalty and presence_penalty in their place.
    chat_lacks=("top_k", "repetition_penalty"),
)
LMI = Dialect(engine="lmi", has_inputs=True, stop_name="stop_sequences")
VLLM = Dialect(engine="vllm", has_inputs=False)
DIALECTS: dict[str, Dialect] = {dialect.engine: dialect for dialect in (TGI, LMI, VLLM)}


def who_answered(answer: bytes) -> str:
    """Return which engine wrote the answer to a chat, as far as it can be told from its id.

    Source: TGI leaves it empty (text-generation-inference, issue 1782); vLLM and LMI number their answers.
    """
    return "vLLM or LMI" if json.loads(answer).get("id") else TGI.title


def _openai_answer(content: dict[str, Any], times: dict[str, Any]) -> Answer:
    choice, usage = content["choices"][0], content.get("usage") or {}
    text = choice["message"]["content"] if "message" in choice else choice["text"]
    return Answer(
        text=text.strip(),
        finish_reason=choice.get("finish_reason"),
        num_prompt_tokens=usage.get("prompt_tokens"),
        num_generated_tokens=usage.get("completion_tokens"),
        model=content.get("model") or "",
        **times,
    )


def _openai_piece(content: dict[str, Any]) -> Piece:
    choice, usage = (content["choices"] or [{}])[0], content.get("usage") or {}
    text = (choice.get("delta") or {}).get("content") or choice.get("text") or ""
    return Piece(
        text=text,
        is_token=bool(text),
        is_last=bool(choice.get("finish_reason")),
        finish_reason=choice.get("finish_reason") or None,  # TGI writes "" until the last
        num_prompt_tokens=usage.get("prompt_tokens"),
        num_generated_tokens=usage.get("completion_tokens"),
    )


def _set(asked: Parameters, *names: str) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(asked, name)) is not None}


def _number(value: Any) -> int | None:
    return int(value) if value is not None and str(value).isdigit() else None
