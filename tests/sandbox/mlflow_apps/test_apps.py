"""MLflow Apps, through boto3 and MLflow's own client with AWS's plugin."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from functools import partial
from typing import Any
from urllib.parse import urljoin

import pytest
from botocore.exceptions import ClientError

from ..training.conftest import Jobs
from .conftest import BUCKET, ROLE, Apps


@pytest.fixture(scope="module")
def arns(apps: Apps) -> dict[str, str]:
    """Two apps, which start at the same time."""
    made = {name: apps.create(name, Tags=[{"Key": "workshop", "Value": name}]) for name in ("news", "other")}
    for arn in made.values():
        apps.wait(arn, "Created")
    return made


def test_a_created_app_is_described_as_it_was_asked_for(apps: Apps, arns: dict[str, str]) -> None:
    app = apps.client.describe_mlflow_app(Arn=arns["news"])
    assert arns["news"].startswith("arn:aws:sagemaker:us-east-1:000000000000:mlflow-app/app-")
    assert (app["Name"], app["Status"]) == ("news", "Created")
    assert (app["ArtifactStoreUri"], app["RoleArn"]) == (f"s3://{BUCKET}/news", ROLE)
    assert app["ModelRegistrationMode"] == "AutoModelRegistrationDisabled"
    assert app["MlflowVersion"].startswith("3.")
    tags = apps.client.list_tags(ResourceArn=arns["news"])["Tags"]
    assert tags == [{"Key": "workshop", "Value": "news"}]


def test_runs_metrics_and_artifacts_are_logged_through_the_arn(
    apps: Apps, arns: dict[str, str], mlflow: Any
) -> None:
    mlflow.set_tracking_uri(arns["news"])
    mlflow.set_experiment("뉴스 요약")
    with mlflow.start_run(run_name="LoRA r=8") as run:
        mlflow.log_params({"lr": 0.004, "rank": 8})
        for step in range(3):
            mlflow.log_metric("loss", 2.0 / (step + 1), step=step)
        mlflow.log_text("서울 기온 3.5도", "examples/예시.txt")
    found = mlflow.get_run(run.info.run_id)
    assert found.data.params == {"lr": "0.004", "rank": "8"}
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
    assert [(each.step, each.value) for each in history] == [(0, 2.0), (1, 1.0), (2, 2.0 / 3)]
    assert found.info.artifact_uri.startswith(f"s3://{BUCKET}/news/")
    s3, key = apps.sandbox.client("s3"), f"{found.info.artifact_uri}/examples/예시.txt"
    kept = s3.get_object(Bucket=BUCKET, Key=key.removeprefix(f"s3://{BUCKET}/"))
    assert kept["Body"].read().decode() == "서울 기온 3.5도"
    assert [each.path for each in mlflow.artifacts.list_artifacts(run_id=run.info.run_id)] == ["examples"]


def test_two_apps_know_nothing_of_each_other(arns: dict[str, str], mlflow: Any) -> None:
    mlflow.set_tracking_uri(arns["other"])
    mlflow.set_experiment("of the other")
    mlflow.set_tracking_uri(arns["news"])
    assert mlflow.get_experiment_by_name("of the other") is None


def test_prompts_have_versions_and_aliases_and_traces_their_steps(arns: dict[str, str], mlflow: Any) -> None:
    mlflow.set_tracking_uri(arns["news"])
    for template in ("{{article}} 요약:", "{{article}} 한 문장으로:"):
        prompt = mlflow.genai.register_prompt("news-summary", template)
    mlflow.genai.set_prompt_alias("news-summary", "production", prompt.version)
    loaded = mlflow.genai.load_prompt("prompts:/news-summary@production")
    assert (loaded.version, loaded.template) == (2, "{{article}} 한 문장으로:")
    mlflow.set_experiment("질문")
    with mlflow.start_span("answer") as span:
        span.set_inputs({"question": "어디인가?"})
        with mlflow.start_span("retrieve"):
            pass
        span.set_outputs("서울")
    mlflow.flush_trace_async_logging()
    (trace,) = mlflow.search_traces(return_type="list")
    assert [each.name for each in trace.data.spans] == ["answer", "retrieve"]
    assert trace.data.spans[0].outputs == "서울"


def test_a_training_job_logs_to_the_app_whose_arn_it_is_given(
    apps: Apps, arns: dict[str, str], mlflow: Any
) -> None:
    program = (
        "import mlflow; mlflow.set_experiment('jobs');"
        " mlflow.start_run(run_name='of a job'); mlflow.log_metric('loss', 0.5); mlflow.end_run()"
    )
    job = Jobs(apps.sandbox).run(program, environment={"MLFLOW_TRACKING_URI": arns["news"]})
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    mlflow.set_tracking_uri(arns["news"])
    (run,) = mlflow.search_runs(experiment_names=["jobs"], output_format="list")
    assert (run.info.run_name, run.data.metrics) == ("of a job", {"loss": 0.5})


def test_a_call_needs_one_permission_on_the_app(apps: Apps, arns: dict[str, str], mlflow: Any) -> None:
    mlflow.set_tracking_uri(arns["news"])
    url = f"{apps.sandbox.url}/_sandbox/policies"
    for resource, is_allowed in ((arns["news"], True), (arns["other"], False)):
        statement = {"Effect": "Allow", "Action": "sagemaker:CallMlflowAppApi", "Resource": resource}
        policy = {"Version": "2012-10-17", "Statement": statement}
        body = json.dumps({"person": [policy], "execution": []}).encode()
        urllib.request.urlopen(urllib.request.Request(url, body, method="PUT")).close()
        try:
            if is_allowed:
                assert mlflow.search_experiments()
            else:
                message = "PERMISSION_DENIED: User: .* not authorized to perform: sagemaker:CallMlflowAppApi"
                with pytest.raises(mlflow.exceptions.MlflowException, match=message):
                    mlflow.search_experiments()
        finally:
            urllib.request.urlopen(urllib.request.Request(url, method="DELETE")).close()


def test_why_a_server_does_not_start_is_said_to_who_asks_for_it(
    apps: Apps, arns: dict[str, str], mlflow: Any
) -> None:
    mlflow.set_tracking_uri(arns["other"])
    folder = apps.sandbox.home / "mlflow" / "us-east-1" / arns["other"].rpartition("/")[2]
    database = (folder / "mlflow.db").read_bytes()
    (folder / "mlflow.db").write_bytes(b"no database" * 1000)
    (server,) = (each for each in apps.sandbox.processes() if str(folder) in " ".join(each.cmdline()))
    server.kill()
    server.wait()
    with pytest.raises(mlflow.exceptions.MlflowException, match="file is not a database") as caught:
        mlflow.search_experiments()
    assert str(folder / "server.log") in str(caught.value)
    (folder / "mlflow.db").write_bytes(database)
    assert mlflow.get_experiment_by_name("of the other").name == "of the other"


def test_another_name_leaves_the_server_as_it_is(apps: Apps, arns: dict[str, str]) -> None:
    def pids() -> list[int]:
        return [each.pid for each in apps.sandbox.processes() if "program.py" in " ".join(each.cmdline())]

    before = pids()
    apps.client.update_mlflow_app(Arn=arns["news"], Name="renamed")
    app = apps.wait(arns["news"], "Updated")
    assert (app["Name"], app["ArtifactStoreUri"]) == ("renamed", f"s3://{BUCKET}/news")
    assert pids() == before
    apps.client.update_mlflow_app(Arn=arns["news"], Name="news")
    apps.wait(arns["news"], "Updated")


def test_a_second_app_of_a_name_is_refused(apps: Apps, arns: dict[str, str]) -> None:
    with pytest.raises(ClientError, match="already exists: arn:aws:sagemaker"):
        apps.create("news")


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def get(url: str, **headers: str) -> tuple[int, Any, str]:
    """Return status, headers and body, whatever the status is."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect)
    try:
        with opener.open(urllib.request.Request(url, headers=headers)) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def test_a_presigned_url_opens_the_pages_once_and_of_one_app(apps: Apps, arns: dict[str, str]) -> None:
    presigned = partial(apps.client.create_presigned_mlflow_app_url, SessionExpirationDurationInSeconds=1800)
    url = presigned(Arn=arns["news"], ExpiresInSeconds=300)["AuthorizedUrl"]
    status, headers, _ = get(url)
    pages = urljoin(url, headers["Location"])
    cookie = headers["Set-Cookie"].partition(";")[0]
    assert (status, "Max-Age=1800" in headers["Set-Cookie"]) == (302, True)
    assert pages == url.partition("auth?")[0]
    status, headers, text = get(pages, Cookie=cookie)
    assert (status, "<title>MLflow</title>" in text) == (200, True)
    assert headers["Content-Security-Policy"].startswith("default-src 'self'")
    version = apps.client.describe_mlflow_app(Arn=arns["news"])["MlflowVersion"]
    assert get(f"{pages}version", Cookie=cookie)[2] == version
    assistant = get(f"{pages}ajax-api/3.0/mlflow/assistant/providers/claude_code/models", Cookie=cookie)
    assert assistant[0] == 403, "it would start programs of this machine"
    assert get(url)[0] == 403, "used"
    assert get(pages)[0] == 403, "without a session"
    other = urljoin(pages, f"../{arns['other'].rpartition('/')[2]}/")
    assert get(other, Cookie=cookie)[0] == 403, "another app's"
    token = presigned(Arn=arns["other"])["AuthorizedUrl"].partition("?")[2]
    assert get(f"{pages}auth?{token}")[0] == 403, "another app's"


