"""One connection to AWS for every cell of a notebook: in sample mode to the AWS on this machine.

    aws = connect(settings)
    aws.client("s3")            # boto3
    aws.sagemaker_session       # SageMaker SDK: ModelTrainer(sagemaker_session=aws.sagemaker_session, ...)
    aws.boto_session            # sagemaker.core.resources: Model.create(session=aws.boto_session, ...)

Clients made from it tag what they create and note it in the ledger; see workshop.aws.handlers.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workshop.aws import local as local_aws
from workshop.aws.denied import PERSON_POLICY, advise, is_denied, refused_action
from workshop.aws.environment import (
    check_sdk_defaults_once,
    redirect_to,
    refuse_redirection,
    write_sdk_defaults,
)
from workshop.aws.handlers import note_and_tag
from workshop.aws.ledger import Ledger
from workshop.aws.roles import Role, check_role, find_role
from workshop.errors import WorkshopError
from workshop.settings import Settings

if TYPE_CHECKING:
    import boto3
    from sagemaker.core.helper.session_helper import Session

PREFIX = "korean-news-llama3"
"""Of every object the workshop puts into the bucket, and the value of its tag `workshop`."""

SAMPLE_ROLE_NAME = "workshop-sample"
_SDK_CLIENTS_MODULE = "sagemaker.core.utils.utils"
_ADD_AWSCRT = '.venv/bin/python -m pip install "botocore[crt]" -c setup/constraints.txt'
"""For `aws login` alone, so no pin: with it boto3 signs and loads in other ways on some machines."""

_NO_BUCKET = ("404", "NoSuchBucket", "NotFound")


@dataclass(frozen=True, kw_only=True)
class Aws:
    """Hold what a notebook needs to talk to AWS.

    Attributes:
        settings: Of the mode that it connects to.
        account_id: Twelve digits; zeros in sample mode.
        bucket: Exists already, unless `connect` was told that it is not needed.
        prefix: Of the keys in the bucket, without slashes at its ends.
        tags: Put on everything that is created, as {key: value}.
        ledger: Of everything that was created.
    """

    settings: Settings
    account_id: str
    bucket: str
    prefix: str
    tags: dict[str, str]
    ledger: Ledger
    boto_session: boto3.Session
    _role_arn: str
    _clients: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def mode(self) -> str:
        return self.settings.mode

    @property
    def region(self) -> str:
        return self.settings.region

    def client(self, service: str) -> Any:
        """Return the session's boto3 client of a service, for example "sagemaker-runtime"."""
        if service not in self._clients:
            self._clients[service] = self.boto_session.client(service)
        return self._clients[service]

    def uri(self, *parts: str) -> str:
        """Return the S3 address of something of the workshop, for example uri("data", "train")."""
        return f"s3://{'/'.join((self.bucket, self.prefix, *parts))}"

    @cached_property
    def sagemaker_session(self) -> Session:
        """The one session of the SageMaker SDK; importing the SDK takes some seconds, so only when asked."""
        from sagemaker.core.helper.session_helper import Session

        _make_default_of_sdk(self.boto_session)
        return Session(
            boto_session=self.boto_session,
            default_bucket=self.bucket,
            default_bucket_prefix=self.prefix,
        )

    @cached_property
    def role_arn(self) -> str:
        """The role that jobs and endpoints run as, looked at when it is first read: see `role`."""
        if self.role.unsure:
            print(f"not checked whether SageMaker can use the role: {self.role.unsure}")
        return self.role.arn

    @cached_property
    def role(self) -> Role:
        """The role that jobs and endpoints run as, with what could not be known of it.

        Raises:
            WorkshopError: `role_arn` is "" in workshop.yaml and this is not SageMaker Studio; or SageMaker
                cannot use that role.
        """
        from botocore.config import Config

        role_arn = find_role(self._role_arn, self.mode, self._studio_role)
        # Where IAM cannot be reached (see check_role) nobody should wait for minutes to hear it.
        briefly = Config(connect_timeout=5, retries={"total_max_attempts": 2})
        return check_role(self.boto_session.client("iam", config=briefly), role_arn, self.account_id)

    def _studio_role(self) -> str:
        from sagemaker.core.helper.session_helper import get_execution_role

        return get_execution_role(self.sagemaker_session)


