"""The preflight of a mode and of single notebooks, against a real sandbox, with what breaks in accounts."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from tests.sandbox.conftest import RunningSandbox
from tests.workshop.account.conftest import Machine

from workshop.account import access, images, rights
from workshop.account.checks import Line, fail
from workshop.account.doctor import examine, preflight
from workshop.account.permissions import filled
from workshop.account.quotas import Need, quota_line, quota_needs
from workshop.account.runs import runs_line
from workshop.account.usage import PIPELINE_NOTEBOOK, usages
from workshop.aws import local as local_aws
from workshop.aws.session import Aws, connect
from workshop.errors import WorkshopError
from workshop.notebooks.order import list_notebooks
from workshop.settings import Settings, find_repo_dir, load_settings
from workshop.tracking import connect_tracking
from workshop.tracking.app import find_or_create_app, wait_until_ready

ACCOUNT = "000000000000"
TRUST = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "sagemaker.amazonaws.com"}}
TRAINING, ENDPOINT_NOTEBOOK = "03-SageMaker-Training", "04-SageMaker-Inference"
MODEL = "src/sample/base/model"
CLOSED = "http://127.0.0.1:1"


def document(*statements: object) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def by_subject(lines: list[Line]) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(line.subject, []).append(line)
    return found


def account_lines(settings: Settings, notebook: str = TRAINING) -> dict[str, list[Line]]:
    return by_subject(list(examine(settings, notebook)))


@pytest.fixture
def debug(machine: Machine) -> Settings:
    """Mode debug, in the account of the sandbox; its model is a folder, so that no hub is asked."""
    return machine(base_model=MODEL, role_arn=f"arn:aws:iam::{ACCOUNT}:role/workshop-sample").settings


def with_settings(settings: Settings, **changes: str) -> Settings:
    environ = {
        "WORKSHOP_MODE": settings.mode,
        "WORKSHOP_HOME": str(settings.workshop_home),
        "WORKSHOP_BASE_MODEL": MODEL,
        "WORKSHOP_ROLE_ARN": settings.role_arn,
        "WORKSHOP_BUCKET": settings.bucket,
    }
    return load_settings(environ={**environ, **{f"WORKSHOP_{k.upper()}": v for k, v in changes.items()}})


def run_doctor(tmp_path: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workshop.account.doctor"],
        env={**os.environ, "WORKSHOP_HOME": str(tmp_path / "home"), **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_sample_mode_is_good_and_its_aws_ends_with_the_doctor(tmp_path: Path) -> None:
    done = run_doctor(tmp_path)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    assert lines[0] == "mode sample"
    assert [line for line in lines[1:-1] if not line.startswith("[OK] ")] == []
    assert lines[-1].endswith(" OK, 0 WARN, 0 FAIL")
    subjects = list(dict.fromkeys(line.split()[1] for line in lines[1:-1]))
    assert subjects == [
        *("python", "packages", "processor", "memory", "disk", "gpu"),
        *("identity", "base", "region", "role", "bucket", "runs", "push", "quota", "image"),
    ]
    assert "account ********0000, role workshop-sample" in done.stdout
    assert ACCOUNT not in done.stdout
    assert local_aws.find(tmp_path / "home" / "sample" / "sandbox") is None


def test_importing_it_loads_nothing_heavy() -> None:
    heavy = ("boto3", "botocore", "sagemaker", "torch", "huggingface_hub", "pandas", "psutil")
    code = f"import sys, workshop.account.doctor\nprint([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_mode_on_aws_is_looked_at_without_making_or_writing_anything(
    debug: Settings, running: RunningSandbox
) -> None:
    settings = with_settings(debug, bucket="not-made-by-a-look", serve_with="process")
    lines = list(examine(settings))
    assert [str(line) for line in lines if line.status != "OK"] == []
    assert not settings.home.exists() or list(settings.home.iterdir()) == []
    buckets = running.client("s3").list_buckets()["Buckets"]
    assert "not-made-by-a-look" not in [bucket["Name"] for bucket in buckets]


def test_each_notebook_is_asked_for_what_it_uses(debug: Settings) -> None:
    serving = account_lines(debug, ENDPOINT_NOTEBOOK)
    assert [line.found for line in serving["image"]] == [
        "huggingface-pytorch-tgi-inference:2.7.0-tgi3.3.6-gpu-py311-cu124-ubuntu22.04"
    ]
    assert "base model" not in serving
    assert ["endpoint usage" in line.found for line in serving["quota"]] == [True]
    training = account_lines(debug, TRAINING)
    assert ["training" in line.found for line in (*training["image"], *training["quota"])] == [True, True]
    assert training["base model"][0].status == "OK"
    here = account_lines(debug, "01-SageMaker-Inference-Local-Test")
    assert {"bucket", "serving"} <= here.keys()
    assert not {"role", "quota", "image"} & here.keys(), "it makes nothing on AWS"


def test_local_mode_needs_the_role_and_the_image_of_a_job_and_no_quota(debug: Settings) -> None:
    lines = account_lines(with_settings(debug, use_local_mode="true"))
    assert {"role", "image", "local mode"} <= lines.keys()
    assert "quota" not in lines


@pytest.mark.parametrize("path", list_notebooks(find_repo_dir() / "notebook"), ids=lambda path: path.stem)
def test_every_notebook_looks_before_it_connects(path: Path) -> None:
    """99-Cleanup connects to delete, and has to when everything else fails; an MLflow App costs nothing."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    look, connecting = f'preflight(settings, "{path.stem}")\n', "aws = connect(settings)"
    if path.stem != "99-Cleanup" and "connect(settings" in code:
        assert look + connecting in code
    spends = {row.notebook for row in usages(load_settings(environ={"WORKSHOP_MODE": "full"}))}
    connects = "connect" in code.replace("connect_tracking", "")
    assert path.stem not in spends or look in code or not connects


