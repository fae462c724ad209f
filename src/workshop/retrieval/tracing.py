"""LangChain without LangSmith: whatever a user's variables say, no question and no article is sent there."""

import os

_TRACING = ("LANGSMITH_TRACING", "LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING", "LANGCHAIN_TRACING_V2")
_FIRST_VERSION = ("LANGCHAIN_TRACING", "LANGCHAIN_HANDLER")
"""Of a version that is no more; with one of them set, langchain-core 1 raises instead of running."""


def without_langsmith() -> None:
    """Switch LangSmith's tracing off, for this process and those that it starts.

    Source: langsmith 0.15.1, utils.tracing_is_enabled: what `configure` says comes before the variables.
    """
    import langsmith
    from langsmith.utils import get_env_var

    for name in _FIRST_VERSION:
        os.environ.pop(name, None)
    for name in (name for name in _TRACING if name not in _FIRST_VERSION):
        os.environ[name] = "false"
    get_env_var.cache_clear()
    langsmith.configure(enabled=False)
