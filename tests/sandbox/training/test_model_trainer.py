"""The SageMaker SDK's ModelTrainer, unmodified, with the drivers that it ships."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from sample.news.generator import rows
from workshop.prompt import chat_messages

from .conftest import MOUNTED

CLIENT = Path(__file__).with_name("model_trainer_client.py")
BUCKET = "sagemaker-news"
MASTER = "algo-1" if MOUNTED else "127.0.0.1"
LOOK = """
import json, os, sys
print("arguments", json.dumps(sys.argv[1:], ensure_ascii=False))
print("found", json.dumps({name: value for name, value in os.environ.items() if name.startswith("SM_")}))
with open(os.path.join(os.environ["SM_MODEL_DIR"], "weights.txt"), "w") as file:
    file.write("trained")
"""
FAILS = """
raise ValueError("no such column in /opt/ml/input/data/train")
"""
SAVES = """
import os, signal, sys, time
def save(*_):
    print("saving", flush=True)
    time.sleep(0.5)
    with open(os.path.join(os.environ["SM_MODEL_DIR"], "weights.txt"), "w") as file:
        file.write("half")
    print("saved", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
print("training", flush=True)
time.sleep(600)
"""
COMMAND = 'echo "as root of $1 at $SM_MASTER_ADDR"; python3 -c "import os; print(os.environ[\'SM_HOSTS\'])"\n'


@pytest.fixture(scope="module")
def results(jobs, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """What the SDK says of one job of each kind."""
    folder = tmp_path_factory.mktemp("trainer")
    sources = {"look.py": LOOK, "fails.py": FAILS, "saves.py": SAVES, "command.sh": COMMAND}
    sources["missing.txt"] = "pyyaml==6.0.3\nno-such-package-of-ours==1.0\n"
    (folder / "sources").mkdir()
    for name, text in sources.items():
        (folder / "sources" / name).write_text(text)
    (folder / "data").mkdir()
    with (folder / "data" / "train.jsonl").open("w", encoding="utf-8") as file:
        for row in rows(16, 7):
            line = {"messages": chat_messages(row["document"], row["summary"])}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    done = subprocess.run(
        [sys.executable, str(CLIENT), jobs.sandbox.url, str(folder)],
        capture_output=True,
        text=True,
        timeout=1200,
        env={**os.environ, "COLUMNS": "400"},  # the SDK's log is as wide as the terminal
    )
    assert done.returncode == 0, done.stdout + done.stderr
    facts = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"kind"')]
    shown = done.stdout + done.stderr
    return {
        fact["kind"]: {**fact, "shown": shown, "log": jobs.lines(f"{fact['name']}/algo-1")} for fact in facts
    }


def object_at(jobs, key: str) -> bytes:
    return jobs.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def steps(train: dict) -> list[dict]:
    """Return what train.py reports of its steps."""
    progress = [json.loads(line[9:]) for line in train["log"] if line.startswith("progress {")]
    return [entry for entry in progress if "loss" in entry]


def test_the_script_finds_what_the_sdk_promises(jobs, results: dict[str, dict]) -> None:
    look = results["look"]
    assert (look["status"], look["error"]) == ("Completed", None)
    (arguments,) = [line for line in look["log"] if line.startswith("arguments ")]
    given = json.loads(arguments.removeprefix("arguments "))
    assert given == [
        *("--lr", "0.1", "--text", '한글 "quoted"', "--path", "/opt/ml/input/data", "--on", "true"),
    ]
    (found,) = [line for line in look["log"] if line.startswith("found ")]
    variables = json.loads(found.removeprefix("found "))
    assert variables["SM_MODEL_DIR"] == "/opt/ml/model"
    assert variables["SM_CHANNEL_CODE"] == "/opt/ml/input/data/code"
    assert json.loads(variables["SM_HOSTS"]) == ["algo-1"]
    assert variables["SM_CURRENT_HOST"] == "algo-1"
    assert variables["SM_MASTER_ADDR"] == MASTER
    assert variables["SM_MASTER_PORT"] != "7777"
    assert json.loads(variables["SM_TRAINING_ENV"])["job_name"] == look["name"]


def test_the_sdk_shows_the_log_and_knows_the_artifact(jobs, results: dict[str, dict]) -> None:
    look = results["look"]
    assert f"{look['name']}/algo-1" in look["shown"]
    assert "Training Container Execution Completed" in look["shown"]
    key = look["artifacts"].removeprefix(f"s3://{BUCKET}/")
    assert key == f"workshop/look/{look['name']}/output/model.tar.gz"
    with tarfile.open(fileobj=BytesIO(object_at(jobs, key))) as tar:
        assert tar.extractfile("weights.txt").read() == b"trained"


def test_a_failing_script_is_an_error_with_its_reason(results: dict[str, dict]) -> None:
    fails = results["fails"]
    assert fails["status"] == "Failed"
    assert "AlgorithmError: " in fails["error"]
    assert "returned non-zero exit status 1" in fails["error"]
    assert "exit code: 1" in fails["error"]
    assert "/opt/ml/input/data/sm_drivers" in fails["error"]
    assert "ValueError: no such column in /opt/ml/input/data/train" in fails["log"]


def test_requirements_that_are_not_installed_fail_without_a_network(results: dict[str, dict]) -> None:
    missing = results["missing"]
    assert missing["status"] == "Failed"
    assert any(
        "No matching distribution found for no-such-package-of-ours" in line for line in missing["log"]
    )
    assert "install no-such-package-of-ours==1.0 into the environment" in missing["log"][-1]


def test_a_stopped_script_saves_and_its_last_lines_are_in_the_log(jobs, results: dict[str, dict]) -> None:
    stopped = results["stopped"]
    assert (stopped["status"], stopped["secondary"], stopped["error"]) == ("Stopped", "Stopped", None)
    assert [line for line in stopped["log"] if line in ("training", "saving", "saved")] == [
        *("training", "saving", "saved"),
    ]
    key = stopped["artifacts"].removeprefix(f"s3://{BUCKET}/")
    with tarfile.open(fileobj=BytesIO(object_at(jobs, key))) as tar:
        assert tar.extractfile("weights.txt").read() == b"half"


def test_a_command_runs_instead_of_a_script(results: dict[str, dict]) -> None:
    command = results["command"]
    assert command["status"] == "Completed"
    assert f"as root of /opt/ml/model at {MASTER}" in command["log"]
    assert '["algo-1"]' in command["log"]


def test_train_py_runs_under_torchrun_and_its_model_loads(
    jobs, results: dict[str, dict], tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    train = results["train"]
    assert train["status"] == "Completed", train["log"][-30:]
    assert [entry["step"] for entry in steps(train)] == [1, 2]
    prefix = f"out/{train['name']}/output/model/"
    assert train["artifacts"] == f"s3://{BUCKET}/{prefix}"
    listed = jobs.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]
    for entry in listed:
        path = tmp_path / entry["Key"].removeprefix(prefix)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(object_at(jobs, entry["Key"]))
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert (metrics["num_processes"], metrics["num_steps"]) == (2, 2)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    tokens = tokenizer("뉴스", return_tensors="pt")
    with torch.no_grad():
        assert torch.isfinite(model(**tokens).logits).all()


def test_two_hosts_train_as_one_with_as_many_processes(jobs, results: dict[str, dict]) -> None:
    one, two = results["train"], results["train-hosts"]
    assert two["status"] == "Completed", two["log"][-30:]
    assert [entry["loss"] for entry in steps(two)] == pytest.approx(
        [entry["loss"] for entry in steps(one)], rel=1e-4
    )
    metrics = json.loads(object_at(jobs, f"out/{two['name']}/output/model/metrics.json"))
    assert (metrics["num_processes"], metrics["num_steps"]) == (2, 2)
    hosts = sorted(stream.split("/")[1].rpartition("-")[0] for stream in jobs.streams(two["name"]))
    assert hosts == ["algo-1", "algo-2"]
    second = "\n".join(jobs.lines(f"{two['name']}/algo-2"))
    assert "--nnodes=2" in second
    assert "--node_rank=1" in second
    assert steps({"log": second.splitlines()}) == []  # one rank reports the steps
