"""No run of LangChain is sent to LangSmith, whatever a user's variables say."""

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

PROGRAM = """
import sys
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.langchain import wait_for_all_tracers
from workshop.retrieval.tracing import without_langsmith
if sys.argv[1] == "off":
    without_langsmith()
print(RunnableLambda(lambda text: text + "!").batch(["a", "b"]))
wait_for_all_tracers()
"""


@pytest.fixture
def langsmith():
    """LangSmith's address, which counts who calls."""
    calls = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            calls.append(self.path)
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_GET = do_POST = do_PATCH = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", calls
    server.shutdown()


@pytest.mark.parametrize("how", ["on", "off"])
def test_a_run_is_traced_only_without_the_switch(langsmith, how: str) -> None:
    url, calls = langsmith
    environ = {
        **os.environ,
        "LANGSMITH_TRACING": "true",
        "LANGCHAIN_TRACING_V2": "true",
        "LANGSMITH_ENDPOINT": url,
        "LANGSMITH_API_KEY": "a-key",
    }
    if how == "off":
        environ |= {"LANGCHAIN_TRACING": "true", "LANGCHAIN_HANDLER": "langchain"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, how], env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['a!', 'b!']"
    assert bool(calls) == (how == "on"), calls
