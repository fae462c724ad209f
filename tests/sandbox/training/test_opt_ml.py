"""The literal /opt/ml of a script is its job's, and what a job writes elsewhere stays its own."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from tests.processes.test_container_view import snapshot

from processes.container_view import ContainerView

from ..conftest import RunningSandbox
from .conftest import BUCKET, MOUNTED, Jobs, channel

pytestmark = pytest.mark.skipif(not MOUNTED, reason="nothing can be mounted for a job here")
TWO = {"InstanceType": "ml.g5.12xlarge", "InstanceCount": 2, "VolumeSizeInGB": 30}
READS_YAML = """
import pathlib, yaml
paths = yaml.safe_load(pathlib.Path("/opt/ml/input/data/config/paths.yaml").read_text())
text = pathlib.Path(paths["data"], "a.txt").read_text()
pathlib.Path(paths["model"], "upper.txt").write_text(text.upper())
"""
# Writes what it is, waits for the other job, and leaves what it finds then.
LEAVES_ITS_NAME = """
import os, pathlib, time
own = os.environ["TRAINING_JOB_NAME"]
pathlib.Path("/opt/ml/model/name").write_text(own)
meet = pathlib.Path(os.environ["MEET"])
(meet / own).touch()
while len(list(meet.iterdir())) < 2:
    time.sleep(0.02)
pathlib.Path("/opt/ml/output/data/name").write_text(pathlib.Path("/opt/ml/model/name").read_text())
"""
WRITES_EVERYWHERE = """
import os, pathlib
from sagemaker.train.container_drivers.distributed_drivers.mpi_utils import write_env_vars_to_file
write_env_vars_to_file()  # the SDK's own: it appends to /etc/environment
print("TRAINING_JOB_NAME=" in pathlib.Path("/etc/environment").read_text())
root = "/root"
for path in ("/etc/hosts", "/etc/hostname", "/etc/ssl/own", root + "/.bashrc", root + "/.ssh/config",
             root + "/.own", "/opt/own/file", "/etc/own"):
    try:
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a") as file:
            file.write("of the job")
    except OSError as error:
        print(path, error.strerror)
for folder in ("/etc", "/opt", root):
    for entry in os.scandir(folder):
        if entry.is_file() and not os.path.ismount(entry):
            os.remove(entry)
"""


def text_in(archive: bytes, name: str) -> str:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return tar.extractfile(name).read().decode()


def test_a_script_that_writes_the_literal_path_leaves_its_model(jobs) -> None:
    job = jobs.run(
        "open('/opt/ml/model/weights', 'w').write('trained'); print(open('/opt/ml/model/weights').name)"
    )
    assert job["TrainingJobStatus"] == "Completed", jobs.lines(job["TrainingJobName"])
    assert jobs.lines(job["TrainingJobName"]) == ["/opt/ml/model/weights"]
    assert text_in(jobs.get(f"out/{job['TrainingJobName']}/output/model.tar.gz"), "weights") == "trained"
    assert not Path("/opt/ml/model/weights").exists()


def test_a_yaml_file_that_names_the_path_is_right(jobs) -> None:
    jobs.put("yaml/config/paths.yaml", b"data: /opt/ml/input/data/train\nmodel: /opt/ml/model\n")
    jobs.put("yaml/train/a.txt", b"news")
    channels = [channel(f"s3://{BUCKET}/yaml/{name}", name) for name in ("config", "train")]
    name = jobs.run(READS_YAML, channels=channels)["TrainingJobName"]
    assert text_in(jobs.get(f"out/{name}/output/model.tar.gz"), "upper.txt") == "NEWS"


def test_two_jobs_at_the_same_time_have_their_own(jobs, tmp_path: Path) -> None:
    names = [jobs.create(LEAVES_ITS_NAME, environment={"MEET": str(tmp_path)}) for _ in range(2)]
    for name in names:
        assert jobs.wait(name)["TrainingJobStatus"] == "Completed", jobs.lines(name)
        assert text_in(jobs.get(f"out/{name}/output/output.tar.gz"), "name") == name


def test_a_job_changes_nothing_of_the_machines_etc_opt_and_root(tmp_path: Path) -> None:
    # The machine is a view, too: were this to fail, nothing would be lost.
    (tmp_path / "machine").mkdir()
    running = RunningSandbox(tmp_path / "home", view=ContainerView(tmp_path / "machine"))
    try:
        machine = Path(f"/proc/{running.pid}/root")
        before = snapshot(machine)
        jobs = Jobs(running)
        job = jobs.run(WRITES_EVERYWHERE)
        lines = jobs.lines(job["TrainingJobName"])
        after = snapshot(machine)
    finally:
        running.close()
    assert job["TrainingJobStatus"] == "Completed", lines
    assert lines[0] == "True"
    # What is in a folder of the machine can only be read; all else is the job's.
    assert all("Read-only file system" in line or "Permission denied" in line for line in lines[1:]), lines
    its_own = ("/etc/hosts ", "/opt/own", "/etc/own", f"{Path('/root')}/.own")
    assert not [line for line in lines if line.startswith(its_own)]
    assert after == before
    assert len(before) > len(list(Path("/etc").iterdir()))


def test_hosts_are_found_by_their_names(jobs) -> None:
    program = "import socket; print([socket.gethostbyname(name) for name in ('algo-1', 'algo-2')])"
    name = jobs.run(program, ResourceConfig=TWO)["TrainingJobName"]
    for host in ("algo-1", "algo-2"):
        assert jobs.lines(f"{name}/{host}") == ["['127.0.0.1', '127.0.0.1']"]


def test_hyperparameters_and_variables_keep_the_path(jobs) -> None:
    program = (
        "import os; print(os.environ['GIVEN']);"
        " print(open('/opt/ml/input/config/hyperparameters.json').read())"
    )
    given = {"path": "/opt/ml/model"}
    name = jobs.run(program, HyperParameters=given, environment={"GIVEN": "/opt/ml/x"})["TrainingJobName"]
    assert jobs.lines(name) == ["/opt/ml/x", '{"path": "/opt/ml/model"}']
