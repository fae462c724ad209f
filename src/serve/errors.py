"""Errors of who sends a request. Those of who starts the server are `processes.errors.UserError`."""

from __future__ import annotations


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
