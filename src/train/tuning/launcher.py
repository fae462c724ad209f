"""torchrun, which started this process, or the job it is part of: when it began, and what if it is killed."""

from __future__ import annotations

import os
import signal
import socket
import threading

from tuning.errors import UserError

EXIT_TERMINATED = 143  # 128 + SIGTERM, as shells report it
_SHUTDOWN_TIMEOUT_S = 30.0  # torchrun's own, where TORCH_ELASTIC_SHUTDOWN_TIMEOUT says nothing else

_LOOK_AGAIN_S = 0.5
_LAUNCHERS = ("torch", "accelerate")  # in the command line of torchrun and of accelerate launch


def launched_at() -> float:
    """Return the seconds since the epoch at which this run began.

    On SageMaker that is the start of the container, whose first process carries the job's name as all others
    do; elsewhere the start of torchrun. A worker that torchrun started again is not a new run.
    """
    import psutil

    first = psutil.Process()
    job = os.environ.get("TRAINING_JOB_NAME")
    for number, ancestor in enumerate(first.parents()):
        try:
            is_ours = ancestor.environ().get("TRAINING_JOB_NAME") == job if job else False
        except (psutil.Error, OSError):  # of another user
            break
        if not is_ours and not (number == 0 and _has_launcher()):
            break
        first = ancestor
    return first.create_time()


def end_with_launcher() -> None:
    """End this worker when torchrun is killed: first by SIGTERM, so that a checkpoint is saved, then at once.

    Every worker has a session of its own: nobody else would end it, and it would train on, or wait for ever
    for workers that are gone.
    """
    if not _has_launcher():
        return
    import psutil

    parent = os.getppid()
    try:
        is_launcher = any(name in word for word in psutil.Process(parent).cmdline() for name in _LAUNCHERS)
    except (psutil.Error, OSError):  # killed before this line, and init is the parent
        is_launcher = False
    never = threading.Event()

    def watch() -> None:
        # A parent's end can be waited for, but it counts as there until somebody takes its exit status; the
        # number of one's parent changes at once.
        while is_launcher and os.getppid() == parent:
            never.wait(_LOOK_AGAIN_S)
        os.kill(os.getpid(), signal.SIGTERM)
        grace_s = float(os.environ.get("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", _SHUTDOWN_TIMEOUT_S))
        never.wait(grace_s)  # what is still here then hangs
        os._exit(EXIT_TERMINATED)

    threading.Thread(target=watch, name="launcher", daemon=True).start()


def check_restarts() -> None:
    """Check that workers which torchrun starts again will find each other.

    torchrun shares one store with all of them: those of the second attempt may read there where the first
    one's listened, and wait for them until a timeout of half an hour (seen with torch 2.13 in two of three
    restarts).

    Raises:
        UserError: at the first start, not after the first restart.

    Source:
        github.com/pytorch/pytorch/issues/135712
    """
    restarts = int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0"))
    if restarts and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
        raise UserError(
            found=f"torchrun --max_restarts {restarts} with one store for all attempts",
            expected="TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 in torchrun's environment, or no restarts",
            next_step="set it, or leave out --max_restarts: the same command resumes from a checkpoint",
        )


def ignore_missing_interfaces() -> None:
    """Let NCCL look for network interfaces itself where the one that it is told of is not there.

    The SDK's driver of torchrun names the interface of SageMaker's instances, "ethwe", in Local Mode too,
    whose containers have "eth0"; NCCL then ends with "no socket interface found".

    Source:
        sagemaker 3.27, local_container.py and torchrun_driver.py; NCCL's guide, NCCL_SOCKET_IFNAME:
        beginnings of names with commas between, "=" before whole names, "^" before those to leave out
    """
    wanted = os.environ.get("NCCL_SOCKET_IFNAME", "")
    if not wanted or wanted.startswith("^"):
        return
    is_exact, names = wanted.startswith("="), [name for _, name in socket.if_nameindex()]
    for start in wanted.removeprefix("=").split(","):
        if any(name == start or (name.startswith(start) and not is_exact) for name in names):
            return
    del os.environ["NCCL_SOCKET_IFNAME"]
    if os.environ.get("RANK", "0") == "0":
        print(
            f"NCCL_SOCKET_IFNAME={wanted} is not used: this machine has {', '.join(names)}; NCCL chooses",
            flush=True,
        )


def _has_launcher() -> bool:
    return "TORCHELASTIC_RUN_ID" in os.environ