def connect(settings: Settings, *, needs_bucket: bool = True) -> Aws:
    """Connect to the AWS of the settings' mode: start the one on this machine, or use the person's account.

    In sample mode every AWS_* variable of this process is replaced; in every other mode none is touched.
    Calling it again is cheap and finds what runs.

    Args:
        settings: Of the mode.
        needs_bucket: Look for the bucket, and make it when it is missing. A cleanup makes nothing.

    Raises:
        WorkshopError: No AWS on this machine, no credentials, a bucket of somebody else, or variables of
            sample mode in another mode.
    """
    import boto3

    is_sample = settings.mode == "sample"
    if is_sample:
        home = settings.home / "sandbox"
        url = local_aws.ensure_running(home, clock_speed=settings.sandbox_clock_speed)
        sdk_config = redirect_to(url, home, settings.region)
    else:
        refuse_redirection(settings.mode)
    tags = {"workshop": PREFIX, "workshop-mode": settings.mode}
    session = _session(boto3, settings)
    account_id = _account_id(session, settings)
    ledger = Ledger(ledger_path(settings, account_id))
    note_and_tag(session.events, ledger, tags, settings.region)
    session.events.register("after-call", advise)
    session.events.register("creating-client-class", check_sdk_defaults_once)
    bucket = settings.bucket or f"sagemaker-{settings.region}-{account_id}"
    role_arn = settings.role_arn
    if is_sample:
        role_arn = role_arn or f"arn:aws:iam::{account_id}:role/{SAMPLE_ROLE_NAME}"
        write_sdk_defaults(sdk_config, bucket=bucket, prefix=PREFIX, role_arn=role_arn)
    aws = Aws(
        settings=settings,
        account_id=account_id,
        bucket=bucket,
        prefix=PREFIX,
        tags=tags,
        ledger=ledger,
        boto_session=session,
        _role_arn=role_arn,
    )
    if needs_bucket:
        _make_bucket(aws)
    # boto3.client(...) in a cell of somebody's own is then tagged and noted as well.
    boto3.DEFAULT_SESSION = session
    if _SDK_CLIENTS_MODULE in sys.modules:
        _make_default_of_sdk(session)
    return aws


def ledger_path(settings: Settings, account_id: str) -> Path:
    """Return where the ledger is: one for sample mode, one for each real account and region."""
    name = "ledger.jsonl" if settings.mode == "sample" else f"ledger-{account_id}-{settings.region}.jsonl"
    return settings.home / name


def _make_default_of_sdk(session: boto3.Session) -> None:
    """Let SDK calls that are given no session use this one.

    sagemaker-core keeps its clients for the life of the process, and the first becomes the default. Those
    of an earlier connection talk to a port that may be closed by now.

    Source: sagemaker-core 2.27, SageMakerClient.reset and its cache.
    """
    from sagemaker.core.utils.utils import SageMakerClient

    SageMakerClient.reset()
    SageMakerClient(session=session, region_name=session.region_name)


def _session(boto3: Any, settings: Settings) -> boto3.Session:
    from botocore.exceptions import ProfileNotFound

    try:
        return boto3.Session(region_name=settings.region)
    except ProfileNotFound as error:
        raise WorkshopError(
            found=f"AWS_PROFILE names a profile that is not there: {error}",
            expected="a profile of ~/.aws/config",
            next_step="set AWS_PROFILE to one that `aws configure list-profiles` shows, restart the kernel",
        ) from None


def _account_id(session: boto3.Session, settings: Settings) -> str:
    """Return the account of the credentials; this is also the check that they work."""
    from botocore.config import Config
    from botocore.exceptions import (
        ClientError,
        ConnectionError,
        CredentialRetrievalError,
        HTTPClientError,
        LoginError,
        MissingDependencyException,
        NoCredentialsError,
        PartialCredentialsError,
        SSOError,
        TokenRetrievalError,
    )  # fmt: skip

    # Where packets are swallowed nobody should wait for minutes to hear it; an answer may take its time.
    briefly = Config(connect_timeout=10, retries={"total_max_attempts": 3})
    try:
        return session.client("sts", config=briefly).get_caller_identity()["Account"]
    except (NoCredentialsError, PartialCredentialsError):
        found = "no AWS credentials on this machine"
    except MissingDependencyException:
        raise WorkshopError(
            found="a login of `aws login`, and no package awscrt, with which boto3 reads it",
            expected="the package, or credentials of another kind",
            next_step=f"run `{_ADD_AWSCRT}`, restart the kernel and run the cell again",
        ) from None
    except (LoginError, SSOError, TokenRetrievalError, CredentialRetrievalError) as error:
        found = f"AWS credentials that cannot be renewed ({type(error).__name__})"
    except ClientError as error:
        found = f"AWS refuses the credentials ({error.response['Error']['Code']})"
    except (ConnectionError, HTTPClientError) as error:
        if settings.mode == "sample":
            raise local_aws.no_answer(settings.home / "sandbox", "does not answer") from None
        raise WorkshopError(
            found=f"no answer from AWS in {session.region_name} ({type(error).__name__})",
            expected="a connection to AWS, or mode: sample, which needs none",
            next_step="check network and proxy (and the region in workshop.yaml), then run the cell again",
        ) from None
    raise WorkshopError(
        found=found,
        expected="valid credentials of your account, or mode: sample, which needs none",
        next_step="run `aws login` or `aws sso login` (`aws configure` for access keys), then the cell again",
    ) from None


