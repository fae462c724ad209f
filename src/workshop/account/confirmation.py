"""The words of the setting `cleanup_confirmed`: what a cleanup may delete. Without one it lists only."""

from __future__ import annotations

MINE, TAGGED, EVERYTHING = "mine", "tagged", "everything"
LOGS, LOG_RETENTION, BUCKET = "logs", "log-retention", "bucket"
RUNS = "runs"

S3_FOLDERS = {
    "checkpoints": ("checkpoints",),
    "results": ("training", "pipeline", "monitoring"),
    "captures": ("captured",),
    "weights": ("base-model",),
    "data": ("data",),
    RUNS: ("mlflow",),
}
"""Word -> folders below the workshop's prefix in the bucket; all others belong to the word `others`."""

OTHERS = "others"

WORDS = {
    MINE: "what runs or stands by (rules, pipelines and what they execute, jobs, components, endpoints,"
    " alarms, dashboards, configurations, models and their versions, repositories of images), as far as this"
    " machine's ledger or state names it",
    TAGGED: "the same of the whole account: everything with the workshop's tag and this mode",
    "checkpoints": "S3: checkpoints of jobs",
    "results": "S3: what jobs have trained, and what pipelines and monitors have prepared and reported",
    "captures": "S3: requests and answers that endpoints have captured",
    "weights": "S3: the base model",
    "data": "S3: data sets",
    RUNS: "the MLflow App with every run and prompt that is logged in it, and S3: their files",
    OTHERS: "S3: the rest below the workshop's prefix (adapters, code of jobs)",
    LOGS: "logs of its endpoints, components and jobs",
    LOG_RETENTION: "nothing: CloudWatch keeps the logs of its endpoints and components 14 days from now on",
    BUCKET: "the bucket, when the workshop has made it and it is empty",
    EVERYTHING: f"{TAGGED} and all of the others",
}


def confirmed_words(text: str) -> frozenset[str]:
    """Return the words of the setting, with those that others contain."""
    words = set(text.split())
    if EVERYTHING in words:
        words |= set(WORDS) - {LOG_RETENTION}
    if TAGGED in words:
        words.add(MINE)
    return frozenset(words)


def word_of_folder(folder: str) -> str:
    """Return the word for a folder below the prefix."""
    return next((word for word, folders in S3_FOLDERS.items() if folder in folders), OTHERS)
