"""Images of the repository's own, for CPUs: in the place of AWS's, whose images for 8B models need a GPU.

`make images` builds them from setup/docker.
"""

from __future__ import annotations

KINDS = ("aws", "own")
"""Whose images run on this machine: AWS's deep learning containers, or the repository's own."""

PACKAGES_IMAGE = "korean-news-packages:cpu"
"""The layer below the others; nothing runs in it."""

TRAINING_IMAGE = "korean-news-training:cpu"
_SERVING_NAME = "korean-news-serving:"


def is_own(image: str) -> bool:
    """Tell whether an image is the repository's own, which needs no GPU."""
    return image == TRAINING_IMAGE or image.startswith(_SERVING_NAME)


def own_serving_image(engine: str) -> str:
    """Return the name of the image that speaks as an engine does, a name of ENGINES."""
    return f"{_SERVING_NAME}{engine}-cpu"
