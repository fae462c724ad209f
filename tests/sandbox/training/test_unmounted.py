"""Where nothing can be mounted: what a job's log says of it, and what a job that missed its folder ends with.

The sandbox runs in a view, so that the machine's /opt/ml is a folder of these tests.
"""

from __future__ import annotations

import importlib.util
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from processes.container_view import ContainerView
from sandbox.container_paths import WITHOUT_MOUNTS_VARIABLE

from ..conftest import RunningSandbox
from ..processing.conftest import PROCESSING, ProcessingJobs, to_s3
from .conftest import BUCKET, MOUNTED, Jobs, channel

pytestmark = pytest.mark.skipif(not MOUNTED, reason="a sandbox cannot be given another /opt/ml here")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what is this machine's /opt/ml to the sandbox."""
    return tmp_path_factory.mktemp("machine")


@pytest.fixture(scope="module")
def unmounted(machine: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    home = tmp_path_factory.mktemp("unmounted") / "home"
    running = RunningSandbox(home, view=ContainerView(machine), environ={WITHOUT_MOUNTS_VARIABLE: "1"})
    try:
        yield Jobs(running)
    finally:
        running.close()


def test_the_log_begins_with_a_warning_that_says_why_and_what_to_do(unmounted: Jobs) -> None:
    name = unmounted.run("print('trained')")["TrainingJobName"]
    warning, line = unmounted.lines(name)
    assert line == "trained"
    assert warning.startswith("[sandbox] WARNING: /opt/ml is /")
    for part in (
        "in this container, since SANDBOX_WITHOUT_MOUNTS is set.",
        "SM_MODEL_DIR",
        "src/sandbox/README.md",
    ):
        assert part in warning


def test_a_job_whose_model_went_to_the_machines_folder_fails_and_says_so(
    unmounted: Jobs, machine: Path
) -> None:
    make = "import os; os.makedirs('/opt/ml/model', exist_ok=True);"
    program = f"{make} open('/opt/ml/model/weights', 'w').write('w')"
    job = unmounted.run(program)
    assert (machine / "model" / "weights").read_text() == "w"
    assert job["TrainingJobStatus"] == "Failed"
    reason = job["FailureReason"]
    assert reason.startswith(
        "AlgorithmError: The job left nothing in its model folder, and /opt/ml/model/weights"
    )
    assert "Expected: files in the job's own /opt/ml/model. Do next: take the paths from" in reason
    assert unmounted.keys(f"out/{job['TrainingJobName']}/") == []
    # What was there before says nothing of the next job.
    assert unmounted.run("pass")["TrainingJobStatus"] == "Completed"


def test_a_job_that_writes_where_it_was_told_completes_whatever_else_it_wrote(unmounted: Jobs) -> None:
    program = "import os; [open(p + '/model/weights', 'w').write('w') for p in ('/opt/ml', os.environ['ML'])]"
    job = unmounted.run("import os; os.makedirs('/opt/ml/model', exist_ok=True)\n" + program)
    assert job["TrainingJobStatus"] == "Completed", unmounted.lines(job["TrainingJobName"])
    with tarfile.open(
        fileobj=BytesIO(unmounted.get(f"out/{job['TrainingJobName']}/output/model.tar.gz"))
    ) as tar:
        assert tar.getnames() == ["weights"]


def test_the_drivers_of_the_sdk_write_their_variables_into_the_jobs_home(unmounted: Jobs) -> None:
    (drivers,) = importlib.util.find_spec("sagemaker.train.container_drivers").submodule_search_locations
    for path in Path(drivers).rglob("*.py"):
        unmounted.put(f"drivers/{path.relative_to(drivers)}", path.read_bytes())
    job = unmounted.run(
        "import os, sys; sys.path.insert(0, os.environ['ML'] + '/input/data/sm_drivers')\n"
        "from distributed_drivers.mpi_utils import write_env_vars_to_file\n"
        "write_env_vars_to_file()\n"
        "for path in ('/etc/environment', os.environ['HOME'] + '/environment'):\n"
        "    print(os.path.exists(path) and os.environ['TRAINING_JOB_NAME'] in open(path).read())",
        channels=[channel(f"s3://{BUCKET}/drivers", "sm_drivers")],
    )
    lines = unmounted.lines(job["TrainingJobName"])
    assert lines[1:] == ["False", "True"], lines


def test_a_processing_job_whose_output_went_to_the_machines_folder_fails_and_says_so(unmounted: Jobs) -> None:
    jobs = ProcessingJobs(unmounted.sandbox)
    place = f"{PROCESSING}/out"
    literal = f"import os; os.makedirs('{place}', exist_ok=True); open('{place}/a', 'w').write('a')"
    job = jobs.run(literal, outputs=[to_s3("lost", "out")])
    assert f"nothing in its outputs, and {place}/a of this machine was written" in job["FailureReason"]
    assert f"Expected: files in the job's own {place}. Do next: " in job["FailureReason"]
    assert jobs.keys("lost") == []
    given = "import sys; open(sys.argv[1] + '/a', 'w').write('a')"
    job = jobs.run(given, outputs=[to_s3("kept", "out")], application={"ContainerArguments": [place]})
    assert (job["ProcessingJobStatus"], jobs.keys("kept")) == ("Completed", ["/a"])
