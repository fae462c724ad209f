"""Where the AWS libraries look for AWS: on this machine in sample mode, untouched in every other."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, MutableMapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from processes.files import atomic_write
from workshop.errors import WorkshopError

ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL"
# AWS's plugin for MLflow asks an MLflow App there, and not at its fixed address.
_MLFLOW_VARIABLE = "SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT"
# Never through a proxy. What is sent to AWS's comes here, but botocore has chosen a proxy for it before.
_PAST_A_PROXY = ("127.0.0.1", "localhost", ".amazonaws.com", ".amazonaws.com.cn")
# botocore's clients load it, and send to ENDPOINT_VARIABLE what the SDK has a fixed address of AWS for.
_PLUGINS_VARIABLE, _PLUGIN = "BOTOCORE_EXPERIMENTAL__PLUGINS", "sandbox=sandbox.loopback"
_CONFIG_NAME = "sagemaker-config.yaml"
_NO_PROFILE_NAME = "no-aws-profile"
_SDK_DEFAULTS_MODULE = "sagemaker.core.config.config_manager"


def redirect_to(url: str, home: Path, region: str, environ: MutableMapping[str, str] | None = None) -> Path:
    """Make every AWS library of this process, and of those it starts, talk to an AWS on this machine.

    All AWS_* variables are replaced and no profile is read, so that neither a person's credentials nor an
    address of theirs (AWS_ENDPOINT_URL_S3 and the like) can be used.

    Args:
        url: http://127.0.0.1:PORT; with an IP address botocore addresses buckets by path.
        home: Folder for the two files that the variables name.
        environ: Variables to change; os.environ when None.

    Returns:
        Where the SageMaker SDK will read its defaults; `write_sdk_defaults` fills it.

    Source: AWS SDKs and Tools Reference Guide, "Environment variables list"; SageMaker Python SDK,
    "Configuring and using defaults"; sagemaker-mlflow 0.5.0, SageMakerMLflowHostMetadataProvider.
    """
    environ = os.environ if environ is None else environ
    for name in [name for name in environ if name.startswith(("AWS_", "SAGEMAKER_MLFLOW_"))]:
        del environ[name]
    no_profile, sdk_config = home / _NO_PROFILE_NAME, home / _CONFIG_NAME
    no_profile.write_text("# sample mode reads no profile and no credentials of yours\n", encoding="utf-8")
    environ |= {
        ENDPOINT_VARIABLE: url,
        _MLFLOW_VARIABLE: url,
        "AWS_ACCESS_KEY_ID": "sample",
        "AWS_SECRET_ACCESS_KEY": "sample",
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_CONFIG_FILE": str(no_profile),
        "AWS_SHARED_CREDENTIALS_FILE": str(no_profile),
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(sdk_config),
        # The machine's own file, if there is one, would add its network and its encryption keys.
        "SAGEMAKER_ADMIN_CONFIG_OVERRIDE": str(sdk_config),
    }
    for name in ("NO_PROXY", "no_proxy"):
        _add_to_list(environ, name, _PAST_A_PROXY)
    if environ.get(_PLUGINS_VARIABLE) == "DISABLED":  # botocore's word for none
        del environ[_PLUGINS_VARIABLE]
    _add_to_list(environ, _PLUGINS_VARIABLE, (_PLUGIN,))
    return sdk_config


def _add_to_list(environ: MutableMapping[str, str], name: str, values: Iterable[str]) -> None:
    listed = [part.strip() for part in environ.get(name, "").split(",") if part.strip()]
    environ[name] = ",".join([*listed, *(value for value in values if value not in listed)])


def write_sdk_defaults(path: Path, *, bucket: str, prefix: str, role_arn: str) -> None:
    """Write the SageMaker SDK's defaults: without them it asks for the account at a fixed address of AWS."""
    import yaml

    defaults = {
        "SchemaVersion": "1.0",
        "SageMaker": {
            "PythonSDK": {
                "Modules": {
                    "TelemetryOptOut": True,
                    "Session": {"DefaultS3Bucket": bucket, "DefaultS3ObjectKeyPrefix": prefix},
                    "RemoteFunction": {"RoleArn": role_arn},
                }
            },
            "TrainingJob": {"RoleArn": role_arn},
            "ProcessingJob": {"RoleArn": role_arn},
        },
    }
    # Another notebook may be reading it.
    atomic_write(path, yaml.safe_dump(defaults, sort_keys=False))


def check_sdk_defaults_once(**_: Any) -> None:
    """Let the SageMaker SDK check its defaults once, and not before each value that it looks up in them.

    Each time it holds its own schema against JSON Schema's, too: 96 times until a pipeline is made, 3.5 of
    8.2 s of a core. A handler of botocore's event "creating-client-class": the SDK is imported by then, and
    nothing imports it for this.

    Source: sagemaker-core 2.27, SageMakerConfig.validate_sagemaker_config; jsonschema.validate.
    """
    module = sys.modules.get(_SDK_DEFAULTS_MODULE)
    if module is None or hasattr(module.SageMakerConfig, "checked_once"):
        return
    check, checked = module.SageMakerConfig.validate_sagemaker_config, set()

    def check_new(sagemaker_config: Any = None) -> None:
        text = repr(sagemaker_config)
        if text not in checked:
            check(sagemaker_config)  # what is wrong is refused each time
            checked.add(text)

    module.SageMakerConfig.validate_sagemaker_config = staticmethod(check_new)
    module.SageMakerConfig.checked_once = True


def refuse_redirection(mode: str) -> None:
    """Make sure that a mode on AWS does not talk to this machine.

    Raises:
        WorkshopError: A variable of sample mode is still set, as in a kernel that ran in sample mode before.
    """
    for name, value in os.environ.items():
        is_address = name.startswith((ENDPOINT_VARIABLE, _MLFLOW_VARIABLE))
        if is_address and _is_loopback(value):
            raise WorkshopError(
                found=f"{name}={value} in the environment, in mode {mode}",
                expected="no address of this machine: that is how sample mode redirects AWS",
                next_step="restart the kernel if it ran in sample mode before; else remove it: unset " + name,
            )


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
