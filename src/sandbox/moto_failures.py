"""What moto raises on a request that it does not expect, as the 4xx that AWS would answer.

moto looks at a request while it works on it, so one that is wrong ends in a KeyError or a TypeError somewhere
inside. As a 500 an SDK would repeat it for half a minute.
"""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from xml.parsers.expat import ExpatError

from sandbox.api.errors import AwsError

_OURS = str(Path(__file__).parent)
_MAX_SHOWN_CHARS = 200
_MOTO_ENTRY = "moto_server"
MALFORMED_XML = "The XML you provided was not well-formed or did not validate against our published schema"
# Part of an S3 query -> element that the body of its PUT or POST begins with.
XML_ROOTS = {
    "accelerate": "AccelerateConfiguration",
    "acl": "AccessControlPolicy",
    "cors": "CORSConfiguration",
    "delete": "Delete",
    "encryption": "ServerSideEncryptionConfiguration",
    "inventory": "InventoryConfiguration",
    "legal-hold": "LegalHold",
    "lifecycle": "LifecycleConfiguration",
    "logging": "BucketLoggingStatus",
    "notification": "NotificationConfiguration",
    "object-lock": "ObjectLockConfiguration",
    "ownershipControls": "OwnershipControls",
    "publicAccessBlock": "PublicAccessBlockConfiguration",
    "replication": "ReplicationConfiguration",
    "requestPayment": "RequestPaymentConfiguration",
    "restore": "RestoreRequest",
    "retention": "Retention",
    "select": "SelectObjectContentRequest",
    "tagging": "Tagging",
    "uploadId": "CompleteMultipartUpload",
    "versioning": "VersioningConfiguration",
    "website": "WebsiteConfiguration",
}


def client_error(problem: Exception, environ: dict[str, Any], service: str | None) -> AwsError | None:
    """Return the error that the client gets; None when the failure is ours.

    Args:
        problem: Raised by moto's application; no OSError, which is of this machine and not of the request.
        environ: The request.
        service: That it was signed for; None is S3.
    """
    place = _place(problem)
    if place is None:
        return None
    what = f"{type(problem).__name__}: {problem}"[:_MAX_SHOWN_CHARS]
    return _error(problem, environ, service, f"moto could not read this request ({what}, in {place}).")


def _error(problem: Exception, environ: dict[str, Any], service: str | None, message: str) -> AwsError:
    if service in (None, "s3"):
        return _s3_error(problem, environ, message)
    if "HTTP_X_AMZ_TARGET" in environ:
        if isinstance(problem, (json.JSONDecodeError, UnicodeError, RecursionError)):
            return AwsError("SerializationException", message)
        return AwsError(
            "ValidationException" if service == "monitoring" else "InvalidParameterException", message
        )
    return AwsError("ValidationError", message)


def _s3_error(problem: Exception, environ: dict[str, Any], message: str) -> AwsError:
    method = environ["REQUEST_METHOD"]
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True, errors="replace")
    if method in ("GET", "HEAD") and "partNumber" in query:
        return AwsError("InvalidPartNumber", "The requested partnumber is not satisfiable", status=416)
    if isinstance(problem, ExpatError) or (method in ("PUT", "POST") and XML_ROOTS.keys() & query):
        return AwsError("MalformedXML", f"{MALFORMED_XML}. {message}")
    is_form = method == "POST" and isinstance(problem, LookupError)  # one of its fields is missing
    if is_form or isinstance(problem, (ValueError, AssertionError)):
        return AwsError("InvalidArgument", message)
    return AwsError("InvalidRequest", message)


def _place(problem: Exception) -> str | None:
    """Return where in moto it was raised; None when moto was not reached, or called us and we failed."""
    frames = traceback.extract_tb(problem.__traceback__)
    entries = [number for number, frame in enumerate(frames) if _MOTO_ENTRY in frame.filename]
    if not entries:
        return None
    place = None
    for frame in frames[entries[0] :]:
        if frame.filename.startswith(_OURS):
            place = None
        elif "/moto/" in frame.filename:
            place = f"{frame.filename.rpartition('/moto/')[2]}:{frame.lineno}"
    return place