@pytest.mark.parametrize(
    ("scope", "message"),
    [
        (None, "Missing Authentication Token"),
        ("us-east-1/sagemaker-mlflow", "correct service: 'sagemaker'"),
        ("eu-west-1/sagemaker", "valid region: us-east-1"),
    ],
)
def test_a_call_that_is_not_signed_for_the_app_is_refused(
    apps: Apps, arns: dict[str, str], scope: str | None, message: str
) -> None:
    headers = {"x-sm-mlflow-app-arn": arns["news"]}
    if scope:
        headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential=a/20260101/{scope}/aws4_request"
    status, _, text = get(f"{apps.sandbox.url}/api/2.0/mlflow/experiments/get?experiment_id=0", **headers)
    assert (status, json.loads(text)["error_code"]) == (403, "PERMISSION_DENIED")
    assert message in json.loads(text)["message"]


def test_a_deleted_app_leaves_nothing_but_what_is_in_s3(
    apps: Apps, arns: dict[str, str], mlflow: Any
) -> None:
    arn = arns.pop("other")
    folder = apps.sandbox.home / "mlflow" / "us-east-1" / arn.rpartition("/")[2]
    assert any(str(folder) in each.cmdline()[-3] for each in apps.sandbox.processes() if each.cmdline()[3:])
    apps.client.delete_mlflow_app(Arn=arn)
    apps.wait_gone(arn)
    assert not folder.exists()
    assert not [each for each in apps.sandbox.processes() if str(folder) in " ".join(each.cmdline())]
    with pytest.raises(ClientError, match="ResourceNotFound"):
        apps.client.describe_mlflow_app(Arn=arn)
    mlflow.set_tracking_uri(arn)
    with pytest.raises(mlflow.exceptions.MlflowException, match="does not exist"):
        mlflow.search_experiments()
