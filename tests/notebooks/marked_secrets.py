"""Secrets that can be recognised, planted where a person has theirs, and looked for in what a walk leaves.

secrets = MarkedSecrets(folder)
secrets.variables            # for the environment of what runs
with secrets.watching(home): # /proc/PID/environ of what the AWS on this machine starts, while it runs
    ...
secrets.found_below(home)    # ["sample/job.log: HF_TOKEN", ...]
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil

_POLL_S = 0.5
_PLANTED = "planted"
_STEM = "QMARKEDSECRETZ"
# Name -> what is around the marked part. Where a library sends them, it is the form that it expects.
_FORMS = {
    "HF_TOKEN": "hf_{}",
    "HUGGING_FACE_HUB_TOKEN": "hf_{}",
    "AWS_ACCESS_KEY_ID": "AKIA{}",
    "AWS_SECRET_ACCESS_KEY": "{}",
    "AWS_SESSION_TOKEN": "{}",
    "WANDB_API_KEY": "{}",
    "OPENAI_API_KEY": "sk-{}",
    "GITHUB_TOKEN": "ghp_{}",
    "DATABASE_PASSWORD": "{}",
    "PIP_INDEX_URL": "https://someone:{}@127.0.0.1:9/simple",
    "MLFLOW_TRACKING_URI": "https://someone:{}@127.0.0.1:9/mlflow",
    "MLFLOW_TRACKING_TOKEN": "{}",
}
# Made on the way, so that they have no mark: good until they expire, for whoever reads them.
_SIGNED = {
    "a bearer token": re.compile(rb"sagemaker-api-key-[A-Za-z0-9+/=]{40}"),
    "a signed address": re.compile(rb"X-Amz-Signature=[0-9a-f]{40}"),
}


class MarkedSecrets:
    """Hold the marks, and what they were found in.

    Args:
        folder: For the token file of HF_HOME and a shared credentials file; inside of what is looked through,
            it is passed over.

    Attributes:
        variables: Name -> value, for an environment.
        kinds: Of the programs whose environments were looked at: "job", "server", "sandbox".
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / _PLANTED
        names = (*_FORMS, "a token file", "a key of a profile")
        self._marks = {name: f"{_STEM}{number:02}QZQZQZ" for number, name in enumerate(names)}
        self.variables = {name: form.format(self._marks[name]) for name, form in _FORMS.items()}
        self.variables |= {
            "HF_HOME": str(self._folder / "huggingface"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self._folder / "credentials"),
        }
        self._plant()
        self._forms = {name: _as_written(mark) for name, mark in self._marks.items()}
        self._seen: dict[Path, tuple[int, int]] = {}
        self._in_processes: dict[str, None] = {}
        self.kinds: set[str] = set()

    def _plant(self) -> None:
        token, credentials = self._folder / "huggingface" / "token", self._folder / "credentials"
        token.parent.mkdir(parents=True, exist_ok=True)
        token.write_text(f"hf_{self._marks['a token file']}")
        key = self._marks["a key of a profile"]
        credentials.write_text(f"[default]\naws_access_key_id = AKIA{key}\naws_secret_access_key = {key}\n")

    def in_bytes(self, content: bytes) -> list[str]:
        """Return the names of the secrets in some bytes."""
        found: list[str] = []
        if any(stem in content for stem in _as_written(_STEM)):  # a walk leaves 100 MB without one
            found = [name for name, forms in self._forms.items() if any(form in content for form in forms)]
        return found + [name for name, form in _SIGNED.items() if form.search(content)]

    def found_below(self, folder: Path) -> list[str]:
        """Look through every file, packed ones too, that was not looked through as it is; sorted."""
        files = self._new_files(folder)
        return sorted(f"{place}: {name}" for place, content in files for name in self.in_bytes(content))

    def _new_files(self, folder: Path) -> Iterator[tuple[str, bytes]]:
        for path in folder.rglob("*"):
            if self._folder in path.parents or not path.is_file() or path.is_symlink():
                continue
            with contextlib.suppress(FileNotFoundError):  # a server removes its own
                status = path.stat()
                now = (status.st_mtime_ns, status.st_size)
                if self._seen.get(path) == now:
                    continue
                self._seen[path] = now
                content = path.read_bytes()
                place = str(path.relative_to(folder))
                yield place, place.encode() + b"\n" + content
                if content.startswith(b"\x1f\x8b"):
                    yield f"{place} > content", gzip.decompress(content)

    @contextlib.contextmanager
    def watching(self, home: Path) -> Iterator[None]:
        """Look at the environments of the AWS on this machine and of all that it starts, and of servers."""
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(_POLL_S):
                self.look_at_processes(home)

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    @property
    def found_in_processes(self) -> list[str]:
        return list(self._in_processes)

    def look_at_processes(self, home: Path) -> None:
        """Look at the programs that run at this moment, once."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                command = process.cmdline()
                if "sandbox" in command and str(home) in " ".join(command):
                    self._look_at(process, "sandbox")
                    for child in process.children(recursive=True):
                        with contextlib.suppress(psutil.Error, OSError):
                            is_job = "TRAINING_JOB_NAME" in child.environ()
                            self._look_at(child, "job" if is_job else "server")
                elif command[1:3] == ["-m", "serve"]:
                    self._look_at(process, "server")

    def _look_at(self, process: psutil.Process, kind: str) -> None:
        self.kinds.add(kind)
        content = Path(f"/proc/{process.pid}/environ").read_bytes() + b"\0".join(
            word.encode() for word in process.cmdline()
        )
        for name in self.in_bytes(content):
            self._in_processes[f"environment of {kind} ({' '.join(process.cmdline())[:120]}): {name}"] = None


def _as_written(mark: str) -> list[bytes]:
    """Return a mark as text and as what base64 makes of it, wherever in a longer text it begins."""
    raw, forms = mark.encode(), [mark.encode()]
    for start in range(3):
        # The first and the last characters depend on what is around.
        forms.append(base64.b64encode(b"\0" * start + raw)[4:-4])
    return forms
