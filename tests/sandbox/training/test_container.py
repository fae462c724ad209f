"""What a job's program finds: folders, files, environment, and /opt/ml, mounted or not."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from sandbox.handed_on import HANDED_ON
from sandbox.loopback import PLUGIN, PLUGINS_VARIABLE

from .conftest import BUCKET, MOUNTED, channel

LOOK = """
import json, os, pathlib
ml = pathlib.Path(os.environ["ML"])
files = {str(p.relative_to(ml)): p.read_text() for p in sorted(ml.rglob("*")) if p.is_file()}
folders = sorted(str(p.relative_to(ml)) for p in ml.rglob("*") if p.is_dir())
home = os.path.realpath(os.environ["HOME"])
found = {"env": dict(os.environ), "files": files, "folders": folders, "home": home}
(ml / "model" / "found.json").write_text(json.dumps(found))
"""


def look(jobs, **changes) -> dict:
    """Run a job that leaves what it found, and return that."""
    output = {"S3OutputPath": f"s3://{BUCKET}/found", "CompressionType": "NONE"}
    job = jobs.run(LOOK, OutputDataConfig=output, **changes)
    assert job["TrainingJobStatus"] == "Completed", (job, jobs.lines(job["TrainingJobName"]))
    return json.loads(jobs.get(f"found/{job['TrainingJobName']}/output/model/found.json")) | {"job": job}


def test_a_program_finds_the_configuration_of_its_job(jobs) -> None:
    jobs.put("look/train/a.jsonl", "뉴스".encode())
    found = look(
        jobs,
        HyperParameters={"lr": "0.1", "data": '"/opt/ml/input/data/train"'},
        channels=[channel(f"s3://{BUCKET}/look/train", ContentType="application/jsonlines")],
    )
    files, root = found["files"], found["env"]["ML"]
    assert json.loads(files["input/config/hyperparameters.json"]) == {
        "lr": "0.1",
        "data": f'"{root}/input/data/train"',
    }
    assert json.loads(files["input/config/inputdataconfig.json"])["train"] == {
        "TrainingInputMode": "File",
        "S3DistributionType": "FullyReplicated",
        "RecordWrapperType": "None",
        "ContentType": "application/jsonlines",
    }
    resources = json.loads(files["input/config/resourceconfig.json"])
    assert resources["current_host"] == "algo-1"
    assert resources["hosts"] == ["algo-1"]
    assert resources["current_instance_type"] == "ml.m5.large"
    assert resources["network_interface_name"] == ("lo0" if sys.platform == "darwin" else "lo")
    assert resources["instance_groups"][0]["hosts"] == ["algo-1"]
    assert files["input/data/train/a.jsonl"] == "뉴스"
    assert {"model", "output/data", "checkpoints", "input/data/train"} <= set(found["folders"])


def test_the_environment_is_clean_and_leads_to_the_sandbox(jobs) -> None:
    found = look(jobs, environment={"WORKSHOP_NOTE": "ours", "OMP_NUM_THREADS": "2"})
    env, job = found["env"], found["job"]
    assert env["AWS_ENDPOINT_URL"] == env["SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT"] == jobs.sandbox.url
    assert env["AWS_REGION"] == env["AWS_DEFAULT_REGION"] == "us-east-1"
    assert env["TRAINING_JOB_NAME"] == job["TrainingJobName"]
    assert env["TRAINING_JOB_ARN"] == job["TrainingJobArn"]
    assert not set(env["PATH"].split(os.pathsep)[0]) & set(" '$")  # the interpreter's folder has all three
    assert (env["WORKSHOP_NOTE"], env["OMP_NUM_THREADS"]) == ("ours", "2")
    assert env["HF_HUB_OFFLINE"] == env["PIP_NO_INDEX"] == env["PYTHONUNBUFFERED"] == "1"
    ml = Path("/opt/ml") if MOUNTED else jobs.folder(job["TrainingJobName"]).resolve()
    assert found["home"] == str(ml / "home")
    # Nothing of whoever started the sandbox.
    assert env[PLUGINS_VARIABLE] == PLUGIN, "get_execution_role() in a script stays here"
    known = ("AWS_", "PIP_", "PYTHON", "TRAINING_", "HF_", "LC_", PLUGINS_VARIABLE)
    rest = {name for name in env if not name.startswith(known)}
    assert rest <= {
        *("ML", "PATH", "HOME", "TMPDIR", "LANG", "OMP_NUM_THREADS", "TOKENIZERS_PARALLELISM"),
        *("GLOO_SOCKET_IFNAME", "PET_MASTER_PORT", "WORKSHOP_NOTE", "WORKSHOP_LAUNCH_ID"),
        "SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT",
        *(*HANDED_ON, "PWD", "SHLVL", "_", "TAR_OPTIONS"),
    }


def test_what_a_job_leaves_on_this_machine_is_removed(jobs) -> None:
    found = look(jobs)
    assert not Path(found["env"]["TMPDIR"]).parent.exists()
    assert not jobs.folder(found["job"]["TrainingJobName"]).exists()


def test_boto3_in_a_job_reaches_this_sandbox(jobs) -> None:
    job = jobs.run(
        "import boto3; print([bucket['Name'] for bucket in boto3.client('s3').list_buckets()['Buckets']])"
    )
    assert jobs.lines(job["TrainingJobName"]) == [f"['{BUCKET}']"]


def test_paths_in_the_log_are_those_of_the_container(jobs) -> None:
    program = (
        "import os; print(os.environ['ML']); print(os.path.realpath(os.environ['ML']) + '/model');"
        "print(__file__); print('s3://b/opt/ml', '/opt/mlx')"
    )
    job = jobs.run(program)
    assert jobs.lines(job["TrainingJobName"]) == [
        "/opt/ml",
        "/opt/ml/model",
        "/opt/ml/input/data/code/program.py",
        "s3://b/opt/ml /opt/mlx",
    ]


def test_only_the_drivers_of_the_sdk_are_changed(jobs) -> None:
    script = "set -e\necho /opt/ml/model\n"
    jobs.put("mine/sm_train.sh", script.encode())
    jobs.put("sdk/sm_train.sh", script.encode())
    jobs.put("sdk/common/utils.py", b'X = os.environ.get("SM_MASTER_ADDR")\n')
    jobs.put("sdk/scripts/environment.py", b'SM_MASTER_ADDR = "algo-1"\nSM_MASTER_PORT = 7777\n')
    jobs.put("remote/bootstrap_runtime_environment.py", b"SM_MASTER_PORT = 7777\n")
    sources = {"mine": "mine", "sdk": "sm_drivers", "remote": "sagemaker_remote_function_bootstrap"}
    found = look(jobs, channels=[channel(f"s3://{BUCKET}/{key}", name) for key, name in sources.items()])
    files = found["files"]
    assert files["input/data/mine/sm_train.sh"] == script
    drivers = "input/data/sm_drivers"
    assert files[f"{drivers}/sm_train.sh"] == f"set -e\ntrap : TERM\necho {found['env']['ML']}/model\n"
    first = 'os.environ.get("SM_MASTER_ADDR")' if MOUNTED else '"algo-1"'
    assert files[f"{drivers}/common/utils.py"].startswith(f"X = {first}\n")
    assert "signal.SIGTERM" in files[f"{drivers}/common/utils.py"]
    address, port = files[f"{drivers}/scripts/environment.py"].splitlines()
    assert address == f'SM_MASTER_ADDR = "{"algo-1" if MOUNTED else "127.0.0.1"}"'
    assert port.startswith("SM_MASTER_PORT = ")
    assert port != "SM_MASTER_PORT = 7777"
    remote = files["input/data/sagemaker_remote_function_bootstrap/bootstrap_runtime_environment.py"]
    assert remote.strip() == port


def test_data_that_vanishes_before_the_download_fails_the_job(jobs) -> None:
    import urllib.request

    fault = {"operation": "CreateTrainingJob", "fault": "SlowStart", "delay_s": 1}
    data = json.dumps(fault).encode()
    address = f"{jobs.sandbox.url}/_sandbox/faults"
    urllib.request.urlopen(urllib.request.Request(address, method="PUT", data=data)).read()
    jobs.put("vanishing/a.txt")
    name = jobs.create("pass", channels=[channel(f"s3://{BUCKET}/vanishing/")])
    jobs.s3.delete_object(Bucket=BUCKET, Key="vanishing/a.txt")
    job = jobs.wait(name)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith(
        f'ClientError: Data download failed:No S3 objects found under S3 URL "s3://{BUCKET}/vanishing/"'
    )


def test_an_interpreter_is_found_under_a_name_that_needs_no_quotes(jobs) -> None:
    """As the SDK's script does: what `command -v` says, without quotes."""
    script = "set -e\nfor name in python3 python pip3 pip; do P=$(command -v $name); $P --version; done\n"
    script += "python3 -c 'import json, sys; print(json.dumps([sys.prefix, sys.argv]))' 'a b' '$c'"
    command = {"ContainerEntrypoint": ["/bin/bash", "/opt/ml/input/data/code/program.py"]}
    job = jobs.run(script, algorithm=command)
    lines = jobs.lines(job["TrainingJobName"])
    assert job["TrainingJobStatus"] == "Completed", lines
    assert [line.split()[0] for line in lines[:-1]] == ["Python", "Python", "pip", "pip"]
    prefix, arguments = json.loads(lines[-1])
    assert Path(prefix).resolve() == Path(sys.prefix).resolve()
    assert arguments == ["-c", "a b", "$c"]
