"""Checkpoints and the like go to S3 while a job runs and at its end; checkpoints come from there before."""

from __future__ import annotations

import json
import time

import pytest
from botocore.exceptions import ClientError

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


WRITES = """
import json, os, pathlib, time
ml, folder = pathlib.Path(os.environ["ML"]), pathlib.Path(os.environ["WHERE"])
(folder / "run-1").mkdir(parents=True)
(folder / "run-1" / "events").write_text("1")
configs = ml / "input" / "config"
configs = [*configs.glob("*outputconfig.json"), *configs.glob("debug*.json")]
print(json.dumps({path.name: json.loads(path.read_text()) for path in configs}), flush=True)
while not (ml / "go").exists():
    time.sleep(0.02)
(folder / "last").write_text("2")
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


@pytest.mark.parametrize(
    ("member", "local_path", "name"),
    [
        ("TensorBoardOutputConfig", None, "tensorboard-output"),
        ("TensorBoardOutputConfig", "/opt/ml/runs/mine", "tensorboard-output"),
        ("DebugHookConfig", None, "debug-output"),
        ("DebugHookConfig", "/opt/ml/tensors", "debug-output"),
    ],
)
def test_tensorboard_and_debugger_output_goes_to_s3_while_the_job_runs(
    jobs, member: str, local_path: str | None, name: str
) -> None:
    config = {"S3OutputPath": f"s3://{BUCKET}/{member}/"} | ({"LocalPath": local_path} if local_path else {})
    if member == "DebugHookConfig":
        losses = {"CollectionName": "losses", "CollectionParameters": {"save_interval": "10"}}
        config |= {"HookParameters": {"save_interval": "10"}, "CollectionConfigurations": [losses]}
    default = "/opt/ml/output/" + ("tensorboard" if member == "TensorBoardOutputConfig" else "tensors")
    job = jobs.create(WRITES, environment={"WHERE": local_path or default}, **{member: config})
    wait_for(jobs, f"{member}/{job}/{name}/", ["run-1/events"])  # and the program still waits
    (jobs.folder(job) / "go").touch()
    assert jobs.wait(job)["TrainingJobStatus"] == "Completed"
    assert jobs.keys(f"{member}/{job}/{name}/") == ["last", "run-1/events"]
    assert jobs.describe(job)[member] == config
    (line,) = [line for line in jobs.lines(job) if line.startswith("{")]
    given = {f"{member.lower()}.json": {**config, "LocalPath": local_path or default}}
    assert json.loads(line) == given


def test_without_such_a_member_nothing_is_uploaded_from_there(jobs) -> None:
    job = jobs.create(WRITES, environment={"WHERE": "/opt/ml/output/tensorboard"})
    jobs.wait_for_line(job, "{}")
    (jobs.folder(job) / "go").touch()
    jobs.wait(job)
    assert jobs.keys(f"out/{job}/") == ["output/model.tar.gz"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"S3OutputPath": "s3://no-such-bucket/t"}, "no-such-bucket"),
        ({"S3OutputPath": f"s3://{BUCKET}/t", "LocalPath": "/tmp/t"}, "TensorBoardOutputConfig.LocalPath"),
        ({"S3OutputPath": f"https://{BUCKET}/t"}, "TensorBoardOutputConfig must start with s3://"),
    ],
)
def test_a_place_that_cannot_be_is_refused(jobs, config: dict[str, str], said: str) -> None:
    with pytest.raises(ClientError, match=f"ValidationException.*{said}"):
        jobs.create("pass", TensorBoardOutputConfig=config)


def test_a_file_that_still_grows_is_not_uploaded_and_holds_back_what_was_written_after_it(tmp_path) -> None:
    from sandbox.container_paths import ContainerPaths
    from sandbox.jobs.synced_folder import SyncedFolder

    class Uploads:
        """Instead of S3, since the order of uploads is the point."""

        names: list[str]

        def upload(self, path, uri) -> None:
            self.names.append(uri.removeprefix("s3://b/c/"))

    uploads = Uploads()
    uploads.names = []
    paths = ContainerPaths(tmp_path / "ml")
    try:
        folder = paths.folder / "checkpoints"
        folder.mkdir()
        checkpoints = SyncedFolder(folder, "s3://b/c/", uploads)
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
