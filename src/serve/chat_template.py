"""A model folder's own chat template: messages to the text that the model reads.

The template is rendered as transformers does it, without importing transformers: 3.4 s later a server would
be ready otherwise, and the fast engine needs nothing else of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from serve.errors import RequestError

# Put at the end of a message that is continued; its space tells whether the template strips messages.
_END_MARK = "CONTINUE_FINAL_MESSAGE_TAG "


class ChatTemplate:
    """Render messages; compiled when it is first used.

    Args:
        source: Jinja; None when the folder has no template.
        special_tokens: bos_token, eos_token and the like, as the template may name them.
    """

    def __init__(self, source: str | None, special_tokens: Mapping[str, str]) -> None:
        self._source = source
        self._special_tokens = dict(special_tokens)

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        add_generation_prompt: bool = True,
        variables: Mapping[str, Any] | None = None,
    ) -> str:
        """Return the prompt that an assistant's answer follows.

        The ids of the text, encoded without further special tokens, are those of
        `tokenizer.apply_chat_template(messages, add_generation_prompt=True)`.

        Args:
            variables: Further ones of the template.

        Raises:
            RequestError: 422 template_error: no template, a broken one, or one that refuses the messages.
        """
        if self._source is None:
            raise template_error(
                "template not found: this model has no chat_template.jinja and no chat_template in "
                "tokenizer_config.json. Send its prompt as `inputs` (or `prompt`), or put the chat template "
                "that it was trained with beside its config.json"
            )
        given = {"documents": None, **self._special_tokens, **(variables or {}), "tools": None}
        given |= {"messages": messages, "add_generation_prompt": add_generation_prompt}
        try:
            return self._compiled.render(given)
        except Exception as error:  # whatever a template does with messages it was not written for
            raise template_error(str(error) or type(error).__name__) from error

    def render_as_tgi(self, messages: Sequence[Mapping[str, Any]]) -> str:
        """Return the prompt; a last message of the assistant is left open, for the answer to continue.

        Source: text-generation-inference 3.3.6, router/src/infer/chat_template.rs.
        """
        text = self.render(messages)
        if messages and messages[-1]["role"] == "assistant":
            content = messages[-1]["content"]
            if (start := text.rfind(content)) >= 0:
                return text[: start + len(content)].rstrip()
        return text

    def render_continued(
        self, messages: Sequence[Mapping[str, Any]], variables: Mapping[str, Any] | None = None
    ) -> str:
        """Return the prompt that ends within its last message, as transformers' continue_final_message does.

        Raises:
            RequestError: As `render`; or the template leaves out the end of the last message.
        """
        if not messages:
            raise template_error("continue_final_message is set but there are no messages")
        last = {**messages[-1], "content": messages[-1]["content"] + _END_MARK}
        text = self.render([*messages[:-1], last], add_generation_prompt=False, variables=variables)
        before, mark, after = text.rpartition(_END_MARK.strip())
        if not mark:
            raise template_error(
                "continue_final_message is set but the template changes the last message's end"
            )
        # Without the mark's space the template strips its messages, and so the end is stripped too.
        return before if after.startswith(" ") else before.rstrip()

    @cached_property
    def _compiled(self):
        import jinja2
        from jinja2.ext import Extension, LoopControlExtension
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        class Generation(Extension):
            """`{% generation %}` marks the trained part; for text alone it has no effect."""

            tags = frozenset({"generation"})

            def parse(self, parser):
                parser.stream.expect("name:generation")
                return parser.parse_statements(("name:endgeneration",), drop_needle=True)

        def raise_exception(message: str) -> None:
            raise jinja2.TemplateError(message)

        def to_json(value: Any, indent: int | None = None) -> str:
            return json.dumps(value, ensure_ascii=False, indent=indent)

        def now(form: str) -> str:
            return datetime.now().strftime(form)

        # The environment that transformers compiles chat templates in.
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[Generation, LoopControlExtension]
        )
        environment.filters["tojson"] = to_json
        environment.globals.update(raise_exception=raise_exception, strftime_now=now)
        return environment.from_string(self._source)


def template_error(message: str) -> RequestError:
    """Refuse with TGI's wording.

    Source: text-generation-inference 3.3.7, router/src/infer/mod.rs (InferError::TemplateError).
    """
    return RequestError(422, "template_error", f"Template error: {message}")
