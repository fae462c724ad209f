"""Calls of the SageMaker SDK in a process of their own, with every address outside of this machine noted.

python sdk_calls.py FOLDER VARIABLES ...    JSON objects: each is set, and the calls made
python sdk_calls.py FOLDER connect          after the workshop's connect()

An audit hook sees each name that is looked up and each address that is connected to, whichever library asks;
the call is refused there, so that nothing leaves even when the SDK tries. Prints a JSON object each time: for
every call its addresses, its error and its answer.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

IMAGE = (
    "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-tgi-inference:"
    "2.7.0-tgi3.3.6-gpu-py311-cu124-ubuntu22.04"
)
TRAINING_IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.6.0-cpu-py312"
BUCKET = "mine"
SCRIPT = "import os\nprint('trains')\nopen(os.path.join(os.environ['SM_MODEL_DIR'], 'w'), 'w').write('1')\n"
TELEMETRY_TIMEOUT_S = 30
_HERE = (None, "", "127.0.0.1", "localhost", "::1")
_hosts: set[str] = set()


def note_addresses() -> None:
    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "socket.getaddrinfo":
            host = args[0].decode() if isinstance(args[0], bytes) else args[0]
        elif event in ("socket.connect", "socket.sendto") and isinstance(args[1], tuple):
            host = args[1][0]
        else:
            return
        if host not in _HERE:
            _hosts.add(host)
            raise socket.gaierror(socket.EAI_NONAME, f"{host}: not from a test")

    sys.addaudithook(hook)


def trained(folder: Path, **settings: Any) -> Any:
    from sagemaker.train import ModelTrainer
    from sagemaker.train.configs import Compute, InputData, SourceCode

    trainer = ModelTrainer(
        training_image=TRAINING_IMAGE,
        source_code=SourceCode(source_dir=str(folder / "source"), entry_script="script.py"),
        compute=Compute(instance_type="ml.m5.xlarge", instance_count=1),
        base_job_name="calls",
        **settings,
    )
    channel = InputData(channel_name="train", data_source=str(folder / "data"))
    trainer.train(input_data_config=[channel], wait=False, logs=False)
    job = trainer._latest_training_job
    job.wait(poll=1, logs=True)
    return job.training_job_status


def processed(folder: Path, **settings: Any) -> Any:
    from sagemaker.core.processing import ScriptProcessor

    processor = ScriptProcessor(
        image_uri=TRAINING_IMAGE,
        command=["python3"],
        role="arn:aws:iam::111122223333:role/Exec",
        instance_type="ml.m5.xlarge",
        instance_count=1,
        **settings,
    )
    processor.run(code=str(folder / "source" / "process.py"), wait=False, logs=False)
    processor.latest_job.wait(poll=1)
    return processor.latest_job.processing_job_status


def built(**settings: Any) -> Any:
    from sagemaker.serve import ModelBuilder
    from sagemaker.serve.builder.schema_builder import SchemaBuilder

    schema = SchemaBuilder({"inputs": "a", "parameters": {}}, [{"generated_text": "b"}])
    builder = ModelBuilder(instance_type="ml.g5.xlarge", schema_builder=schema, **settings)
    return builder.build().model_name


def endpoint_made() -> Any:
    """Make an endpoint and wait for what becomes of it: the sandbox has no program for its image."""
    from sagemaker.core.resources import Endpoint, EndpointConfig, Model
    from sagemaker.core.shapes import ContainerDefinition, ProductionVariant

    name = f"calls-{time.monotonic_ns()}"
    Model.create(
        model_name=name,
        primary_container=ContainerDefinition(image="mine:1"),
        execution_role_arn="arn:aws:iam::000000000000:role/any",
    )
    variant = ProductionVariant(
        variant_name="v", model_name=name, initial_instance_count=1, instance_type="ml.g5.xlarge"
    )
    EndpointConfig.create(endpoint_config_name=name, production_variants=[variant])
    endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=name)
    while endpoint.endpoint_status in (None, "Creating"):
        time.sleep(0.2)
        endpoint.refresh()
    endpoint.delete()
    return endpoint.endpoint_status


def calls(folder: Path) -> dict[str, Callable[[], Any]]:
    """Return what is called, by the names of src/sandbox/README.md."""
    import boto3
    from sagemaker.core import image_uris
    from sagemaker.core.helper.session_helper import Session, get_execution_role
    from sagemaker.core.remote_function import RemoteExecutor
    from sagemaker.core.s3 import S3Uploader

    boto3.client("s3").create_bucket(Bucket=BUCKET)  # in us-east-1 as often as one likes
    file = str(folder / "data" / "rows.txt")
    return {
        "Session(default_bucket=...).default_bucket()": lambda: Session(
            default_bucket=BUCKET
        ).default_bucket(),
        "Session().default_bucket()": lambda: Session().default_bucket(),
        "Session().upload_data(file)": lambda: Session().upload_data(file),
        "Session().upload_data(file, bucket=...)": lambda: Session().upload_data(file, bucket=BUCKET),
        "S3Uploader.upload(...)": lambda: S3Uploader.upload(file, f"s3://{BUCKET}/p"),
        "Session().account_id()": lambda: Session().account_id(),
        "get_execution_role()": lambda: get_execution_role(),
        'boto3.client("sts").get_caller_identity()': lambda: boto3.client("sts").get_caller_identity()["Arn"],
        "image_uris.retrieve(...)": lambda: image_uris.retrieve(
            "huggingface-llm", region="us-east-1", version="3.3.6", image_scope="inference"
        ),
        "Session(boto_session=...).account_id()": lambda: Session(
            boto_session=boto3.session.Session(region_name="us-east-1")
        ).account_id(),
        "Model, EndpointConfig, Endpoint": endpoint_made,
        "RemoteExecutor(instance_type=...)": lambda: RemoteExecutor(
            instance_type="ml.m5.xlarge", image_uri=TRAINING_IMAGE
        ).shutdown(),
        "ModelTrainer(...).train()": lambda: trained(folder),
        "ModelTrainer(role=..., sagemaker_session=Session(default_bucket=...)).train()": lambda: trained(
            folder,
            role="arn:aws:iam::111122223333:role/Exec",
            sagemaker_session=Session(default_bucket=BUCKET),
        ),
        "ScriptProcessor(role=...).run(...)": lambda: processed(folder),
        "ScriptProcessor(role=..., sagemaker_session=Session(default_bucket=...)).run(...)": lambda: (
            processed(folder, sagemaker_session=Session(default_bucket=BUCKET))
        ),
        "ModelBuilder(image_uri=..., s3_model_data_url=...).build()": lambda: built(
            image_uri=IMAGE,
            s3_model_data_url=f"s3://{BUCKET}/data/",
            sagemaker_session=Session(default_bucket=BUCKET),
        ),
        'ModelBuilder(model="a name of the hub").build()': lambda: built(model="someone/news-model"),
    }


def report(folder: Path) -> None:
    """Make every call and print what each did."""
    reported = {}
    for name, call in calls(folder).items():
        _hosts.clear()
        error = answer = None
        try:
            answer = call()
        except Exception as problem:
            error = f"{type(problem).__name__}: {problem}"
        for thread in threading.enumerate():
            if thread.name == "sagemaker-telemetry":
                thread.join(TELEMETRY_TIMEOUT_S)
        reported[name] = {"asks": sorted(_hosts), "error": error, "answer": answer}
    print(json.dumps(reported), flush=True)


def main(folder: Path, *phases: str) -> None:
    files = {"source/script.py": SCRIPT, "source/process.py": "print(1)", "data/rows.txt": "1"}
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    note_addresses()
    os.environ["AWS_MAX_ATTEMPTS"] = "1"
    if phases == ("connect",):
        from workshop.aws.session import connect
        from workshop.settings import load_settings

        connect(load_settings())
        report(folder)
        return
    for variables in phases:
        os.environ |= json.loads(variables)
        report(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
