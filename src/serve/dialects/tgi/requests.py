"""TGI's body with `inputs`: the types of its fields.

Source: text-generation-inference 3.3.7, router/src/lib.rs.
"""

from __future__ import annotations

from typing import Any

from serve.bodies import missing_field, read_fields, typed, wrong_type
from serve.request import DEFAULTS, FIELDS, GenerateRequest


def parse_tgi(value: Any) -> GenerateRequest:
    """Check the types of a body's fields.

    Args:
        value: From JSON.

    Raises:
        RequestError: 422 when a type is wrong or a field is missing.
    """
    if not isinstance(value, dict):
        raise wrong_type("", value, "struct GenerateRequest")
    if "inputs" not in value:
        raise missing_field(["inputs"])
    # Without `parameters` TGI samples; with an empty one it is greedy.
    parameters = DEFAULTS | {"do_sample": True}
    if "parameters" in value:
        if not isinstance(value["parameters"], dict):
            raise wrong_type("parameters", value["parameters"], "struct GenerateParameters")
        parameters = DEFAULTS | read_fields(value["parameters"], FIELDS, place="parameters.")
    return GenerateRequest(
        inputs=typed("inputs", value["inputs"], "string"),
        parameters=parameters,
        stream=typed("stream", value.get("stream", False), "bool"),
    )
