"""A training on this machine that is not repeated: run again, the cell shows what it has printed before.

    training = launch_once(command, made_of={"data": ...}, leaves=..., log_path=..., timeout_s=600)

One that was interrupted is launched again, and its log goes on.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from processes.files import atomic_write
from workshop.training.launch import LaunchResult, launch
from workshop.training.runs import digest_of
from workshop.view.command_text import short_name
from workshop.view.live import make_view
from workshop.view.process_output import Reader


def launch_once(
    command: Sequence[str],
    *,
    made_of: Mapping[str, Any],
    leaves: Path,
    log_path: Path,
    start_again: bool = False,
    **how: Any,
) -> LaunchResult:
    """Launch a command, unless it has ended well and all that it is made of is as it was.

    Args:
        command: As in `launch`; it counts as part of `made_of`.
        made_of: As in `keep_run`.
        leaves: A file that is there when it has ended well.
        log_path: Where its output is written; what is known of the run is in a JSON file beside it.
        start_again: Launch it in any case.
        how: As in `launch`.

    Raises:
        LaunchError: See `launch`.
        KeyboardInterrupt: See `launch`.
    """
    record_path, earlier_path = log_path.with_suffix(".json"), log_path.with_suffix(".earlier.log")
    digest = digest_of({"command": list(command), **made_of})
    record = _read(record_path)
    is_same = record.get("sha256") == digest and log_path.is_file() and not start_again
    if is_same and "wall_s" in record and leaves.is_file():
        return _shown_again(command, log_path, record["wall_s"])
    earlier = b""
    if is_same and "wall_s" not in record:
        earlier = earlier_path.read_bytes() + log_path.read_bytes()
    log_path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(earlier_path, earlier)
    atomic_write(record_path, json.dumps({"sha256": digest}))
    result = launch(command, log_path=log_path, **how)
    atomic_write(log_path, earlier + log_path.read_bytes())
    atomic_write(record_path, json.dumps({"sha256": digest, "wall_s": result.wall_s}))
    earlier_path.unlink()
    return _shown_again(command, log_path, result.wall_s) if earlier else result


def _shown_again(command: Sequence[str], log_path: Path, wall_s: float) -> LaunchResult:
    """Show what a log says, and return it; of a step that was done twice the second time counts."""
    name = short_name(command)
    reader = Reader(io.StringIO(), lambda text: text, make_view(name))
    reader.feed(log_path.read_bytes())
    reader.close()
    records = {(record.get("step"), "loss" in record): record for record in reader.records}
    reader.view.end("done", f"{name} · was done in {wall_s:.1f} s · log: {log_path}")
    return LaunchResult(
        command=tuple(command),
        returncode=0,
        wall_s=wall_s,
        records=list(records.values()),
        phases=reader.phases,
        lines=list(reader.lines),
        log_path=log_path,
    )


def _read(record_path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(record_path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}
