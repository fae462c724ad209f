"""The modules whose functions are operations: importing this one registers every @operation in them.

Only what answers requests or documents them imports it (server, docs): an operation may call any part of the
sandbox, and no part imports the operations.
"""

from __future__ import annotations

from sandbox.account.pricing import PRICING
from sandbox.account.quotas import SERVICE_QUOTAS
from sandbox.api import tags
from sandbox.api.registry import SAGEMAKER
from sandbox.events import rules, sending
from sandbox.events import tags as tags_of_rules
from sandbox.events.api import EVENTS
from sandbox.hosting import (
    components,
    endpoint_configs,
    endpoint_weights,
    endpoints,
    models,
)
from sandbox.mlflow_apps import apps, sessions
from sandbox.model_registry import groups, packages
from sandbox.pipelines import executions, pipelines
from sandbox.processing import jobs as processing_jobs
from sandbox.scaling import activities, policies, targets
from sandbox.scaling.api import AUTO_SCALING
from sandbox.search import api as search
from sandbox.training import jobs

MODULES = (
    jobs,
    processing_jobs,
    models,
    endpoint_configs,
    endpoints,
    endpoint_weights,
    components,
    apps,
    sessions,
    groups,
    packages,
    pipelines,
    executions,
    tags,
    search,
    # of Application Auto Scaling
    targets,
    policies,
    activities,
    # of EventBridge
    rules,
    tags_of_rules,
    sending,
)
SERVICES = {service.target: service for service in (SAGEMAKER, AUTO_SCALING, EVENTS, SERVICE_QUOTAS, PRICING)}