# the role


@pytest.fixture
def iam(running: RunningSandbox) -> Iterator[object]:
    client = running.client("iam")
    yield client
    for role in client.list_roles()["Roles"]:
        if role["RoleName"].startswith("doctors-"):
            for policy in client.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]:
                client.delete_role_policy(RoleName=role["RoleName"], PolicyName=policy)
            client.delete_role(RoleName=role["RoleName"])
    for user in client.list_users()["Users"]:
        for key in client.list_access_keys(UserName=user["UserName"])["AccessKeyMetadata"]:
            client.delete_access_key(UserName=user["UserName"], AccessKeyId=key["AccessKeyId"])
        client.delete_user_policy(UserName=user["UserName"], PolicyName="p")
        client.delete_user(UserName=user["UserName"])


def test_no_role_and_one_that_is_not_there_are_told(debug: Settings) -> None:
    (line,) = account_lines(with_settings(debug, role_arn=""))["role"]
    assert (line.status, 'role_arn: ""' in line.found) == ("FAIL", True)
    assert "WORKSHOP_ROLE_ARN" in line.next_step
    nobody = f"arn:aws:iam::{ACCOUNT}:role/nobody"
    (line,) = account_lines(with_settings(debug, role_arn=nobody))["role"]
    assert (line.status, "no role of the name nobody" in line.found) == ("FAIL", True)


