"""Checkpoints come from S3 before a job, and go there while it runs and at its end."""

from __future__ import annotations

import time

from .conftest import BUCKET

WAITS = """
import os, pathlib, sys, time
folder = pathlib.Path(os.environ["ML"]) / "checkpoints"
print(sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()), flush=True)
while not (folder.parent / "go").exists():
    time.sleep(0.02)
(folder / "last").write_text("written at the end")
raise SystemExit(int(os.environ.get("CODE", "0")))
"""


def wait_for(jobs, prefix: str, keys: list[str]) -> None:
    deadline_s = time.monotonic() + 300
    while (found := jobs.keys(prefix)) != keys:
        assert time.monotonic() < deadline_s, (found, keys)
        time.sleep(0.05)


def test_checkpoints_are_kept_in_s3(jobs) -> None:
    jobs.put("kept/step-1/weights", b"one")
    name = jobs.create(WAITS, CheckpointConfig={"S3Uri": f"s3://{BUCKET}/kept"})
    jobs.wait_for_line(name, "['step-1/weights']")
    folder = jobs.folder(name) / "checkpoints"
    (folder / "step-2").mkdir()
    (folder / "step-2" / "weights").write_bytes(b"two")
    (folder / "step-2" / "complete").touch()
    wait_for(jobs, "kept/", ["step-1/weights", "step-2/complete", "step-2/weights"])
    (folder / "step-2" / "weights").write_bytes(b"two, again")
    (folder / "step-1" / "weights").unlink()  # rotated away here; S3 keeps it
    (folder.parent / "go").touch()
    assert jobs.wait(name)["TrainingJobStatus"] == "Completed"
    assert jobs.keys("kept/") == ["last", "step-1/weights", "step-2/complete", "step-2/weights"]
    assert jobs.get("kept/step-2/weights") == b"two, again"


def test_the_checkpoints_of_a_failed_job_are_kept_too(jobs) -> None:
    config = {"S3Uri": f"s3://{BUCKET}/failed/", "LocalPath": "/opt/ml/checkpoints"}
    name = jobs.create(WAITS, CheckpointConfig=config, environment={"CODE": "1"})
    jobs.wait_for_line(name, "[]")
    (jobs.folder(name) / "go").touch()
    assert jobs.wait(name)["TrainingJobStatus"] == "Failed"
    assert jobs.get("failed/last") == b"written at the end"


def test_a_file_that_still_grows_is_not_uploaded_and_holds_back_what_was_written_after_it(tmp_path) -> None:
    from sandbox.container_paths import ContainerPaths
    from sandbox.training.checkpoints import Checkpoints

    class Uploads:
        """Instead of S3, since the order of uploads is the point."""

        names: list[str]

        def upload(self, path, uri) -> None:
            self.names.append(uri.removeprefix("s3://b/c/"))

    uploads = Uploads()
    uploads.names = []
    paths = ContainerPaths(tmp_path / "ml")
    try:
        checkpoints = Checkpoints({"S3Uri": "s3://b/c"}, paths, uploads)
        folder = paths.folder / "checkpoints"
        folder.mkdir()
        (folder / "weights").write_bytes(b"1")
        time.sleep(0.02)
        (folder / "complete").touch()
        checkpoints._upload()
        assert uploads.names == []
        (folder / "weights").write_bytes(b"12")
        checkpoints._upload()  # the mark stands still, but is older than the weights now
        assert uploads.names == ["complete"] or uploads.names == []
        time.sleep(0.02)
        (folder / "complete").touch()
        checkpoints._upload()
        checkpoints._upload()
        assert uploads.names[-2:] == ["weights", "complete"]
        before = len(uploads.names)
        checkpoints._upload()
        assert len(uploads.names) == before
    finally:
        paths.remove()
