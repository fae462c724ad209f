"""An HTTP client for a server on this machine, for any number of threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from workshop.inference.answers import Answer, AnswerStream, InferenceError, Piece
from workshop.inference.dialects import Dialect
from workshop.inference.error_responses import response_error
from workshop.prompt import Message

if TYPE_CHECKING:
    from requests import Response, Session

TIMEOUT_S = 60.0
"""Between two bytes of an answer; SageMaker waits as long for a whole one."""

CONNECT_TIMEOUT_S = 60.0
MAX_RETRIES = 4
BACKOFF_S = 0.25
MAX_WAIT_S = 30.0


class Client:
    """Ask a server that speaks the routes of a SageMaker container.

    What the server has refused for want of room (429, 503, TGI's overload event before any token) and what
    never reached it (connection refused) is sent again; nothing else is, for the model may have worked on it.

    Args:
        url: http://HOST:PORT
        timeout_s: Longest silence of the server, in seconds.
        max_retries: 0 sends everything once.
        backoff_s: Wait before the first retry; it doubles. The server's Retry-After wins. Seconds.
    """

    def __init__(
        self,
        url: str,
        dialect: Dialect,
        *,
        timeout_s: float = TIMEOUT_S,
        max_retries: int = MAX_RETRIES,
        backoff_s: float = BACKOFF_S,
    ) -> None:
        import requests  # noqa: F401 - 0.3 s, that would count as the time to the first token

        self.url, self.dialect = url.rstrip("/"), dialect
        self._timeout_s, self._max_retries, self._backoff_s = timeout_s, max_retries, backoff_s
        self._local = threading.local()
        self._sessions: list[Session] = []

    def invoke(self, prompt: str | Sequence[Message], **parameters: Any) -> Answer:
        """Return the answer in one piece.

        Args:
            prompt: Text or messages; see `Dialect.body`.
            parameters: As in `Parameters`.

        Raises:
            InferenceError: The server refused, failed, or did not answer.
            WorkshopError: A parameter is wrong.
        """
        body, started_s = self.dialect.body(prompt, **parameters), time.perf_counter()
        response = self._send(body, stream=False)
        seconds = time.perf_counter() - started_s
        return self.dialect.answer(response.content, response.headers, seconds=seconds)

    def stream(self, prompt: str | Sequence[Message], **parameters: Any) -> AnswerStream:
        """Return the answer piece by piece; the request is sent when the first one is asked for.

        Args:
            prompt: Text or messages; see `Dialect.body`.
            parameters: As in `Parameters`.

        Raises:
            InferenceError: While it is read: the server refused, failed, or broke off.
            WorkshopError: A parameter is wrong.
        """
        body = self.dialect.body(prompt, stream=True, **parameters)
        return AnswerStream(self._pieces(body), time.perf_counter())

    def close(self) -> None:
        """Close the connections of all threads."""
        for session in self._sessions:
            session.close()

    def _pieces(self, body: bytes) -> Iterator[Piece]:
        for attempt in range(self._max_retries + 1):
            response, has_token = self._send(body, stream=True), False
            try:
                for piece in self.dialect.pieces(_parts(response)):
                    has_token = has_token or piece.is_token
                    yield piece
                return
            except InferenceError as error:
                if has_token or not error.is_overload or attempt == self._max_retries:
                    raise
            finally:
                response.close()
            self._wait(attempt)

    def _send(self, body: bytes, *, stream: bool) -> Response:
        """Post a body until the server takes it, and return its answer of status 200."""
        import requests

        for attempt in range(self._max_retries + 1):
            is_final = attempt == self._max_retries
            try:
                response = self._session().post(
                    f"{self.url}/invocations",
                    data=body,
                    headers={"Content-Type": "application/json"},
                    timeout=(CONNECT_TIMEOUT_S, self._timeout_s),
                    stream=stream,
                )
            except requests.exceptions.ConnectTimeout as error:
                raise self._no_answer(error) from None
            except requests.exceptions.Timeout:
                raise self._silent() from None
            except requests.exceptions.ConnectionError as error:
                if is_final or not _was_refused(error):
                    raise self._no_answer(error) from None
                self._wait(attempt)
                continue
            if response.status_code == 200:
                return response
            error = response_error(self.dialect.engine, response.status_code, response.content)
            response.close()
            if is_final or response.status_code not in (429, 503):
                raise error
            self._wait(attempt, response.headers.get("Retry-After"))
        raise AssertionError("the last attempt returns or raises")

    def _session(self) -> Session:
        """Return this thread's session: requests does not promise that several may share one."""
        import requests

        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            # A proxy in the environment would be asked for loopback too.
            self._local.session.trust_env = False
            self._sessions.append(self._local.session)
        return self._local.session

    def _wait(self, attempt: int, retry_after: str | None = None) -> None:
        asked_s = _seconds(retry_after)
        time.sleep(min(self._backoff_s * 2**attempt if asked_s is None else asked_s, MAX_WAIT_S))

    def _no_answer(self, error: Exception) -> InferenceError:
        return InferenceError(
            found=f"no answer from {self.url} ({type(error).__name__})",
            expected=f"{self.dialect.title} listening there",
            next_step="run the cell that starts the server; if it ran before, its log says why it ended",
        )

    def _silent(self) -> InferenceError:
        return InferenceError(
            found=f"{self.dialect.title} at {self.url} silent for {self._timeout_s:g} s",
            expected="an answer within that time",
            next_step="ask for fewer tokens, send fewer requests at once, or stream",
        )


def _parts(response: Response) -> Iterator[bytes]:
    """Yield the bytes of an answer as they come; a connection that breaks is an error of its own."""
    import requests

    try:
        yield from response.iter_content(chunk_size=None)
    except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError) as error:
        raise InferenceError(
            found=f"a connection that broke in the middle of an answer ({type(error).__name__})",
            expected="tokens until the end of the answer",
            next_step="look at the server's log: it was ended, or it was silent too long; then call again",
        ) from None


def _was_refused(error: Exception) -> bool:
    """Tell whether a connection never came about, so that the server has seen nothing of the request."""
    from urllib3.exceptions import NewConnectionError

    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", cause), NewConnectionError)


def _seconds(retry_after: str | None) -> float | None:
    """Read a Retry-After: seconds, or a date (RFC 9110, 10.2.3)."""
    if retry_after is None:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None
