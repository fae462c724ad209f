"""The names of an image of one's own and of its endpoint, kept before anything is made."""

from __future__ import annotations

from dataclasses import replace

from workshop.aws.resources import is_there
from workshop.aws.session import Aws
from workshop.endpoint.deployed import differences, made_of_something_else
from workshop.entries import OwnImageState
from workshop.state import State

_MADE_OF = ("base_image", "model_uri", "instance_type")


def keep_image_names(aws: Aws, state: State, wanted: OwnImageState) -> OwnImageState:
    """Return what is recorded under this name, or record what is wanted.

    Args:
        wanted: With names that count when none are recorded.

    Returns:
        `wanted` under the recorded names.

    Raises:
        WorkshopError: An endpoint or a repository is there and was made for something else.
    """
    recorded = state.keep("own_image", wanted)
    made = replace(
        wanted,
        made_at=recorded.made_at,
        endpoint_name=recorded.endpoint_name,
        repository=recorded.repository,
    )
    found = list(differences(*({name: getattr(one, name) for name in _MADE_OF} for one in (recorded, made))))
    if found and _is_anything_there(aws, made):
        raise made_of_something_else(
            made.endpoint_name, found, notebook=made.notebook, under="Delete (section 8)"
        )
    if found:
        state.own_image = made
        state.save()
    return made


def _is_anything_there(aws: Aws, made: OwnImageState) -> bool:
    has_endpoint = is_there(aws.client("sagemaker").describe_endpoint, EndpointName=made.endpoint_name)
    return has_endpoint or is_there(
        aws.client("ecr").describe_repositories, repositoryNames=[made.repository]
    )
