"""The container of the embedding model: Hugging Face's Text Embeddings Inference (TEI), on the CPU.

A query takes an eight-core machine some milliseconds, and a few hundred articles a minute: no GPU is needed,
which would cost four times as much. ml.c6i.2xlarge is the machine of Hugging Face's own example.

Source: https://www.philschmid.de/fine-tune-embedding-model-for-rag and AWS's page of the images,
https://aws.github.io/deep-learning-containers/tei/
"""

from __future__ import annotations

FRAMEWORK, VERSION = "huggingface-tei-cpu", "1.8.2"
"""In `sagemaker.core.image_uris.retrieve`."""

IMAGE = "tei-cpu:2.0.1-tei1.8.2-cpu-py310-ubuntu22.04"
MODEL_VARIABLE = "HF_MODEL_ID"

MAX_CLIENT_BATCH_SIZE = 32
"""Texts that TEI takes in one request, unless its MAX_CLIENT_BATCH_SIZE says another number."""

# Unlike AWS's other images these lie in an account of their own in each region.
REGISTRY_ACCOUNTS = {
    "us-east-1": "683313688378",
    "us-east-2": "257758044811",
    "us-west-1": "746614075791",
    "us-west-2": "246618743249",
    "ca-central-1": "341280168497",
    "sa-east-1": "737474898029",
    "eu-central-1": "492215442770",
    "eu-north-1": "662702820516",
    "eu-west-1": "141502667606",
    "eu-west-2": "764974769150",
    "eu-west-3": "659782779980",
    "ap-northeast-1": "354813040037",
    "ap-northeast-2": "366743142698",
    "ap-south-1": "720646828776",
    "ap-southeast-1": "121021644041",
    "ap-southeast-2": "783357654285",
}


def embedding_image(region: str) -> str:
    """Return the address of TEI's image for CPUs, as `sagemaker.core.image_uris.retrieve` gives it.

    Its import takes 5 s of a CPU; it is asked for the regions that are not listed here.
    """
    if region in REGISTRY_ACCOUNTS:
        return f"{REGISTRY_ACCOUNTS[region]}.dkr.ecr.{region}.amazonaws.com/{IMAGE}"
    from sagemaker.core import image_uris

    return image_uris.retrieve(
        framework=FRAMEWORK,
        region=region,
        version=VERSION,
        instance_type="ml.c6i.2xlarge",
        image_scope="inference",
    )


def embedding_environment(model_id: str) -> dict[str, str]:
    """Return the variables of its container.

    Args:
        model_id: On the Hugging Face hub, where TEI's image fetches it: a public one needs no token.
    """
    return {MODEL_VARIABLE: model_id}
