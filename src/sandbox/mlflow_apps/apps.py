"""MLflow Apps: created, described, listed, updated and deleted.

    Creating -> Created | CreateFailed
    Created | Updated | UpdateFailed -> Updating -> Updated | UpdateFailed
    any -> Deleting -> gone

Describe has no place for the reason of a failure, on AWS as here: it is in the sandbox's log, and in the
answer to whoever sends such an app a request.
"""

from __future__ import annotations

import logging
import re
import secrets
import shutil
import string
import threading
import time
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from sandbox.api.errors import AwsError, validation_error
from sandbox.api.faults import ASYNCHRONOUS, Fault
from sandbox.api.listing import list_records
from sandbox.api.registry import ACCOUNT_ID, Call, operation
from sandbox.api.service_model import only_members
from sandbox.api.tags import tags_of
from sandbox.mlflow_apps.running import APPS, AppFailedError, AppStoppedError

if TYPE_CHECKING:
    from sandbox.context import Context

KIND = "mlflow-app"
READY = ("Created", "Updated", "UpdateFailed")
_ARN = re.compile(rf"arn:aws:sagemaker:(?P<region>[^:]+):{ACCOUNT_ID}:{KIND}/(?P<identity>[^/]+)")
_ID_CHARACTERS = string.ascii_uppercase + string.digits
_SUMMARY = ("Arn", "Name", "Status", "CreationTime", "LastModifiedTime", "MlflowVersion")
_DEFAULT, _NOT_DEFAULT = "ENABLED", "DISABLED"

logger = logging.getLogger("sandbox")


@operation("CreateMlflowApp")
def create_mlflow_app(call: Call) -> dict[str, Any]:
    request, context, now_s = call.request, call.context, time.time()
    _check_store(request)
    identity = f"app-{''.join(secrets.choice(_ID_CHARACTERS) for _ in range(12))}"
    record = {
        "ModelRegistrationMode": "AutoModelRegistrationDisabled",
        "AccountDefaultStatus": _NOT_DEFAULT,
        **request,
        "Arn": arn_of(call.region, identity),
        "Status": "Creating",
        "MlflowVersion": version("mlflow"),
        "CreationTime": now_s,
        "LastModifiedTime": now_s,
        "_tags": tags_of(call),
    }
    record.pop("Tags", None)
    with context.resources.held():
        _check_name(call, request["Name"])
        context.resources.add(KIND, call.region, identity, record)
        if request.get("AccountDefaultStatus") == _DEFAULT:
            _make_only_default(call, identity)
    fault = context.faults.take(call.operation, *ASYNCHRONOUS)
    _in_background(_bring_up, context, call.region, identity, "Created", "CreateFailed", fault)
    return {"Arn": record["Arn"]}


@operation("DescribeMlflowApp")
def describe_mlflow_app(call: Call) -> dict[str, Any]:
    return only_members(call.operation, require_app(call))


@operation("ListMlflowApps")
def list_mlflow_apps(call: Call) -> dict[str, Any]:
    return list_records(
        call,
        call.context.resources.all(KIND, call.region),
        answer_key="Summaries",
        name_key="Name",
        summary=lambda record: {key: record[key] for key in _SUMMARY},
        equals={name: name for name in ("Status", "MlflowVersion", "AccountDefaultStatus")},
        sort_keys={"Status": "Status"},
    )


@operation("UpdateMlflowApp")
def update_mlflow_app(call: Call) -> dict[str, Any]:
    """Change a record; the server starts anew when new experiments get another place in S3."""
    request, context = call.request, call.context
    _check_store(request)
    is_default = request.get("AccountDefaultStatus") == _DEFAULT
    record = require_app(call)
    identity = record["_name"]
    with context.resources.held():
        if request.get("Name", record["Name"]) != record["Name"]:
            _check_name(call, request["Name"])
        with context.resources.change(KIND, call.region, identity) as record:
            if record["Status"] not in READY:
                raise AwsError("ConflictException", f"{record['Arn']} is {record['Status']}.")
            record.update(request, Status="Updating", LastModifiedTime=time.time())
        if is_default:
            _make_only_default(call, identity)
    fault = context.faults.take(call.operation, *ASYNCHRONOUS)
    _in_background(_bring_up, context, call.region, identity, "Updated", "UpdateFailed", fault)
    return {"Arn": record["Arn"]}


