"""Several processes of one script on CPUs, which `accelerate launch` leaves to MPI.

With `--cpu --num_processes 2` accelerate 1.x starts a single process, unless mpirun is there and a host file named: it
sets MASTER_ADDR for the process group, but neither RANK nor WORLD_SIZE, and nothing says that one of two is missing.
A script that calls `start_processes` first becomes torch's own launcher then, which starts as many as were asked for.
"""

import argparse
import os
import sys
from collections.abc import Sequence

import psutil
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import launch_command_parser

from gymqa.errors import GymQAError
from gymqa.runtime.world import in_world, left_out


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
