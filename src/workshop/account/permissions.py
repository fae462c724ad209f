"""Fill in the policies of setup/iam for an account, and show the commands that make them.

    python -m workshop.account.permissions --email you@example.com

It makes nothing on AWS: an administrator runs the commands.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from workshop.aws.session import PREFIX, Aws, connect
from workshop.errors import WorkshopError
from workshop.settings import find_repo_dir, load_settings

ROLE_NAME = PREFIX
_FILES = (
    *("trust-policy", "execution-role-policy", "person-policy", "person-policy-read"),
    *("budget", "budget-alarm"),
)


def filled(name: str, *, account_id: str, region: str, bucket: str, role_arn: str, email: str = "") -> str:
    """Return a file of setup/iam with its placeholders filled in.

    Args:
        name: Without .json, for example person-policy.
    """
    text = (find_repo_dir() / "setup" / "iam" / f"{name}.json").read_text(encoding="utf-8")
    values = {"ROLE_ARN": role_arn, "ACCOUNT": account_id, "REGION": region, "BUCKET": bucket}
    values["ADDRESS"] = email
    for placeholder, value in values.items():
        text = text.replace(placeholder, value)
    return text


def write(aws: Aws, role_arn: str, email: str) -> Path:
    """Write the filled-in files into the mode's home, and return their folder."""
    folder = aws.settings.home / "iam"
    folder.mkdir(parents=True, exist_ok=True)
    places = {"account_id": aws.account_id, "region": aws.region, "bucket": aws.bucket}
    for name in _FILES:
        text = filled(name, role_arn=role_arn, email=email, **places)
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
    return folder


def commands(folder: Path, account_id: str, role_arn: str) -> str:
    """Return the commands of the AWS CLI, each with what it is for."""
    name = role_arn.rpartition("/")[2]
    documents = {each: shlex.quote(f"file://{folder / each}.json") for each in _FILES}
    return f"""\
# 1. the role that jobs and endpoints run as
aws iam create-role --role-name {name} --assume-role-policy-document {documents["trust-policy"]}
# 2. what it may do
aws iam put-role-policy --role-name {name} --policy-name {PREFIX} \\
  --policy-document {documents["execution-role-policy"]}
# 3. what a person may do, and what it may look at: IAM takes 6,144 characters in one policy, so attach both
#    (aws iam attach-user-policy, or attach-role-policy; in Studio its own role)
aws iam create-policy --policy-name {PREFIX}-person --policy-document {documents["person-policy"]}
aws iam create-policy --policy-name {PREFIX}-person-read \\
  --policy-document {documents["person-policy-read"]}
# an alarm by mail: 50 USD a month, told at half of it and when a forecast is above it; it stops nothing
aws budgets create-budget --account-id {account_id} --budget {documents["budget"]} \\
  --notifications-with-subscribers {documents["budget-alarm"]}
# in workshop.yaml, or in the environment
export WORKSHOP_ROLE_ARN={role_arn}"""


def _role_arn(aws: Aws) -> str:
    """Return the role of the settings or of Studio; where there is none, the one that the commands make."""
    try:
        return aws.role.arn
    except WorkshopError:
        return aws.settings.role_arn or f"arn:aws:iam::{aws.account_id}:role/{ROLE_NAME}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files and print the commands; exit status 2 when the account cannot be asked for."""
    parser = argparse.ArgumentParser(prog="python -m workshop.account.permissions", description=main.__doc__)
    parser.add_argument("--email", default="you@example.com", help="for the alarm of the budget")
    options = parser.parse_args(arguments)
    try:
        settings = load_settings()
        aws = connect(settings, needs_bucket=False)
        role_arn = _role_arn(aws)
        folder = write(aws, role_arn, options.email)
        print(commands(folder, aws.account_id, role_arn))
    except WorkshopError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
