"""Several processes of one script on CPUs, which `accelerate launch` leaves to MPI.

With `--cpu --num_processes 2` accelerate 1.x starts a single process, unless mpirun is there and a host file named: it
sets MASTER_ADDR for the process group, but neither RANK nor WORLD_SIZE, and nothing says that one of two is missing.
A script that calls `start_processes` first becomes torch's own launcher then, which starts as many as were asked for.
"""

import argparse
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gymqa.errors import GymQAError

_WORLDS = {
    "WORLD_SIZE": "RANK",
    "PMI_SIZE": "PMI_RANK",
    "OMPI_COMM_WORLD_SIZE": "OMPI_COMM_WORLD_RANK",
    "MV2_COMM_WORLD_SIZE": "MV2_COMM_WORLD_RANK",
}
"""How many processes there are, and which of them this is: set in one of several processes."""


def start_processes(script: str, words: Sequence[str]) -> list[str]:
    """Return the script's words, or do not return and run the script in as many CPU processes as were asked for.

    Asked for by `--num_processes N --cpu` before the script's name, where accelerate reads it, or behind it.

    Args:
        script: path of the script, to be started again in each process.
        words: its command line; `--num_processes N` and `--cpu` are taken out.

    Raises:
        GymQAError: several processes are behind the script's name without --cpu, or accelerate was asked for several
            and left them out, and how many cannot be found out.
    """
    own, rest = _own_words(words)
    if in_world():
        return rest
    processes = own.num_processes or (_asked_of_accelerate() if left_out() else 1)
    if own.cpu or (own.num_processes is None and processes > 1):
        os.environ["ACCELERATE_USE_CPU"] = "true"
    elif processes > 1:
        raise GymQAError("for several GPUs put --num_processes before the script's name: accelerate launch starts them")
    if processes > 1:
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
        os.execv(sys.executable, [*launcher, script, *rest])
    os.environ.pop("MASTER_ADDR", None)  # this one process is all that was asked for
    return rest


def in_world() -> bool:
    """Whether this process is one of several, or of one, that know of each other."""
    return any(name in os.environ for name in _WORLDS)


def this_process() -> tuple[int, int]:
    """Return this process's number, and how many were started together."""
    for size, rank in _WORLDS.items():
        if size in os.environ:
            return int(os.environ.get(rank, "0")), int(os.environ[size])
    return 0, 1


def require_no_other(script: str) -> None:
    """Refuse to be the only process where accelerate was asked for several.

    Args:
        script: what would have started them: "scripts/evaluate.py".

    Raises:
        GymQAError: accelerate left the others out.
    """
    if left_out():
        raise GymQAError(
            "accelerate launch starts one process on CPUs, whatever --num_processes says (it leaves the others to "
            f"mpirun); launch {script}, which starts them itself"
        )


def end_with_launcher() -> None:
    """End this process, one of several, soon after the one that started it has ended, however that ended."""
    if not in_world():
        return
    launcher = os.getppid()

    def watch() -> None:
        while os.getppid() == launcher:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def left_out() -> bool:
    """Whether accelerate was asked for several processes and started this one only."""
    return "MASTER_ADDR" in os.environ and "ACCELERATE_MIXED_PRECISION" in os.environ and not in_world()


def _own_words(words: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Take the launcher's options out of the script's words."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--num_processes", "--num-processes", type=int)
    parser.add_argument("--cpu", action="store_true")
    return parser.parse_known_args(list(words))


def _asked_of_accelerate() -> int:
    """How many processes `accelerate launch`, this process's parent, was asked for.

    Raises:
        GymQAError: it cannot be read.
    """
    import psutil  # accelerate depends on it
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.commands.launch import launch_command_parser

    try:
        asked = launch_command_parser().parse_args(_launcher_words(psutil.Process(os.getppid()).cmdline()))
        processes = asked.num_processes or load_config_from_file(asked.config_file).num_processes
        return int(processes)
    except (psutil.Error, SystemExit, OSError, ValueError, TypeError) as error:
        raise GymQAError(
            "accelerate launch was asked for several CPU processes and started one; "
            "put --num_processes and --cpu behind the script's name"
        ) from error


def _launcher_words(command: Sequence[str]) -> list[str]:
    """What follows `accelerate launch`, `accelerate-launch` or `-m accelerate.commands.launch` in a command line.

    Raises:
        ValueError: it is none of these.
    """
    for place, word in enumerate(command):
        name = os.path.basename(word)
        if name == "accelerate-launch" or word == "accelerate.commands.launch" or word.endswith("commands/launch.py"):
            return list(command[place + 1 :])
        if name in ("accelerate", "accelerate_cli.py") and list(command[place + 1 : place + 2]) == ["launch"]:
            return list(command[place + 2 :])
    raise ValueError("not accelerate launch")


_USE_CPU = "ACCELERATE_USE_CPU"


def choose_device(name: str | None = None) -> str:
    """The device of this name (cpu, cuda, cuda:1, …); without a name the GPU, where there is one.

    Raises:
        GymQAError: no such device on this machine.
    """
    import torch

    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise GymQAError(f"there is no device {name!r} on this machine; choose cpu or another") from error
    return name


def own_device(name: str) -> str:
    """The device of this one of several processes: its own GPU where all were given `cuda`."""
    local = os.environ.get("LOCAL_RANK")
    return f"cuda:{local}" if name == "cuda" and local is not None else name


@contextmanager
def accelerate_on(device: str) -> Iterator[None]:
    """Inside the block, accelerate takes this device: left alone, it takes the GPU wherever there is one."""
    before = os.environ.get(_USE_CPU)
    if device == "cpu":
        os.environ[_USE_CPU] = "true"
    try:
        yield
    finally:
        os.environ.pop(_USE_CPU, None)
        if before is not None:
            os.environ[_USE_CPU] = before
