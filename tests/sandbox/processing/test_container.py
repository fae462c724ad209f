"""What the program of a processing job finds, and what of it comes to S3."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ..training.conftest import BUCKET, MOUNTED
from .conftest import IMAGE, PROCESSING, from_s3, to_s3

LOOK = """
import json, os, pathlib, sys
ml = pathlib.Path(os.environ["ML"])
files = {str(p.relative_to(ml)): p.read_text() for p in sorted(ml.rglob("*")) if p.is_file()}
folders = sorted(str(p.relative_to(ml)) for p in ml.rglob("*") if p.is_dir())
found = {"env": dict(os.environ), "files": files, "folders": folders, "arguments": sys.argv[1:]}
host = json.loads(files["config/resourceconfig.json"])["current_host"]
(ml / "processing" / "found" / f"{host}.json").write_text(json.dumps(found))
"""
TWO = {"cluster": {"InstanceCount": 2}}


def look(jobs, **changes) -> dict[str, dict]:
    """Run a job whose hosts leave what they found, and return that by host."""
    outputs = [to_s3("found", "found"), *changes.pop("outputs", [])]
    job = jobs.run(LOOK, outputs=outputs, **changes)
    assert job["ProcessingJobStatus"] == "Completed", (job, jobs.lines(job["ProcessingJobName"]))
    keys = [key for key in jobs.keys("found/")]
    found = {Path(key).stem: {**json.loads(jobs.get(f"found/{key}")), "job": job} for key in keys}
    for key in keys:
        jobs.s3.delete_object(Bucket=BUCKET, Key=f"found/{key}")
    return found


def test_a_program_finds_inputs_outputs_arguments_and_configuration(jobs) -> None:
    jobs.put("look/train/a.jsonl", "뉴스".encode())
    found = look(
        jobs,
        inputs=[from_s3("look/train", "input/train/"), from_s3("look/train/a.jsonl", "input")],
        outputs=[to_s3("empty", "out/empty")],
        application={"ContainerArguments": ["--data", f"{PROCESSING}/input", "가 나"]},
    )["algo-1"]
    files, root = found["files"], found["env"]["ML"]
    assert found["arguments"] == ["--data", f"{root}/processing/input", "가 나"]
    assert files["processing/input/train/a.jsonl"] == files["processing/input/a.jsonl"] == "뉴스"
    assert "processing/out/empty" in found["folders"]
    assert json.loads(files["config/resourceconfig.json"]) == {"current_host": "algo-1", "hosts": ["algo-1"]}
    config, job = json.loads(files["config/processingjobconfig.json"]), found["job"]
    assert config["ProcessingJobArn"] == job["ProcessingJobArn"]
    assert config["AppSpecification"]["ImageUri"] == IMAGE
    assert config["ProcessingInputs"][1]["S3Input"]["LocalPath"] == f"{root}/processing/input/train/"
    assert config["ProcessingResources"] == job["ProcessingResources"]
    assert "ProcessingJobStatus" not in config
    assert jobs.keys("empty/") == []


def test_the_environment_is_the_jobs_own_and_leads_to_the_sandbox(jobs) -> None:
    env = look(jobs, environment={"NOTE": "ours", "OMP_NUM_THREADS": "2"})["algo-1"]["env"]
    assert (env["NOTE"], env["OMP_NUM_THREADS"]) == ("ours", "2")
    assert env["AWS_ENDPOINT_URL"] == jobs.sandbox.url
    assert (env["AWS_REGION"], env["PIP_NO_INDEX"], env["HF_HUB_OFFLINE"]) == ("us-east-1", "1", "1")
    assert not [name for name in env if name.startswith(("TRAINING_", "SM_", "PROCESSING_"))]
    assert not Path(env["TMPDIR"]).parent.exists()


def test_hosts_share_sharded_inputs_and_leave_one_set_of_outputs(jobs) -> None:
    for name in "abc":
        jobs.put(f"shards/{name}")
    sharded = from_s3("shards/", "input/part", S3DataDistributionType="ShardedByS3Key")
    whole = from_s3("shards/", "input/all", S3DataDistributionType="FullyReplicated")
    found = look(jobs, inputs=[sharded, whole], **TWO)
    assert sorted(found) == ["algo-1", "algo-2"]

    def names(host: str, folder: str) -> list[str]:
        return [Path(each).name for each in found[host]["files"] if f"input/{folder}/" in each]

    assert (names("algo-1", "part"), names("algo-2", "part")) == (["a", "c"], ["b"])
    assert names("algo-1", "all") == names("algo-2", "all") == ["a", "b", "c"]
    for host in found:
        resources = json.loads(found[host]["files"]["config/resourceconfig.json"])
        assert resources == {"current_host": host, "hosts": ["algo-1", "algo-2"]}
    job = found["algo-1"]["job"]["ProcessingJobName"]
    assert sorted(each.split("/")[1].rpartition("-")[0] for each in jobs.streams(job)) == ["algo-1", "algo-2"]


def test_a_host_may_have_no_object_of_a_sharded_input(jobs) -> None:
    jobs.put("one/a")
    sharded = from_s3("one/", "input/part", S3DataDistributionType="ShardedByS3Key")
    assert "processing/input/part" in look(jobs, inputs=[sharded], **TWO)["algo-2"]["folders"]


def test_what_an_output_holds_is_uploaded_with_its_folders_and_without_links(jobs) -> None:
    program = """
