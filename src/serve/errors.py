"""Two kinds of errors: of who starts the server, and of who sends a request."""

from __future__ import annotations


class UserError(Exception):
    """State what was found, what was expected and what to do next; the server does not start.

    Args:
        found: What is there, with the name of the file, variable or value.
        expected: What should be there instead.
        next_step: One action.
    """

    def __init__(self, *, found: str, expected: str, next_step: str) -> None:
        self.found = found
        super().__init__(f"found     {found}\nexpected  {expected}\ndo next   {next_step}")


class RequestError(Exception):
    """Refuse a request with TGI's error body `{"error", "error_type"}`.

    Args:
        status: HTTP status.
        error_type: TGI's word: validation, overloaded, generation, incomplete_generation, healthcheck.
        message: What the caller reads.

    Source: text-generation-inference 3.3.7, router/src/infer/mod.rs (InferError).
    """

    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type
        self.body = {"error": message, "error_type": error_type}


def invalid(message: str) -> RequestError:
    """Refuse a value with TGI's status and wording for validation errors."""
    return RequestError(422, "validation", f"Input validation error: {message}")


def generation_failed(message: str) -> RequestError:
    return RequestError(424, "generation", f"Request failed during generation: {message}")


def incomplete(reason: str) -> RequestError:
    return RequestError(500, "incomplete_generation", f"Incomplete generation: {reason}")