@operation("DeleteMlflowApp")
def delete_mlflow_app(call: Call) -> dict[str, Any]:
    """Delete an app with all that it knows; what is in S3 stays, as on AWS."""
    identity = require_app(call)["_name"]
    with call.context.resources.change(KIND, call.region, identity) as record:
        record.update(Status="Deleting", LastModifiedTime=time.time())
    _in_background(_delete, call.context, call.region, identity)
    return {"Arn": record["Arn"]}


def recover(context: Context) -> None:
    """Go on with what was begun when the last sandbox of this home ended."""
    for record in context.resources.all(KIND):
        place = (context, record["_region"], record["_name"])
        if record["Status"] == "Creating":
            _in_background(_bring_up, *place, "Created", "CreateFailed", None)
        elif record["Status"] == "Updating":
            _in_background(_bring_up, *place, "Updated", "UpdateFailed", None)
        elif record["Status"] == "Deleting":
            _delete(*place)


def require_app(call: Call) -> dict[str, Any]:
    """Return the record of the app that a request names.

    Raises:
        AwsError: There is none.
    """
    record = find(call.context, call.request["Arn"])
    if record is None or record["_region"] != call.region:
        raise AwsError("ResourceNotFound", f"MLflow App {call.request['Arn']} does not exist.")
    return record


def find(context: Context, arn: str) -> dict[str, Any] | None:
    """Return the record of an app by its ARN, or None."""
    named = _ARN.fullmatch(arn)
    return context.resources.get(KIND, named["region"], named["identity"]) if named else None


def arn_of(region: str, identity: str) -> str:
    """Return the ARN of an app."""
    return f"arn:aws:sagemaker:{region}:{ACCOUNT_ID}:{KIND}/{identity}"


def _check_store(request: dict[str, Any]) -> None:
    if not request.get("ArtifactStoreUri", "s3://").startswith("s3://"):
        raise validation_error(
            f"ArtifactStoreUri {request['ArtifactStoreUri']}: expected an S3 URI, s3://BUCKET/PREFIX."
        )


def _check_name(call: Call, name: str) -> None:
    """Refuse a second app of a name; whether AWS does is not published, but its console goes by names."""
    taken = [each for each in call.context.resources.all(KIND, call.region) if each["Name"] == name]
    if taken:
        raise validation_error(f"An MLflow App with the name {name} already exists: {taken[0]['Arn']}.")


def _make_only_default(call: Call, identity: str) -> None:
    """Let no other app be the account's default beside one that has just become it."""
    for other in call.context.resources.all(KIND, call.region):
        if other["_name"] != identity and other["AccountDefaultStatus"] == _DEFAULT:
            with call.context.resources.change(KIND, call.region, other["_name"]) as record:
                record["AccountDefaultStatus"] = _NOT_DEFAULT


def _in_background(function: Any, *arguments: Any) -> None:
    threading.Thread(target=partial(function, *arguments), name="mlflow app", daemon=True).start()


def _bring_up(context: Context, region: str, identity: str, good: str, bad: str, fault: Fault | None) -> None:
    """Start the server of an app, and say in its record how that ended."""
    app = APPS.of(context, region, identity)
    record = context.resources.get(KIND, region, identity)
    status = good
    try:
        if fault and fault.fault == "SlowStart":
            app.stopped.wait(fault.delay_s)
        elif fault:
            raise AppFailedError(f"{fault.fault}, as it was asked for")
        app.connections(record["ArtifactStoreUri"])
    except AppStoppedError:  # deleted, or the sandbox ends: the next one goes on
        return
    except (AppFailedError, OSError) as problem:  # the latter of a disk: its folder cannot be made
        status = bad
        logger.warning("MLflow App %s: %s", identity, problem)
    with suppress(KeyError), context.resources.change(KIND, region, identity) as record:
        if record["Status"] != "Deleting":
            record.update(Status=status, LastModifiedTime=time.time())


def _delete(context: Context, region: str, identity: str) -> None:
    app = APPS.of(context, region, identity)
    app.stop()
    shutil.rmtree(app.folder, ignore_errors=True)
    context.resources.remove(KIND, region, identity)
    APPS.forget(region, identity)
