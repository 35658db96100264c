"""Start several CPU processes of one script through torch's launcher, which `accelerate launch` cannot do without MPI.

With `--cpu --num_processes 2` accelerate 1.x starts a single process unless mpirun and a host file are given: it sets
MASTER_ADDR for the process group, but neither RANK nor WORLD_SIZE, and does not report that a process is missing. A
script that calls `start_processes` first is then replaced by torch's launcher, which starts the requested number.
"""

import argparse
import ctypes
import os
import signal
import sys
from collections.abc import Sequence

import psutil
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import launch_command_parser

from gymqa.errors import GymQAError
from gymqa.runtime.world import in_world, left_out

_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of linux/prctl.h


def start_processes(script: str, arguments: Sequence[str]) -> list[str]:
    """Return the script's own arguments, or replace this process by a launcher of the requested CPU processes.

    Several are requested by `--num_processes N --cpu`, before the script's name (accelerate reads it) or after it.

    Args:
        script: path of the script, which is started again in each process.
        arguments: its command line; `--num_processes N` and `--cpu` are removed.

    Raises:
        GymQAError: several processes are requested after the script's name without --cpu, or accelerate was asked for
            several, started one, and the requested number cannot be determined.
    """
    options, rest = _launcher_options(arguments)
    if in_world():
        return rest
    processes = options.num_processes or (_processes_asked_of_accelerate() if left_out() else 1)
    if options.cpu or (options.num_processes is None and processes > 1):
        os.environ["ACCELERATE_USE_CPU"] = "true"
    elif processes > 1:
        raise GymQAError(
            "to use several GPUs, put --num_processes before the script's name, where accelerate launch reads it"
        )
    if processes > 1:
        if left_out():
            _end_with_parent()
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
        os.execv(sys.executable, [*launcher, script, *rest])
    os.environ.pop("MASTER_ADDR", None)  # a single process was requested
    return rest


def _end_with_parent() -> None:
    """Let Linux end this process, also after it is replaced by torch's launcher, when accelerate's has been killed.

    Torch's launcher ends its processes at SIGTERM; it does not notice that accelerate's is gone.
    """
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() != parent:  # it was killed before
            raise GymQAError("accelerate launch was stopped; start it again")


def _launcher_options(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Split the command line into the launcher's options and the script's own arguments."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--num_processes", "--num-processes", type=int)
    parser.add_argument("--cpu", action="store_true")
    return parser.parse_known_args(list(arguments))


def _processes_asked_of_accelerate() -> int:
    """Number of processes that `accelerate launch`, this process's parent, was asked for.

    Raises:
        GymQAError: the parent's command line cannot be read.
    """
    try:
        asked = launch_command_parser().parse_args(_launch_arguments(psutil.Process(os.getppid()).cmdline()))
        processes = asked.num_processes or load_config_from_file(asked.config_file).num_processes
        return int(processes)
    except (psutil.Error, SystemExit, OSError, ValueError, TypeError) as error:
        raise GymQAError(
            "accelerate launch was asked for several CPU processes and started one; "
            "put --num_processes and --cpu after the script's name"
        ) from error


def _launch_arguments(command: Sequence[str]) -> list[str]:
    """The arguments after `accelerate launch`, `accelerate-launch` or `-m accelerate.commands.launch`.

    Raises:
        ValueError: the command is none of these.
    """
    for index, argument in enumerate(command):
        name = os.path.basename(argument)
        if (
            name == "accelerate-launch"
            or argument == "accelerate.commands.launch"
            or argument.endswith("commands/launch.py")
        ):
            return list(command[index + 1 :])
        if name in ("accelerate", "accelerate_cli.py") and list(command[index + 1 : index + 2]) == ["launch"]:
            return list(command[index + 2 :])
    raise ValueError("not accelerate launch")