def _make_bucket(aws: Aws) -> None:
    """Create the bucket when it is missing; one of another account is refused.

    Source: ExpectedBucketOwner, Amazon S3 User Guide, "Verifying bucket ownership": names of the form
    sagemaker-<region>-<account> can be guessed and taken by others.
    """
    from botocore.exceptions import ClientError

    s3 = aws.client("s3")
    try:
        answer = s3.head_bucket(Bucket=aws.bucket, ExpectedBucketOwner=aws.account_id)
        check_bucket_region(aws, answer)
        return
    except ClientError as error:
        code, operation = error.response["Error"]["Code"], error.operation_name
    if code in _NO_BUCKET:
        # S3 refuses to be told the region that it assumes by default.
        place = (
            {}
            if aws.region == "us-east-1"
            else {"CreateBucketConfiguration": {"LocationConstraint": aws.region}}
        )
        try:
            s3.create_bucket(Bucket=aws.bucket, **place)
        except ClientError as error:
            code, operation = error.response["Error"]["Code"], error.operation_name
            if code != "BucketAlreadyOwnedByYou":  # by another notebook, in this moment
                raise _bucket_error(aws, code, operation) from None
        else:
            _tag_bucket(aws)
        return
    raise _bucket_error(aws, code, operation)


def check_bucket_region(aws: Aws, answer: Mapping[str, Any]) -> None:
    """Make sure that jobs and endpoints can read a bucket: those of another region's cannot.

    Args:
        aws: The connection.
        answer: Of HeadBucket. boto3 finds a bucket wherever it is, so that an upload does not tell.

    Raises:
        WorkshopError: The bucket is elsewhere.

    Source: SageMaker API reference, S3DataSource ("must be located in same ... region as your training job")
    and ContainerDefinition (model artifacts "in the same region as the model or endpoint").
    """
    place = answer.get("BucketRegion") or aws.region
    if place != aws.region:
        raise WorkshopError(
            found=f"the bucket {aws.bucket} is in {place}",
            expected=f"a bucket in {aws.region}, where jobs and endpoints of these settings read it",
            next_step=f"set region: {place} in workshop.yaml, or name another bucket there (bucket:), or "
            "leave it empty for one that is made",
        )


def _tag_bucket(aws: Aws) -> None:
    """Tag the bucket that was made; AmazonSageMakerFullAccess may make one and not tag it."""
    from botocore.exceptions import ClientError

    tag_set = [{"Key": key, "Value": value} for key, value in aws.tags.items()]
    try:
        aws.client("s3").put_bucket_tagging(Bucket=aws.bucket, Tagging={"TagSet": tag_set})
    except ClientError as error:
        if not is_denied(error.response["Error"]["Code"]):
            raise
        print(
            f"the new bucket has no tags (s3:PutBucketTagging is missing, see {PERSON_POLICY}), so that only "
            "this machine's ledger tells a cleanup whose it is"
        )


def _bucket_error(aws: Aws, code: str, operation: str) -> WorkshopError:
    action = refused_action(code, "", operation, "s3")
    grant = f"; missing, if it is yours: {action}, see {PERSON_POLICY}" if action else ""
    return WorkshopError(
        found=f"the bucket {aws.bucket} cannot be used ({code})",
        expected=f"a bucket of this account in {aws.region}, and the right to read, write and make it",
        next_step="name another one in workshop.yaml (bucket:), or let your administrator grant it" + grant,
    )
