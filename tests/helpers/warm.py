"""Python commands in new processes that have torch already: forked from one server, because its import takes seconds.

What a command reads when it is imported is not in the server: gymqa itself and the Hugging Face libraries, which take
their folders and addresses from the environment.
"""

import atexit
import importlib
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.helpers.places import ROOT

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.helpers.warm_imports"])


def run(command: Sequence[str], cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """As `subprocess.run` of a Python command: a script, `-m module` or `-c code`, and its words.

    Args:
        command: may begin with the interpreter's path.
        cwd: the folder it runs in.
        environment: added to this process's.
    """
    return _finished([Started(command, {**os.environ, **environment}, cwd)])


def run_apart(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command with a cache of the Hub in `folder`, and no token or address but those given."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    told = {"HF_HOME": str(folder / "home"), "HF_HUB_DISABLE_XET": "1", **environment}
    return _finished([Started(command, {**clean, **told}, ROOT)])


def launch(command: Sequence[str], processes: int = 2) -> subprocess.CompletedProcess[str]:
    """Run a command in several CPU processes that know of each other as torch's launcher tells them.

    As there, the store by which they meet is the launcher's, so that they can part and meet again.
    """
    store = importlib.import_module("torch.distributed").TCPStore(
        "127.0.0.1", 0, is_master=True, wait_for_workers=False
    )
    world = {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes), "GROUP_RANK": "0"}
    meeting = {"MASTER_ADDR": store.host, "MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    told = {**os.environ, **world, **meeting, "ACCELERATE_USE_CPU": "true"}
    ranks = [{"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]
    return _finished([Started(command, {**told, **rank}, ROOT) for rank in ranks])


def run_ranks(function: Callable[..., None], *arguments: object, processes: int = 2) -> None:
    """`function(rank, *arguments)` in each of several processes; an error in one of them is raised here."""
    torch_processes = importlib.import_module("torch.multiprocessing")
    torch_processes.start_processes(function, arguments, processes, start_method="forkserver")


class Started:
    """A command's process, whose output goes to two files; it computes with one thread.

    Args:
        command: of Python.
        environment: the process's whole environment.
        cwd: its folder.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], cwd: Path) -> None:
        self.command = list(command[1:] if command[0] == sys.executable else command)
        self._folder = tempfile.TemporaryDirectory()
        self._files = [Path(self._folder.name) / name for name in ("stdout", "stderr")]
        told = {"PYTHONPATH": str(ROOT), **environment, "OMP_NUM_THREADS": "1"}
        words = (self.command, told, str(cwd), [str(path) for path in self._files])
        self.process: ForkServerProcess = CONTEXT.Process(target=_work, args=words)
        self.process.start()

    def printed(self) -> list[str]:
        """What it wrote to stdout and stderr so far."""
        return [path.read_text() if path.exists() else "" for path in self._files]

    def end(self) -> None:
        """Kill it if it runs, and remove the files."""
        self.process.kill()
        self.process.join()
        self._folder.cleanup()


def _finished(begun: Sequence[Started]) -> subprocess.CompletedProcess[str]:
    """Wait for all; when one fails, end the others, as torch's launcher does."""
    try:
        waiting = {one.process.sentinel: one.process for one in begun}
        while waiting:
            for sentinel in wait(list(waiting)):
                process = waiting.pop(sentinel)  # type: ignore[arg-type]
                process.join()
                if process.exitcode:
                    for other in waiting.values():
                        other.terminate()
        codes = [one.process.exitcode or 0 for one in begun]
        out, err = ("".join(texts) for texts in zip(*(one.printed() for one in begun), strict=True))
        return subprocess.CompletedProcess(begun[0].command, next(filter(None, codes), 0), out, err)
    finally:
        for one in begun:
            one.end()


def _work(command: list[str], environment: dict[str, str], cwd: str, files: list[str]) -> None:
    """Be what `python command` is, in the forked process."""
    for number, path in enumerate(files, 1):
        target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(target, number)
        os.close(target)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.path[:0] = environment["PYTHONPATH"].split(os.pathsep)
    sys.modules["torch"].set_num_threads(1)
    try:
        _run(*command)
    finally:
        sys.stdout.flush()
        atexit._run_exitfuncs()


def _run(first: str, *words: str) -> None:
    """Run a script, `-m module` or `-c code` as the main module."""
    if first == "-m":
        sys.argv = [words[0], *words[1:]]
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        sys.argv = ["-c", *words[1:]]
        exec(compile(words[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = [first, *words]
        sys.path.insert(0, str(Path(first).resolve().parent))
        runpy.run_path(first, run_name="__main__")
