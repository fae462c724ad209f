"""The modules whose functions are operations: importing this one registers every @operation in them.

Only what answers requests or documents them imports it (server, docs): an operation may call any part of the
sandbox, and no part imports the operations.
"""

from __future__ import annotations

from sandbox.api import registry, tags
from sandbox.hosting import (
    components,
    endpoint_configs,
    endpoint_weights,
    endpoints,
    models,
)
from sandbox.scaling import activities, policies, targets
from sandbox.scaling import api as scaling
from sandbox.training import jobs

MODULES = (
    jobs,
    models,
    endpoint_configs,
    endpoints,
    endpoint_weights,
    components,
    tags,
    # of Application Auto Scaling
    targets,
    policies,
    activities,
)
SAGEMAKER = registry.OPERATIONS
SCALING = scaling.OPERATIONS
# Service in the header X-Amz-Target -> runs one of its operations.
DISPATCH = {registry.TARGET: registry.dispatch, scaling.TARGET: scaling.dispatch}
