"""What a cleanup only names: notebook instances, Studio, what other ledgers have, caches on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from workshop.account.finding import JOBS, KINDS
from workshop.account.found import Problem, masked, noted
from workshop.account.ownership import Ownership
from workshop.aws.ledger import Ledger
from workshop.aws.session import Aws
from workshop.aws.transfer import size_text
from workshop.containers.engine import output_of

_KINDS_OF_CLEANUP = (*KINDS, "Bucket", "Alarm", "Dashboard", "Rule", "ScalableTarget")
# They make nothing that stays.
_LINKS = "Presigned"
_ECR = ".amazonaws.com/"


def reminders(aws: Aws) -> list[str]:
    """Return a line for each thing that may cost or take space and that a cleanup leaves alone."""
    return [*_machines(aws), *_other_kinds(aws), *_other_ledgers(aws), *_caches(aws)]


def _machines(aws: Aws) -> Iterator[str]:
    """Yield notebook instances and Studio apps that run: one of them may be where this runs."""
    sagemaker, problems = aws.client("sagemaker"), list[Problem]()
    with noted(problems, "notebook instances"):
        for page in sagemaker.get_paginator("list_notebook_instances").paginate(StatusEquals="InService"):
            for item in page["NotebookInstances"]:
                name, kind = item["NotebookInstanceName"], item.get("InstanceType", "")
                yield f"the notebook instance {name} ({kind}) costs until it is stopped"
    with noted(problems, "Studio's apps"):
        for page in sagemaker.get_paginator("list_apps").paginate():
            for app in page["Apps"]:
                if app.get("Status") == "InService":
                    owner = app.get("SpaceName") or app.get("UserProfileName", "")
                    yield f"Studio's {app['AppType']} of {owner} costs until it is stopped"
    if aws.settings.mode != "sample":  # whose AWS has neither, and no console
        yield from (f"{one.what}: not known ({one.reason}); look into the console" for one in problems)


def _other_kinds(aws: Aws) -> Iterator[str]:
    for row in Ownership(aws).rows_of_other_kinds(_KINDS_OF_CLEANUP):
        if _LINKS not in row.kind:
            yield f"{row.kind} {row.name}, made {row.time[:16]} from this machine: delete it in the console"


def _other_ledgers(aws: Aws) -> Iterator[str]:
    """Yield what other modes, regions and accounts may have, as far as this machine made it."""
    for path in sorted(aws.settings.workshop_home.glob("*/ledger-*.jsonl")):
        rows = [row for row in Ledger(path).entries() if row.kind in KINDS and row.may_exist]
        rows = [row for row in rows if row.kind not in JOBS]  # they end by themselves
        if path == aws.ledger.path or not rows:
            continue
        mode, region = path.parent.name, rows[-1].region
        yield (
            f"{len(rows)} more in mode {mode}, {region}, as far as its ledger knows: "
            f"WORKSHOP_MODE={mode} WORKSHOP_REGION={region} make cleanup   (with that account's credentials)"
        )


def _caches(aws: Aws) -> Iterator[str]:
    from huggingface_hub.constants import HF_HUB_CACHE

    places = {
        "results of this mode": (aws.settings.home, "its ledger included: delete it last"),
        "the Hugging Face cache": (Path(HF_HUB_CACHE), ".venv/bin/hf cache"),
    }
    for what, (folder, how) in places.items():
        if folder.is_dir():
            yield f"{what}: {size_text(_num_bytes(folder))} in {folder} ({how})"
    images = output_of("docker", "images", "--format", "{{.Repository}}:{{.Tag}} {{.Size}}") or ""
    for line in images.splitlines():
        if _ECR in line:
            name, _, size = line.rpartition(" ")
            yield f"the Docker image {masked(name)}: {size} (docker rmi)"


def _num_bytes(folder: Path) -> int:
    """Return what files take; the cache links to each of them several times."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