import os, pathlib
out = pathlib.Path(os.environ["ML"]) / "processing" / "out"
(out / "deep" / "가").mkdir(parents=True)
(out / "deep" / "가" / "b.txt").write_text("b")
(out / "a.txt").write_text("a")
(out / "link").symlink_to("a.txt")
(out / "folder").symlink_to("deep")
print("https", os.path.realpath(out))
"""
    job = jobs.run(program, outputs=[to_s3("uploaded", "out")])
    assert jobs.keys("uploaded/") == ["a.txt", "deep/가/b.txt"]
    assert jobs.lines(job["ProcessingJobName"]) == ["https /opt/ml/processing/out"]
    assert not jobs.folder(job["ProcessingJobName"]).exists()


def test_an_output_that_the_program_replaced_by_a_link_is_not_followed_either(jobs) -> None:
    program = """
import os, pathlib, shutil
out = pathlib.Path(os.environ["ML"]) / "processing" / "out"
(out / "a.txt").write_text("a")
out.rename(out.with_name("elsewhere"))
out.symlink_to("elsewhere")
"""
    assert jobs.run(program, outputs=[to_s3("linked", "out")])["ProcessingJobStatus"] == "Completed"
    assert jobs.keys("linked/") == []


def test_a_file_whose_name_cannot_be_a_key_fails_the_job_by_its_name(jobs) -> None:
    program = "import os; open(os.fsencode(os.environ['ML']) + b'/processing/out/caf\\xe9', 'w').close()"
    job = jobs.run(program, outputs=[to_s3("unnamed", "out")])
    reason = r"ClientError: Artifact upload failed:The name of the file b'caf\xe9' is not UTF-8."
    assert job["FailureReason"] == reason


def test_what_is_continuous_is_in_s3_while_the_job_runs(jobs) -> None:
    program = """
import os, pathlib, time
ml = pathlib.Path(os.environ["ML"])
for name in ("now", "later"):
    (ml / "processing" / name / "a.txt").write_text("a")
print("on", flush=True)
time.sleep(600)
"""
    outputs = [to_s3("now", "now", "Continuous"), to_s3("later", "later")]
    name = jobs.create(program, outputs=outputs)
    jobs.wait_for_line(name, "on")
    jobs._until(name, lambda _: jobs.keys("now/") == ["a.txt"], "an upload")
    assert jobs.keys("later/") == []
    jobs.sagemaker.stop_processing_job(ProcessingJobName=name)
    assert jobs.wait(name)["ProcessingJobStatus"] == "Stopped"
    assert jobs.keys("later/") == []


def test_a_literal_opt_ml_is_the_containers(jobs) -> None:
    if not MOUNTED:
        pytest.skip("nothing can be mounted here")
    program = f"open('{PROCESSING}/out/a.txt', 'w').write(open('{PROCESSING}/input/code/program.py').read())"
    jobs.run(program, outputs=[to_s3("literal", "out")])
    assert jobs.get("literal/a.txt").decode() == program
    assert not os.path.exists(f"{PROCESSING}/out")