def test_a_role_without_trust_is_told_with_the_policy_that_it_needs(debug: Settings, iam: object) -> None:
    trust = document({**TRUST, "Principal": {"Service": "ec2.amazonaws.com"}})
    arn = iam.create_role(RoleName="doctors-mistrusted", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    (line,) = account_lines(with_settings(debug, role_arn=arn))["role"]
    assert line.status == "FAIL"
    assert "does not let sagemaker.amazonaws.com assume it" in line.found
    assert "update-assume-role-policy" in line.next_step


def test_the_actions_that_the_sdk_will_miss_are_named(debug: Settings, iam: object) -> None:
    trust = document(TRUST)
    arn = iam.create_role(RoleName="doctors-poor", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    missing = ("cloudwatch:PutMetricData", "ec2:DescribeVpcs")
    allowed = [action for action in access.SDK_ACTIONS if action not in missing]
    statement = {"Effect": "Allow", "Action": allowed, "Resource": "*"}
    iam.put_role_policy(RoleName="doctors-poor", PolicyName="p", PolicyDocument=document(statement))
    settings = with_settings(debug, role_arn=arn)
    trusted, actions, _ = account_lines(settings)["role"]
    assert trusted.status == "OK"
    assert (actions.status, actions.found.endswith(": " + ", ".join(missing))) == ("FAIL", True)
    assert "setup/iam" in actions.next_step


def test_the_sdk_asks_for_these_actions_and_no_others() -> None:
    from sagemaker.core.helper.iam_role_resolver import _get_smoke_test_actions

    for role_type in ("training", "serving", "pipeline"):
        asked = set(_get_smoke_test_actions(role_type))
        assert asked <= set(access.SDK_ACTIONS)
    assert set(_get_smoke_test_actions("training")) == set(access.SDK_ACTIONS)


@pytest.mark.parametrize(
    "missing",
    [
        "",
        "iam:PassRole",
        "sagemaker:CreateProcessingJob",
        "sagemaker:AddTags",
        "sagemaker:CreateModelPackage",
    ],
)
def test_what_a_role_lacks_for_a_pipeline_is_told_before_it_executes(
    machine: Machine, debug: Settings, iam: object, missing: str
) -> None:
    arn = iam.create_role(RoleName="doctors-own", AssumeRolePolicyDocument=document(TRUST))["Role"]["Arn"]
    places = {"account_id": ACCOUNT, "region": debug.region, "bucket": "b", "role_arn": arn}
    shipped = json.loads(filled("execution-role-policy", **places))
    for statement in shipped["Statement"]:
        actions = statement["Action"]
        kept = [one for one in ([actions] if isinstance(actions, str) else actions) if one != missing]
        statement["Action"] = kept
    statements = [statement for statement in shipped["Statement"] if statement["Action"]]
    iam.put_role_policy(RoleName="doctors-own", PolicyName="p", PolicyDocument=document(*statements))
    line = access.role_of_pipelines(machine(role_arn=arn), iam, fail)
    assert (line.status, missing in line.found) == ("FAIL" if missing else "OK", True)
    assert "setup/iam" in line.next_step or not missing


@pytest.mark.parametrize("missing", ["", "trust", "sagemaker:StartPipelineExecution"])
def test_what_a_role_lacks_for_a_rule_is_told_before_it_fires(
    machine: Machine, debug: Settings, iam: object, missing: str
) -> None:
    name = "doctors-rules"
    places = {"account_id": ACCOUNT, "region": debug.region, "bucket": "b"}
    arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"
    trust = document(TRUST) if missing == "trust" else filled("trust-policy", role_arn=arn, **places)
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    shipped = json.loads(filled("execution-role-policy", role_arn=arn, **places))
    statements = [each for each in shipped["Statement"] if each["Action"] != missing]
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(*statements))
    line = rights.role_of_rules(machine(role_arn=arn), iam, fail)
    iam.delete_role_policy(RoleName=name, PolicyName="p")
    iam.delete_role(RoleName=name)
    assert line.status == ("FAIL" if missing else "OK"), line
    assert ("trust policy" if missing == "trust" else missing) in line.found
    assert "setup/iam" in line.next_step or not missing


def test_who_may_not_push_an_image_is_told_before_the_notebook_that_pushes_one(
    machine: Machine, iam: object, debug: Settings
) -> None:
    assert rights.push_line(machine(), iam, fail).status == "OK"
    iam.delete_role_policy(RoleName="workshop-sample", PolicyName="person-policy")
    try:
        line = rights.push_line(machine(), iam, fail)
        assert (line.status, "ecr:PutImage" in line.found) == ("FAIL", True)
        assert [each.status for each in account_lines(debug, "07-Own-Image")["push"]] == ["FAIL"]
        assert "push" not in account_lines(debug, TRAINING)
    finally:
        places = {"account_id": ACCOUNT, "region": "*", "bucket": "*", "role_arn": "*"}
        iam.put_role_policy(
            RoleName="workshop-sample",
            PolicyName="person-policy",
            PolicyDocument=filled("person-policy", **places),
        )


def test_a_role_of_before_stops_the_notebook_of_the_pipeline_alone(debug: Settings, iam: object) -> None:
    arn = iam.create_role(RoleName="doctors-old", AssumeRolePolicyDocument=document(TRUST))["Role"]["Arn"]
    old = {"Effect": "Allow", "Action": [*access.SDK_ACTIONS, "s3:*"], "Resource": "*"}
    iam.put_role_policy(RoleName="doctors-old", PolicyName="p", PolicyDocument=document(old))
    settings = with_settings(debug, role_arn=arn)
    statuses = {
        notebook: [line.status for line in account_lines(settings, notebook)["role"]]
        for notebook in (TRAINING, PIPELINE_NOTEBOOK)
    }
    assert statuses == {TRAINING: ["OK", "OK", "OK"], PIPELINE_NOTEBOOK: ["OK", "OK", "OK", "FAIL"]}


# the bucket


def test_a_bucket_in_another_region_is_told_with_the_region(debug: Settings, running: RunningSandbox) -> None:
    running.client("s3", "ap-northeast-2").create_bucket(
        Bucket="doctors-bucket-of-seoul",
        CreateBucketConfiguration={"LocationConstraint": "ap-northeast-2"},
    )
    settings = with_settings(debug, bucket="doctors-bucket-of-seoul")
    (line,) = account_lines(settings)["bucket"]
    assert line.status == "FAIL"
    assert (
        "the bucket doctors-bucket-of-seoul is in ap-northeast-2; expected a bucket in us-east-1"
        in line.found
    )
    assert "set region: ap-northeast-2 in workshop.yaml" in line.next_step
    with pytest.raises(WorkshopError, match="is in ap-northeast-2"):
        connect(settings)


def test_a_role_that_may_not_use_the_bucket_is_told(
    debug: Settings, running: RunningSandbox, iam: object
) -> None:
    running.client("s3").create_bucket(Bucket="doctors-news")
    arn = iam.create_role(RoleName="doctors-s3", AssumeRolePolicyDocument=document(TRUST))["Role"]["Arn"]
    only_sagemakers = [
        {"Effect": "Allow", "Action": list(access.SDK_ACTIONS), "Resource": "*"},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"},
        {"Effect": "Allow", "Action": "s3:*Object", "Resource": "arn:aws:s3:::*sagemaker*"},
    ]
    policy = document(*only_sagemakers)
    iam.put_role_policy(RoleName="doctors-s3", PolicyName="p", PolicyDocument=policy)
    settings = with_settings(debug, role_arn=arn, bucket="doctors-news")
    *_, line = account_lines(settings)["role"]
    assert line.status == "WARN"
    assert "doctors-s3 may not s3:GetObject, s3:PutObject in doctors-news" in line.found
    assert "sagemaker" in line.next_step


def person(running: RunningSandbox, iam: object, tmp_path: Path, *statements: object) -> None:
    """Be a user with these policies, in mode debug."""
    iam.create_user(UserName="doctors-kim")
    iam.put_user_policy(UserName="doctors-kim", PolicyName="p", PolicyDocument=document(*statements))
    key = iam.create_access_key(UserName="doctors-kim")["AccessKey"]
    profile = tmp_path / "kim"
    profile.write_text(
        f"[default]\nendpoint_url = {running.url}\naws_access_key_id = {key['AccessKeyId']}\n"
        f"aws_secret_access_key = {key['SecretAccessKey']}\n"
    )
    os.environ["AWS_CONFIG_FILE"] = str(profile)


def test_a_person_who_may_not_write_into_the_bucket_is_told(
    debug: Settings, running: RunningSandbox, iam: object, tmp_path: Path
) -> None:
    running.client("s3").create_bucket(Bucket="doctors-readings")
    reads = {"Effect": "Allow", "Action": ["s3:Get*", "s3:List*"], "Resource": "*"}
    person(running, iam, tmp_path, reads)
    lines = account_lines(with_settings(debug, bucket="doctors-readings"))
    assert lines["identity"][0].found == f"account {ACCOUNT}, user doctors-kim"
    _, line = lines["bucket"]
    assert (line.status, "you may not s3:PutObject in doctors-readings" in line.found) == ("WARN", True)


# quotas


def ask_sandbox(running: RunningSandbox, table: str, value: Mapping[str, object] | None) -> None:
    """Put a value into one of the sandbox's tables; None clears it."""
    data, method = (json.dumps(value).encode(), "PUT") if value else (None, "DELETE")
    request = urllib.request.Request(f"{running.url}/_sandbox/{table}", data, method=method)
    urllib.request.urlopen(request).close()


@pytest.fixture
def quota(running: RunningSandbox) -> Iterator[object]:
    """Set a quota of the account."""
    yield lambda name, value: ask_sandbox(running, "quotas", {"name": name, "value": value})
    ask_sandbox(running, "quotas", None)


def test_a_quota_of_0_is_told_with_what_is_needed_and_where_to_ask(debug: Settings, quota: object) -> None:
    name = "ml.g5.4xlarge for training job usage"
    quota(name, 0)
    (line,) = account_lines(debug)["quota"]
    assert line.status == "FAIL"
    assert line.found.startswith(f"{name}: 0, 1 needed (L-")
    assert TRAINING in line.found
    code = line.found.partition("(")[2].partition(")")[0]
    console = "https://us-east-1.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas"
    assert f"{console}/{code}" in line.next_step
    with pytest.raises(WorkshopError) as caught:
        preflight(debug, TRAINING)
    assert "1 of " in caught.value.found
    assert "checks failed: quota" in caught.value.found
    assert "ask for 1 or more" in caught.value.next_step
    preflight(debug, ENDPOINT_NOTEBOOK)


def test_the_largest_use_of_a_quota_counts_and_what_can_be_left_out_only_warns(debug: Settings) -> None:
    settings = with_settings(
        debug, mode="full", training_instance_count="2", long_run_instance_type="ml.p5.48xlarge"
    )
    needs = {need.name: need for need in quota_needs(usages(settings), None)}
    assert needs[f"{settings.training_instance_type} for training job usage"].count == 2
    optional = needs["ml.p5.48xlarge for training job usage"]
    assert not optional.is_required
    line = quota_line(optional, {"Value": 0.0, "QuotaCode": "L-1"}, "us-east-1")
    assert line.status == "WARN"
    assert quota_line(optional, {"Value": 1.0, "QuotaCode": "L-1"}, "us-east-1").status == "OK"
    (alone,) = quota_needs(usages(settings), "03-1-Option-SageMaker-Training")
    assert alone.is_required
    jupyter = Need(name="a for notebook instance usage", count=1, notebooks=("b",), is_required=False)
    assert "none of this name in us-east-1" in quota_line(jupyter, None, "us-east-1").found


# the base model, the credentials, the network


class Hub(BaseHTTPRequestHandler):
    """A hub that refuses everybody's HEAD of a gated model, as huggingface.co does without an approval."""

    asked: list[str] = []  # noqa: RUF012

    def do_HEAD(self) -> None:
        self.asked.append(self.path)
        self.send_response(403)
        self.send_header("X-Error-Code", "GatedRepo")
        self.end_headers()

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def hub_url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_gated_model_is_told_with_the_page_of_its_licence(
    debug: Settings, hub_url: str, tmp_path: Path
) -> None:
    done = run_doctor(
        tmp_path,
        WORKSHOP_MODE="debug",
        WORKSHOP_ROLE_ARN=debug.role_arn,
        HF_ENDPOINT=hub_url,
        HF_TOKEN="hf_" + "a" * 34,
    )
    lines = done.stdout.splitlines()
    (place,) = [number for number, line in enumerate(lines) if line.startswith("[FAIL]")]
    assert lines[place].startswith("[FAIL] base model    meta-llama/Meta-Llama-3-8B is gated")
    assert "accept its licence at https://huggingface.co/meta-llama/Meta-Llama-3-8B" in lines[place + 1]
    assert done.returncode == 1
    assert Hub.asked == ["/meta-llama/Meta-Llama-3-8B/resolve/main/config.json"], "nothing is fetched"
    assert "hf_aaa" not in done.stdout + done.stderr


def test_a_folder_without_weights_is_no_base_model(tmp_path: Path) -> None:
    from dataclasses import replace

    from workshop.account.base_model import base_model_lines

    (line,) = base_model_lines(replace(load_settings(environ={}), base_model=str(tmp_path)))
    assert (line.status, "*.safetensors" in line.found) == ("FAIL", True)


class OpenHub(Hub):
    """A hub that lets everybody read a model of a family that TGI does not have."""

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.wfile.write(self.answer())

    def answer(self) -> bytes:
        body = b'{"model_type": "exaone4"}'
        self.send_response(200)
        for name, value in (("ETag", '"a"'), ("X-Repo-Commit", "c" * 40), ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        return body


def test_a_family_that_the_engine_does_not_serve_is_told_before_it_is_trained(tmp_path: Path) -> None:
    server = HTTPServer(("127.0.0.1", 0), OpenHub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    code = "from workshop.account.base_model import base_model_lines as lines\n\
from workshop.settings import load_settings\nprint(*lines(load_settings()), sep='\\n')"
    told = {
        engine: subprocess.run(
            [sys.executable, "-c", code],
            env={
                **os.environ,
                "WORKSHOP_BASE_MODEL": "some/exaone",
                "WORKSHOP_SERVING_ENGINE": engine,
                "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
            },
            stdout=subprocess.PIPE,
            text=True,
        ).stdout.splitlines()
        for engine in ("tgi", "vllm")
    }
    server.shutdown()
    server.server_close()
    assert told["vllm"] == ["[OK]   base model    some/exaone on the hub, which lets you read it"]
    assert told["tgi"][0] == told["vllm"][0]
    assert told["tgi"][1].startswith(
        "[WARN] serving       model_type exaone4 in config.json; expected a family"
    )
    assert told["tgi"][2].strip() == "do next: serve it with vLLM or LMI: serving_engine in workshop.yaml"


class Expired(BaseHTTPRequestHandler):
    """STS as it answers credentials of yesterday."""

    def do_POST(self) -> None:
        code = "<Error><Type>Sender</Type><Code>ExpiredToken</Code><Message>expired</Message></Error>"
        body = f"<ErrorResponse>{code}</ErrorResponse>".encode()
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None: ...


def account_at(url: str, tmp_path: Path) -> None:
    profile = tmp_path / "profile"
    keys = "aws_access_key_id = a\naws_secret_access_key = b\nmax_attempts = 1\n"
    profile.write_text(f"[default]\nendpoint_url = {url}\n{keys}")
    os.environ["AWS_CONFIG_FILE"] = str(profile)


class Refusing(BaseHTTPRequestHandler):
    """A service of AWS, as it answers somebody who lacks every right."""

    def do_POST(self) -> None:
        code = "<Error><Code>AccessDenied</Code><Message>denied</Message></Error>"
        self.answer(f"<ErrorResponse>{code}</ErrorResponse>".encode())

    def do_HEAD(self) -> None:
        self.answer(b"")

    def answer(self, body: bytes) -> None:
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None: ...


def test_a_person_who_may_not_ask_about_itself_is_not_warned_and_one_who_may_not_read_is_stopped(
    debug: Settings, machine: Machine
) -> None:
    aws: Aws = machine(base_model=MODEL, role_arn=debug.role_arn, needs_bucket=True)
    server = HTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    iam, s3 = (
        aws.boto_session.client(service, endpoint_url=f"http://127.0.0.1:{server.server_port}")
        for service in ("iam", "s3")
    )
    line = access._person_may(aws, aws.client("s3"), iam)
    refused = access._person_may(aws, s3, iam)
    (not_theirs,) = access.bucket(aws, s3, iam)
    server.shutdown()
    server.server_close()
    assert (line.status, "the first upload says" in line.found) == ("OK", True)
    assert (refused.status, "s3:GetObject" in refused.found) == ("FAIL", True)
    assert (not_theirs.status, "another account's" in not_theirs.found) == ("FAIL", True)


def test_expired_credentials_are_told_and_nothing_else_is_asked(tmp_path: Path) -> None:
    server = HTTPServer(("127.0.0.1", 0), Expired)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    account_at(f"http://127.0.0.1:{server.server_port}", tmp_path)
    environ = {"WORKSHOP_MODE": "debug", "WORKSHOP_HOME": str(tmp_path), "WORKSHOP_BASE_MODEL": MODEL}
    lines = account_lines(load_settings(environ=environ))
    server.shutdown()
    server.server_close()
    (line,) = lines["identity"]
    assert (line.status, "(ExpiredToken)" in line.found) == ("FAIL", True)
    assert "aws sso login" in line.next_step
    assert "not looked at" in lines["account"][0].found
    assert not {"role", "quota", "bucket"} & lines.keys()


def test_offline_is_told_of_aws_and_of_the_hub_without_a_traceback(tmp_path: Path) -> None:
    account_at(CLOSED, tmp_path)
    done = run_doctor(tmp_path, WORKSHOP_MODE="debug", HF_ENDPOINT=CLOSED)
    assert done.returncode == 1
    assert "[FAIL] identity      no answer from AWS in us-east-1" in done.stdout
    assert "[FAIL] base model    no connection to the hub" in done.stdout
    assert done.stdout.count("do next: check network and proxy") == 2
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr == ""


def test_a_service_that_refuses_is_not_known_and_the_others_are(
    debug: Settings, running: RunningSandbox
) -> None:
    ask_sandbox(running, "faults", {"operation": "ListServiceQuotas", "fault": "AccessDenied"})
    lines = account_lines(debug)
    (line,) = lines["quota"]
    assert line.status == "WARN"
    assert "not known: not allowed: your user or role lacks the action servicequotas:ListServiceQuotas" in (
        line.found
    )
    assert {line.status for line in (*lines["role"], *lines["image"])} == {"OK"}


# images


def test_the_training_image_is_the_one_that_the_notebooks_ask_the_sdk_for() -> None:
    found = []
    for path in list_notebooks(find_repo_dir() / "notebook"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] != "code" or "pytorch2" not in source:
                continue
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "retrieve":
                    arguments = {
                        each.arg: each.value.value
                        for each in node.keywords
                        if isinstance(each.value, ast.Constant)
                    }
                    found.append(arguments)
    assert found == [images.TRAINING_IMAGE_ARGUMENTS] * 2

    from sagemaker.core import image_uris

    for region in ("us-east-1", "ap-northeast-2"):
        place = {"region": region, "instance_type": "ml.g5.4xlarge"}
        address = image_uris.retrieve(**place, **images.TRAINING_IMAGE_ARGUMENTS)
        assert images.training_image(**place) == address


def test_an_image_that_the_registry_lacks_is_told(machine: Machine, debug: Settings) -> None:
    ecr = machine(base_model=MODEL, role_arn=debug.role_arn).client("ecr")
    registry = "763104351884.dkr.ecr.us-east-1.amazonaws.com"
    line = images.image_line(ecr, f"{registry}/xgboost:1.7-1")
    assert (line.status, "no image xgboost:1.7-1" in line.found) == ("FAIL", True)
    ecr.create_repository(repositoryName="mine")
    line = images.image_line(ecr, f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/mine:latest")
    assert (line.status, "no image mine:latest" in line.found) == ("FAIL", True)
    assert images.image_line(ecr, "ubuntu:24.04").status == "FAIL"
    assert images.image_line(ecr, f"{registry}/djl-inference:1").status == "OK"


class ClosedRegistry(BaseHTTPRequestHandler):
    """ECR, of whose repositories nobody else may ask."""

    def do_POST(self) -> None:
        message = "is not authorized because no resource-based policy allows the ecr:BatchGetImage action"
        body = json.dumps({"__type": "AccessDeniedException", "message": message}).encode()
        self.send_response(400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None: ...


def test_a_registry_that_nobody_else_may_ask_is_no_missing_right(machine: Machine, debug: Settings) -> None:
    server = HTTPServer(("127.0.0.1", 0), ClosedRegistry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    session = machine(base_model=MODEL, role_arn=debug.role_arn).boto_session
    ecr = session.client("ecr", endpoint_url=f"http://127.0.0.1:{server.server_port}")
    line = images.image_line(ecr, images.training_image("us-east-1", "ml.g5.4xlarge"))
    server.shutdown()
    server.server_close()
    assert (line.status, "lets no other account ask" in line.found) == ("WARN", True)


def test_one_endpoint_of_three_engines_has_images_of_one_cuda(debug: Settings) -> None:
    found = images.images_of(debug, "02-SageMaker-Inference-Component")
    assert [address.partition("/")[2].partition(":")[0] for address in found] == [
        *("huggingface-pytorch-tgi-inference", "vllm", "djl-inference")
    ]
    assert all("cu12" in address for address in found)


def test_the_person_is_found_whatever_path_the_role_has(machine: Machine, debug: Settings) -> None:
    aws: Aws = machine(base_model=MODEL, role_arn=debug.role_arn)
    assert access.principal_of(aws, aws.client("iam")) == f"arn:aws:iam::{ACCOUNT}:role/workshop-sample"


# runs


def fault(running: RunningSandbox, operation: str, kind: str, **members: float) -> None:
    body = json.dumps({"operation": operation, "fault": kind, **members}).encode()
    request = urllib.request.Request(f"{running.url}/_sandbox/faults", body, method="PUT")
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).close()


@pytest.fixture
def logging_aws(machine: Machine, debug: Settings) -> Aws:
    return machine(base_model=MODEL, role_arn=debug.role_arn)


def runs_of(aws: Aws) -> Line:
    return runs_line(aws, aws.client("iam"))


def test_where_runs_are_logged_is_told_and_not_asked_where_nobody_wants_it(
    debug: Settings, logging_aws: Aws, running: RunningSandbox
) -> None:
    assert "runs" not in account_lines(with_settings(debug, use_mlflow="false"))
    (line,) = account_lines(debug)["runs"]
    assert (line.status, "not there yet" in line.found) == ("OK", True)
    assert running.client("sagemaker").list_mlflow_apps()["Summaries"] == []
    fault(running, "CreateMlflowApp", "SlowStart", delay_s=3600)  # deleted before it has a server
    arn = find_or_create_app(logging_aws)
    line = runs_of(logging_aws)
    assert (line.status, "logged in the MLflow App korean-news-llama3-debug" in line.found) == ("OK", True)
    running.client("sagemaker").delete_mlflow_app(Arn=arn)


def test_an_app_that_failed_is_told_with_both_ways_on_and_its_end_is_in_the_ledger(
    logging_aws: Aws, running: RunningSandbox
) -> None:
    fault(running, "CreateMlflowApp", "FailedHealthCheck")
    arn = find_or_create_app(logging_aws)
    with pytest.raises(WorkshopError, match="korean-news-llama3-debug is CreateFailed") as caught:
        wait_until_ready(logging_aws, arn)
    line = runs_of(logging_aws)
    logging_aws.client("sagemaker").delete_mlflow_app(Arn=arn)
    (row,) = [row for row in logging_aws.ledger.entries() if row.kind == "MlflowApp"]
    assert (row.name, row.status) == ("korean-news-llama3-debug", "ended"), "its ARN stands in the request"
    assert (line.status, line.found) == ("FAIL", "the MLflow App korean-news-llama3-debug is CreateFailed")
    for text in (line.next_step, caught.value.next_step):
        assert 'make cleanup CONFIRM="runs"' in text
        assert "use_mlflow: false" in text


def test_a_person_who_may_not_log_runs_is_told_before_anything_is_trained(
    logging_aws: Aws, running: RunningSandbox
) -> None:
    fault(running, "ListMlflowApps", "AccessDenied", count=2)
    for ask in (runs_of, connect_tracking):
        with pytest.raises(WorkshopError, match="sagemaker:ListMlflowApps") as caught:
            ask(logging_aws)
        assert "use_mlflow: false" in caught.value.next_step
