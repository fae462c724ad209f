"""The dialects that the server speaks."""

from __future__ import annotations

from serve.dialect import Dialect
from serve.dialects.lmi.dialect import LMI
from serve.dialects.tei.dialect import TEI
from serve.dialects.tgi.dialect import TGI
from serve.dialects.vllm.dialect import VLLM

# The first is the default.
DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (TGI, LMI, VLLM, TEI)}


def variables_of(setting: str) -> tuple[str, ...]:
    """Return the environment variables of every dialect's container for a setting."""
    names = (name for dialect in DIALECTS.values() for name in dialect.variables.get(setting, ()))
    return tuple(dict.fromkeys(names))
