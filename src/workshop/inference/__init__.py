"""What is sent to a server or an endpoint, what comes back, and a client for servers on this machine.

    dialect = DIALECTS[settings.serving_engine]
    client = Client(server.url, dialect)
    client.invoke(prompt_text(messages)).text          # text: the prompt as training wrote it
    client.invoke(messages, temperature=0.7, top_p=0.9)  # chat: the server renders it by its own template
    for piece in client.stream(messages):
        print(piece.text, end="")

The same dialect reads what boto3 receives from an endpoint. The calls of boto3 and OpenAI's client stand in
the notebooks.
"""

from __future__ import annotations

from workshop.inference.answers import Answer, AnswerStream, InferenceError, Piece
from workshop.inference.client import Client
from workshop.inference.dialects import DIALECTS, LMI, TGI, VLLM, Dialect, prompt_text, who_answered
from workshop.inference.error_responses import endpoint_error, response_error
from workshop.inference.parameters import MAX_NEW_TOKENS, Parameters

__all__ = [
    "DIALECTS",
    "LMI",
    "MAX_NEW_TOKENS",
    "TGI",
    "VLLM",
    "Answer",
    "AnswerStream",
    "Client",
    "Dialect",
    "InferenceError",
    "Parameters",
    "Piece",
    "endpoint_error",
    "prompt_text",
    "response_error",
    "who_answered",
]
