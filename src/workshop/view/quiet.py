"""What libraries log about themselves stays out of a notebook; what a reader may have to act on does not."""

import logging
import warnings

_OF_EVERY_RUN = ("Popping out ", "Running within a PipelineSession", "No region provided. Using default")
"""What the SageMaker SDK says of each pipeline (sagemaker.core.workflow): names of jobs and models are left
out of a definition, and calls on its session start nothing, which is how pipelines work. And of each client
that is made from a session alone (sagemaker.core.utils.utils): the region is the session's."""


def let_libraries_only_warn() -> None:
    """Show log records from WARNING on, once for a kernel.

    The SDK calls logging.basicConfig(level=INFO) when it is imported, and sets loggers of its own to DEBUG
    (sagemaker.core.experiments._metrics, sagemaker.core.utils.utils). The root's handler decides: with one
    there, basicConfig changes nothing.
    """
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    handler.setLevel(logging.WARNING)
    handler.addFilter(lambda record: not record.getMessage().startswith(_OF_EVERY_RUN))
    root.addHandler(handler)
    for beginning in _OF_EVERY_RUN:
        warnings.filterwarnings("ignore", message=beginning)
