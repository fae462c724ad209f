"""The first code cell of every notebook: load the settings and show what this run works with."""

from __future__ import annotations

import html
import os
import sys
from difflib import get_close_matches

from workshop.account.alive import alive
from workshop.errors import WorkshopError
from workshop.notebooks.order import list_notebooks
from workshop.settings import Settings, load_settings
from workshop.view.clock import show_clock_when_silent
from workshop.view.live import is_notebook
from workshop.view.quiet import let_libraries_only_warn
from workshop.view.tables import show_tables_for_people

# HF_HUB_OFFLINE is left alone: with it huggingface_hub's client refuses even a server on this machine.
LOCAL_ONLY_VARIABLES = {"HF_HUB_DISABLE_TELEMETRY": "1", "AWS_EC2_METADATA_DISABLED": "true"}


def start(notebook_name: str) -> Settings:
    """Load the settings for a notebook, make the mode's home and show a table of what is in force.

    Args:
        notebook_name: Name of the notebook without .ipynb.

    Raises:
        WorkshopError: A wrong setting, an unknown notebook name, or a home that cannot be written.
    """
    settings = load_settings()
    _check_notebook_name(settings, notebook_name)
    if settings.mode == "sample":
        os.environ.update(LOCAL_ONLY_VARIABLES)
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise WorkshopError(
            found=f"the folder {settings.home} cannot be made: {problem.strerror}",
            expected="a folder that you may write to",
            next_step="set WORKSHOP_HOME to one, for example: export WORKSHOP_HOME=~/workshop",
        ) from None
    if is_notebook():
        let_libraries_only_warn()
        show_tables_for_people()
        show_clock_when_silent()
    _show(notebook_name, summary(settings))
    return settings


def summary(settings: Settings) -> dict[str, str]:
    """Return what the table shows: label and value, in order."""
    where = "this machine" if settings.mode == "sample" else f"AWS, {settings.region}"
    aws = "on this machine, on loopback only; `make stop` ends it"
    if settings.mode != "sample":
        aws = f"your account in {settings.region}"
    is_container = settings.serve_with == "container"
    where_it_computes = " on the CPU (make images)" if is_container and settings.serves_on_cpu else ""
    processes = "process" if settings.num_processes == 1 else "processes"
    return {
        "mode": f"{settings.mode} (on {where})",
        "region": settings.region,
        "base model": settings.base_model,
        "data": f"{settings.news_source}, {settings.dataset_name} data set",
        "training": f"{settings.training_instance_count} x {settings.training_instance_type}, "
        f"{settings.recipe}; locally {settings.num_processes} {processes}",
        "serving": f"{settings.serving_engine} on {settings.endpoint_instance_type};"
        f" on this machine by a {settings.serve_with}{where_it_computes}",
        "AWS": aws,
        "results in": str(settings.home),
        "cost so far": _cost_so_far(settings),
    }


def _cost_so_far(settings: Settings) -> str:
    """Say what is known without asking AWS: not its bill, but what may still be running."""
    if settings.mode == "sample":
        return "0.00 USD (sample: nothing leaves this machine)"
    running = "; ".join(one.text(settings) for one in alive(settings))
    cost = "on AWS's bill (`make cost` asks what is alive)"
    return f"{cost}; created here and not deleted yet: {running}" if running else cost


def _check_notebook_name(settings: Settings, notebook_name: str) -> None:
    known = [path.stem for path in list_notebooks(settings.repo_dir / "notebook")]
    if notebook_name not in known:
        close = get_close_matches(notebook_name, known, n=1, cutoff=0.5)
        raise WorkshopError(
            found=f"start({notebook_name!r}), and no notebook/**/{notebook_name}.ipynb",
            expected=f"this notebook's own name; closest: {close[0]}"
            if close
            else "this notebook's own name",
            next_step="give start() the file name without .ipynb",
        )


def _show(title: str, rows: dict[str, str]) -> None:
    width = max(map(len, rows))
    text = "\n".join([title, *(f"  {label:<{width}}  {value}" for label, value in rows.items())])
    if "IPython" not in sys.modules or sys.modules["IPython"].get_ipython() is None:
        print(text)
        return
    from IPython.display import display

    cell = 'style="text-align:left;padding:2px 12px;border:0"'
    lines = "".join(
        f"<tr><th {cell}>{html.escape(label)}</th><td {cell}>{html.escape(value)}</td></tr>"
        for label, value in rows.items()
    )
    table = f"<table><caption {cell}><b>{html.escape(title)}</b></caption>{lines}</table>"
    display({"text/plain": text, "text/html": table}, raw=True)
