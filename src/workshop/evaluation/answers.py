"""Every answer of an evaluation kept as it comes, so that one that was interrupted goes on where it stopped.

A file holds one JSON object a line: prompt, answer, seconds, settings. Its name carries a hash of the
settings: another model or temperature begins a file of its own, and going back finds the old answers again.

    pandas.read_json(kept.path, lines=True)     reads them
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from workshop.entries import now_utc
from workshop.errors import WorkshopError

NUM_HASH_CHARS = 12


@dataclass(frozen=True, kw_only=True)
class Row:
    """One answer.

    Args:
        prompt: What was asked: text, or the messages of a chat.
        repeat: Which of several answers to the same prompt this is, from 0.
        answer: What came back, unchanged.
        latency_s: Seconds from the question to the whole answer; of a batch, those of the batch.
        made_at: UTC, ISO 8601.
        settings: All that decides the answer besides the prompt.
        details: What else is known of it: seconds to the first token, size of the batch, why it ended.
    """

    prompt: Any
    repeat: int = 0
    answer: str
    latency_s: float
    made_at: str
    settings: dict[str, Any]
    details: dict[str, Any] = field(default_factory=dict)


class KeptAnswers:
    """The answers of one system under one set of settings; threads may share it.

    Args:
        folder: Made when it is missing; `settings.home / "evaluation"`.
        name: What is evaluated, as the beginning of the file's name.
        settings: All that decides an answer besides the prompt, as JSON can hold it: which model (a hash of
            its weights, not its place), endpoint, temperature, token limit.

    Example:
        kept = KeptAnswers(settings.home / "evaluation", "endpoint", {"model": ..., "max_new_tokens": 128})
        with ThreadPoolExecutor(max_workers=4) as pool:
            rows = list(pool.map(lambda prompt: kept.ask(prompt, summarise), prompts))
    """

    def __init__(self, folder: Path, name: str, settings: Mapping[str, Any]) -> None:
        self.settings = json.loads(json.dumps(settings))  # as a file gives it back
        digest = hashlib.sha256(_canonical(self.settings).encode("utf-8", "surrogatepass")).hexdigest()
        self.path = folder / f"{name}-{digest[:NUM_HASH_CHARS]}.jsonl"
        self._lock = Lock()
        self._rows, self.num_unreadable = self._read()
        if self.num_unreadable:
            print(f"{self.path}: unreadable lines, which count for nothing: {self.num_unreadable}")

    def __len__(self) -> int:
        return len(self._rows)

    def ask(self, prompt: Any, answer_to: Callable[[Any], str], *, repeat: int = 0) -> Row:
        """Return the kept answer to a prompt, or ask for it, measure how long that takes, and keep it.

        Raises:
            WorkshopError: The file cannot be written.
        """
        row = self._rows.get(_key(prompt, repeat))
        if row is None:
            started_s = time.perf_counter()
            answer = answer_to(prompt)
            row = self.keep(prompt, answer, latency_s=time.perf_counter() - started_s, repeat=repeat)
        return row

    def keep(self, prompt: Any, answer: str, *, latency_s: float, repeat: int = 0, **details: Any) -> Row:
        """Write one answer to the file before anything else happens.

        Raises:
            WorkshopError: The file cannot be written.
        """
        row = Row(
            prompt=prompt, repeat=repeat, answer=answer, latency_s=latency_s, made_at=now_utc(),
            settings=self.settings, details=details,
        )  # fmt: skip
        # Half of a surrogate pair is not UTF-8; as an escape it is still JSON.
        line = json.dumps(asdict(row), ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
        with self._lock:
            self._append(line)
            self._rows[_key(prompt, repeat)] = row
        return row

    def keep_batch(self, prompts: Sequence[Any], answers: Sequence[str], *, latency_s: float) -> None:
        """Write the answers to prompts that were generated together; the seconds are those of all of them.

        Raises:
            WorkshopError: The file cannot be written.
        """
        for prompt, answer in zip(prompts, answers, strict=True):
            self.keep(prompt, answer, latency_s=latency_s, batch_size=len(prompts))

    def missing(self, prompts: Sequence[Any], *, repeat: int = 0) -> list[Any]:
        """Return the prompts without an answer yet, each once, in their order."""
        waiting = {_key(prompt, repeat): prompt for prompt in prompts}
        return [prompt for key, prompt in waiting.items() if key not in self._rows]

    def rows(self, prompts: Sequence[Any], *, repeat: int = 0) -> list[Row]:
        """Return the kept answers to the prompts, in their order.

        Raises:
            WorkshopError: Some are missing.
        """
        num_missing = len(self.missing(prompts, repeat=repeat))
        if num_missing:
            raise WorkshopError(
                found=f"no answer to {num_missing} of {len(prompts)} prompts in {self.path}",
                expected="an answer to each",
                next_step="run the cell that asks for them again: it asks only for those",
            )
        return [self._rows[_key(prompt, repeat)] for prompt in prompts]

    def _read(self) -> tuple[dict[str, Row], int]:
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return {}, 0
        except OSError as problem:
            raise _file_error(self.path, "read", problem) from None
        rows: dict[str, Row] = {}
        num_unreadable = 0
        for line in filter(None, lines):
            row = _row_of(line)
            if row is None or row.settings != self.settings:
                num_unreadable += 1
            else:
                rows[_key(row.prompt, row.repeat)] = row
        return rows, num_unreadable

    def _append(self, line: bytes) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab+") as file:
                if file.seek(0, os.SEEK_END):  # a killed process may have left half a line
                    file.seek(-1, os.SEEK_END)
                    line = line if file.read(1) == b"\n" else b"\n" + line
                file.write(line)
        except OSError as problem:
            raise _file_error(self.path, "written", problem) from None


def weights_identity(location: str | Path) -> str:
    """Return what tells a model's weights from others: of a folder the state of its files, else the name.

    For settings: 16 GB are not read for it, so a folder that was copied counts as another one.
    """
    folder = Path(location)
    if not folder.is_dir():
        return str(location)
    files = sorted(path for path in folder.iterdir() if path.suffix in (".safetensors", ".bin", ".json"))
    stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return f"{folder.name} {hashlib.sha256(repr(stats).encode()).hexdigest()[:NUM_HASH_CHARS]}"


def _row_of(line: bytes) -> Row | None:
    try:
        row = Row(**json.loads(line))
    except (ValueError, TypeError):
        return None
    is_whole = isinstance(row.answer, str) and isinstance(row.latency_s, int | float)
    return row if is_whole and isinstance(row.repeat, int) else None


def _key(prompt: Any, repeat: int) -> str:
    return _canonical([prompt, repeat])


def _canonical(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _file_error(path: Path, what: str, problem: OSError) -> WorkshopError:
    return WorkshopError(
        found=f"{path} cannot be {what}: {problem.strerror}",
        expected="a file of answers in a writable folder with free space",
        next_step="free some space or set WORKSHOP_HOME to another folder, then run the cell again",
    )
