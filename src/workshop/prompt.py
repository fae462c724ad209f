"""The messages of one summary: built here for training, evaluation and serving alike.

How they become text is decided in src/train/chat_template.jinja alone, which is shipped with every model;
it is read from there by path, because the training folder travels to SageMaker by itself.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TypedDict

from workshop.errors import WorkshopError

# The missing space after "articles." is the original format's; a model tuned on it expects it.
SYSTEM = (
    "You are an AI assistant specialized in news articles.Your role is to provide accurate summaries and "
    "insights in Korean. Please analyze the given text and provide concise, informative summaries that "
    "highlight the key goals and findings."
)
REQUEST = "Please summarize the goals for journalist in this text:"
BEGIN_TOKEN = "<|begin_of_text|>"
END_TOKEN = "<|end_of_text|>"

_TEMPLATE_PATH = Path(__file__).resolve().parents[1] / "train" / "chat_template.jinja"
_NEXT_STEP = "write the data set again with the notebook 01-Prepare-Dataset-KR-News"
_BEFORE_ARTICLE = REQUEST + "\n\n"


class Message(TypedDict):
    """One turn of a chat, as transformers, TRL and the serving routes take it."""

    role: str
    content: str


def chat_messages(article: str, summary: str | None = None) -> list[Message]:
    """Build the messages that ask for a summary, and that answer when one is given.

    Args:
        article: The article's text, as it is.
        summary: The answer to train on; left out when a model is to write it.
    """
    messages = [
        Message(role="system", content=SYSTEM),
        Message(role="user", content=_BEFORE_ARTICLE + article),
    ]
    if summary is not None:
        messages.append(Message(role="assistant", content=summary))
    return messages


def article_of(messages: Sequence[Message]) -> str:
    """Return the article that `chat_messages` was given.

    Raises:
        WorkshopError: The messages hold no request of this workshop's form.
    """
    content = _content(messages, "user")
    if not content.startswith(_BEFORE_ARTICLE):
        raise WorkshopError(
            found=f"a user message that begins with {content[:40]!r}",
            expected=f"{REQUEST!r}, an empty line and the article",
            next_step=_NEXT_STEP,
        )
    return content[len(_BEFORE_ARTICLE) :]


def summary_of(messages: Sequence[Message]) -> str:
    """Return the summary that `chat_messages` was given.

    Raises:
        WorkshopError: The messages end before an answer.
    """
    return _content(messages, "assistant")


def chat_template() -> str:
    """Read the chat template that every tokenizer of this workshop carries.

    Raises:
        WorkshopError: The file is not where the repository keeps it.
    """
    try:
        return _TEMPLATE_PATH.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise WorkshopError(
            found=f"no chat template at {_TEMPLATE_PATH}",
            expected="the repository's src/train beside src/workshop",
            next_step="install from a clone of the repository with `pip install -e .`",
        ) from None


def render(
    messages: Sequence[Message],
    *,
    begin_token: str = BEGIN_TOKEN,
    end_token: str = END_TOKEN,
    add_generation_prompt: bool = False,
) -> str:
    """Render messages as the text a model reads, without needing its tokenizer.

    The result equals `tokenizer.apply_chat_template(messages, tokenize=False)` of a tokenizer that carries
    the template.
    """
    return _compiled_template(chat_template()).render(
        messages=messages,
        bos_token=begin_token,
        eos_token=end_token,
        add_generation_prompt=add_generation_prompt,
    )


def _content(messages: Sequence[Message], role: str) -> str:
    for message in messages:
        if message["role"] == role:
            return message["content"]
    roles = ", ".join(message["role"] for message in messages) or "none"
    raise WorkshopError(
        found=f"messages of the roles {roles}",
        expected=f"a message of the role {role}",
        next_step=_NEXT_STEP,
    )


@cache
def _compiled_template(source: str):
    import jinja2
    from jinja2.ext import Extension
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """transformers' `{% generation %}` marks the trained part; for text alone it has no effect."""

        tags = frozenset({"generation"})

        def parse(self, parser):
            parser.stream.expect("name:generation")
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    def raise_exception(message: str) -> None:
        raise jinja2.TemplateError(message)

    # The environment that transformers compiles chat templates in.
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation])
    environment.globals["raise_exception"] = raise_exception
    return environment.from_string(source)
