"""A container program for the tests: it does what a request's JSON, or its environment, asks for.

Request: {"status": 422, "text": "...", "sleep_s": 1, "until": "a file that is there", "print": "...",
"die": true, "tell": 1, "chunks": [["data", pause_s], ...], "stream_type": "application/jsonlines"}; whatever
else arrives is sent back.
"""

import json
import os
import signal
import socketserver
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

MODEL = Path(os.environ["SM_MODEL_DIR"])
num_open_streams = 0
adapters = {}  # name -> content of its adapter_config.json


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.answer(int(os.environ.get("PING_STATUS", "200")), b"")

    def do_DELETE(self):
        adapters.pop(self.path.rsplit("/", 1)[1])
        self.answer(200, b"")

    def load_adapter(self, given):
        if "REFUSED_ADAPTER" in Path(given["src"], "adapter_config.json").read_text():
            return self.answer(400, f"cannot load {given['src']}".encode())
        adapters[given["name"]] = Path(given["src"], "adapter_config.json").read_text()
        self.answer(200, b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/adapters":
            return self.load_adapter(json.loads(body))
        try:
            asked = json.loads(body)
            asked = asked if isinstance(asked, dict) else {}
        except ValueError:
            asked = {}
        if "print" in asked:
            print(asked["print"], flush=True)
        time.sleep(asked.get("sleep_s", 0) + float(os.environ.get("DELAY_S", "0")))
        while not os.path.exists(asked.get("until", "/")):
            time.sleep(0.01)
        if asked.get("die"):
            os._exit(3)
        if "chunks" in asked:
            return self.stream(asked)
        if asked.get("tell"):
            of_request = {"path": self.path, "authorization": self.headers.get("Authorization")}
            return self.answer(200, json.dumps(facts(self.headers) | of_request).encode())
        text = asked["text"].encode() if "text" in asked else body
        self.answer(asked.get("status", 200), text, {"X-Amzn-SageMaker-Custom-Attributes": "from-container"})

    def answer(self, status, body, headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", self.headers.get("Accept") or "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, asked):
        global num_open_streams
        num_open_streams += 1
        try:
            self.send_response(200)
            self.send_header("Content-Type", asked.get("stream_type", "text/event-stream"))
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.flush()
            for data, pause_s in asked["chunks"]:
                time.sleep(pause_s)
                if data == "DIE":
                    os._exit(4)
                raw = data.encode(asked.get("encoding", "utf-8"))
                self.wfile.write(b"%x\r\n%b\r\n" % (len(raw), raw))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            print("the reader of the stream has gone", flush=True)
            self.close_connection = True
        finally:
            num_open_streams -= 1


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def facts(headers):
    names = ("Content-Type", "Accept", "X-Amzn-SageMaker-Custom-Attributes", "X-Amzn-SageMaker-Inference-Id")
    return {
        "headers": {name: headers.get(name) for name in names},
        "files": files_in(MODEL),
        "literal": files_in(Path("/opt/ml/model")),
        "environ": dict(os.environ),
        "pid": os.getpid(),
        "adapters": adapters,
        "adapter": adapters.get(headers.get("X-Amzn-SageMaker-Adapter-Identifier")),
        "num_open_streams": num_open_streams,
        "num_threads": threading.active_count(),
    }


if __name__ == "__main__":
    print(f"model folder {MODEL} argv {sys.argv[1:]}", flush=True)
    if os.environ.get("DIE_AT_START"):
        print("loading\n" * 3000 + "cannot load the model", flush=True)
        sys.exit(7)
    if os.environ.get("IGNORE_SIGTERM"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(float(os.environ.get("START_DELAY_S", "0")))
    with Server((os.environ["HOST"], int(os.environ["PORT"])), Handler) as server:
        server.serve_forever()
