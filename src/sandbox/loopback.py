"""What keeps clients on this machine that go past AWS_ENDPOINT_URL: the SageMaker SDK does so at four places.

It asks STS at the fixed address of its region (get_execution_role(), Session.account_id(), default_bucket()
without a configured bucket) and sends telemetry. A file with its defaults answers the last two. For the
others botocore loads this module into every client when BOTOCORE_EXPERIMENTAL__PLUGINS is
`sandbox=sandbox.loopback`; where it cannot be imported it is left out, and everything else works.

Source: SageMaker Python SDK, "Configuring and using defaults"; botocore 1.44, botocore/plugin.py (private, so
a test holds that it is there) and the event before-endpoint-resolution.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from processes.files import atomic_write

PLUGINS_VARIABLE = "BOTOCORE_EXPERIMENTAL__PLUGINS"
PLUGIN = "sandbox=sandbox.loopback"
SDK_DEFAULTS_NAME = "sagemaker-sdk.yaml"
_SDK_DEFAULTS = """\
# Defaults of the SageMaker SDK: SAGEMAKER_USER_CONFIG_OVERRIDE names this file. Written at every start.
SchemaVersion: '1.0'
SageMaker:
  PythonSDK:
    Modules:
      TelemetryOptOut: true
      Session:
        DefaultS3Bucket: sagemaker-sandbox
      RemoteFunction:
        RoleArn: arn:aws:iam::000000000000:role/workshop-sample
"""
_AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn")
_ENDPOINT = "SDK::Endpoint"


def write_sdk_defaults(home: Path) -> None:
    """Write the SDK's defaults into a sandbox's home; the SDK makes the bucket when it needs it."""
    atomic_write(home / SDK_DEFAULTS_NAME, _SDK_DEFAULTS)


def initialize_client_plugin(client: Any) -> None:
    """Register with a client; botocore calls it by this name."""
    client.meta.events.register("before-endpoint-resolution", _to_this_machine)


def _to_this_machine(builtins: dict[str, Any], **_: Any) -> None:
    """Replace an address of AWS, and none at all; any other one is somebody's own choice."""
    url = os.environ.get("AWS_ENDPOINT_URL")
    host = urlsplit(builtins.get(_ENDPOINT) or "").hostname or ""
    if url and (not host or host.endswith(_AWS_DOMAINS)):
        builtins[_ENDPOINT] = url
