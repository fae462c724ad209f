"""A program that is killed after its request arrived and before it could read the answer."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

TIMEOUT_S = 300
HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "expect", "content-length")


def run_until_request(code: str, pattern: str, *, url: str, folder: Path, environ: Mapping[str, str]) -> None:
    """Run a program whose AWS is `url`, and kill it between a request that matches and its answer.

    Args:
        code: Python; what it asks AWS for goes through a proxy in this process.
        pattern: Found in "METHOD PATH TARGET BODY" of the request, of which the proxy awaits the answer.
        folder: For the profile that names the proxy.
        environ: Added to this process's.
    """
    stop = threading.Event()

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            target = self.headers.get("X-Amz-Target", "")
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
            connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT_S)
            connection.request(self.command, self.path, body=body, headers=headers)
            answer = connection.getresponse()
            content = answer.read()
            asked = f"{self.command} {self.path} {target} {body[:2000].decode('latin-1')}"
            if re.search(pattern, asked):
                assert answer.status < 300, content
                stop.set()  # first: the other thread goes on as soon as the child has ended
                child.send_signal(signal.SIGKILL)
                return
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", answer.getheader("Content-Length") or str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_one  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        profile = folder / "proxy-config"
        keys = "aws_access_key_id = a\naws_secret_access_key = b\n"
        profile.write_text(f"[default]\nendpoint_url = http://127.0.0.1:{server.server_port}\n{keys}")
        child = subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, **environ, "AWS_CONFIG_FILE": str(profile)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        output, _ = child.communicate(timeout=TIMEOUT_S)
        server.shutdown()
    assert stop.is_set(), output
    assert child.returncode == -signal.SIGKILL, output
