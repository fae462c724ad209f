"""Memory at rest, after every service was used and large objects went through."""

from __future__ import annotations

import io
import json
import os
import time

import psutil

MAX_IDLE_BYTES = 140 << 20  # 290 to 530 when what went through stays
TRUST = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
POLICY = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"


def test_it_idles_in_140_mb_after_every_service_was_used(sandbox) -> None:
    client = sandbox.client
    assert client("sts").get_caller_identity()["Account"] == "000000000000"
    role = {"RoleName": "r", "AssumeRolePolicyDocument": json.dumps({"Statement": [TRUST]})}
    arn = client("iam").create_role(**role)["Role"]["Arn"]
    client("iam").attach_role_policy(RoleName="r", PolicyArn=POLICY)  # moto knows none by default
    attached = client("iam").list_attached_role_policies(RoleName="r")["AttachedPolicies"]
    assert [policy["PolicyArn"] for policy in attached] == [POLICY]
    client("logs").create_log_group(logGroupName="g")
    client("cloudwatch").put_metric_data(Namespace="n", MetricData=[{"MetricName": "m", "Value": 1.0}])
    client("ecr").create_repository(repositoryName="repo")
    assert client("ecr").get_authorization_token()["authorizationData"]
    client("secretsmanager").create_secret(Name="s", SecretString="x")
    client("sagemaker").create_model(ModelName="m", PrimaryContainer={"Image": "i"}, ExecutionRoleArn=arn)
    assert client("sagemaker").list_models()["Models"]
    client("s3").create_bucket(Bucket="bbb")
    body = os.urandom(48 << 20)
    client("s3").put_object(Bucket="bbb", Key="large", Body=body)
    client("s3").upload_fileobj(io.BytesIO(body), "bbb", "parts")
    assert client("s3").get_object(Bucket="bbb", Key="large")["Body"].read() == body
    process = psutil.Process(sandbox.pid)
    deadline_s = time.monotonic() + 300  # what the last answer held is given back after it was sent
    while process.memory_info().rss > MAX_IDLE_BYTES and time.monotonic() < deadline_s:
        time.sleep(0.02)
    print(f"idle: {process.memory_info().rss / 2**20:.0f} MB")
    assert process.memory_info().rss <= MAX_IDLE_BYTES
