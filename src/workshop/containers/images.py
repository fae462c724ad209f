"""Images of the repository's own, for CPUs: in the place of AWS's, whose images for 8B models need a GPU.

`make images` builds them from setup/docker.
"""

from __future__ import annotations

KINDS = ("aws", "own")
"""Whose images run on this machine: AWS's deep learning containers, or the repository's own."""

TRAINING_IMAGE = "korean-news-training:cpu"


def own_serving_image(engine: str) -> str:
    """Return the name of the image that speaks as an engine does, a name of ENGINES."""
    return f"korean-news-serving:{engine}-cpu"
