"""What a job leaves in S3."""

from __future__ import annotations

import tarfile
from io import BytesIO

from .conftest import BUCKET

WRITES = """
import os, pathlib
ml = pathlib.Path(os.environ["ML"])
(ml / "model" / "adapter").mkdir()
(ml / "model" / "adapter" / "한글.bin").write_bytes(bytes(200_000))
(ml / "model" / "config.json").write_text("{}")
(ml / "output" / "data" / "plot.txt").write_text("plot")
raise SystemExit(int(os.environ.get("CODE", "0")))
"""


def files_in(archive: bytes) -> dict[str, int]:
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        return {member.name: member.size for member in tar.getmembers() if member.isfile()}


def test_the_model_is_one_archive(jobs) -> None:
    name = jobs.run(WRITES)["TrainingJobName"]
    assert jobs.keys(f"out/{name}/output/") == ["model.tar.gz", "output.tar.gz"]
    assert files_in(jobs.get(f"out/{name}/output/model.tar.gz")) == {
        "adapter/한글.bin": 200_000,
        "config.json": 2,
    }
    assert files_in(jobs.get(f"out/{name}/output/output.tar.gz")) == {"plot.txt": 4}


def test_without_compression_the_files_lie_under_a_prefix(jobs) -> None:
    output = {"S3OutputPath": f"s3://{BUCKET}/plain/", "CompressionType": "NONE"}
    job = jobs.run(WRITES, OutputDataConfig=output)
    prefix = f"plain/{job['TrainingJobName']}/output/"
    assert jobs.keys(prefix) == ["data/plot.txt", "model/adapter/한글.bin", "model/config.json"]
    assert len(jobs.get(f"{prefix}model/adapter/한글.bin")) == 200_000
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{BUCKET}/{prefix}model/"


def test_an_empty_model_is_an_empty_archive(jobs) -> None:
    name = jobs.run("pass")["TrainingJobName"]
    assert jobs.keys(f"out/{name}/output/") == ["model.tar.gz"]
    assert files_in(jobs.get(f"out/{name}/output/model.tar.gz")) == {}


def test_a_failed_job_leaves_its_output_data_and_no_model(jobs) -> None:
    job = jobs.run(WRITES, environment={"CODE": "1"})
    assert job["TrainingJobStatus"] == "Failed"
    assert jobs.keys(f"out/{job['TrainingJobName']}/output/") == ["output.tar.gz"]


def test_a_bucket_that_is_gone_at_the_end_fails_the_job(jobs) -> None:
    jobs.s3.create_bucket(Bucket="short-lived")
    name = jobs.create(
        "import os, time; print('on', flush=True)\n"
        "while not os.path.exists(os.environ['ML'] + '/checkpoints/go'): time.sleep(0.05)",
        OutputDataConfig={"S3OutputPath": "s3://short-lived/out"},
    )
    jobs.wait_for_line(name, "on")
    jobs.s3.delete_bucket(Bucket="short-lived")
    (jobs.folder(name) / "checkpoints" / "go").touch()
    job = jobs.wait(name)
    assert job["FailureReason"] == (
        "ClientError: Artifact upload failed:NoSuchBucket (404): The specified bucket does not exist"
    )


LINKS = """
import os
ml = os.environ["ML"]
for folder in ("model", "checkpoints"):
    with open(f"{ml}/{folder}/step-3", "w") as file:
        file.write(folder)
    os.symlink(f"{ml}/checkpoints/step-3", f"{ml}/{folder}/last")
    os.symlink("last", f"{ml}/{folder}/best")
    os.symlink(f"{ml}/none", f"{ml}/{folder}/broken")
"""


def test_a_link_is_uploaded_as_the_file_that_the_container_finds_behind_it(jobs) -> None:
    output = {"S3OutputPath": f"s3://{BUCKET}/links", "CompressionType": "NONE"}
    checkpoints = {"S3Uri": f"s3://{BUCKET}/linked-checkpoints"}
    job = jobs.run(LINKS, OutputDataConfig=output, CheckpointConfig=checkpoints)
    model = f"links/{job['TrainingJobName']}/output/model/"
    assert jobs.keys(model) == jobs.keys("linked-checkpoints/") == ["best", "last", "step-3"]
    for key in (f"{model}last", f"{model}best", "linked-checkpoints/last", "linked-checkpoints/best"):
        assert jobs.get(key) == b"checkpoints", key
    assert jobs.get(f"{model}step-3") == b"model"
