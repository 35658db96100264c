"""`gymqa COMMAND …`: finds the command, imports it only then, and turns wrong input into one sentence."""

import errno
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence

from gymqa import __version__
from gymqa.errors import GymQAError
from gymqa.runtime.registry import require_known

Command = Callable[..., None]

# Tables of their own, so that `gymqa --help` imports no command, hence neither torch nor a decoder. Each group is a
# folder of gymqa.cli.commands.
_DATA = {
    "finegym": "get FineGym's annotations and raw videos, and cut the clips out of them",
    "dataset": "import another data set: UCF101, HMDB51, Diving48, FineDiving, …",
    "render": "render a GymSim release in FineGym's format",
    "split": "make labelled, unlabelled and validation lists of a release",
    "cache": "decode clips once into a frame cache",
    "flow": "compute the optical flow of cached clips",
    "poses": "read clips' keypoints once into a pose cache",
    "questions": "build, check or count multiple-choice questions; take over released ones",
    "hub": "upload question sets, recognizers, tuned language models and results to the Hugging Face Hub",
    "export": "write questions for other harnesses: lmms-eval, VLMEvalKit",
}
_MODELS = {
    "train": "train a recognizer with few labels",
    "predict": "write a recognizer's class probabilities",
    "fuse": "average several recognizers' class probabilities, as two streams",
    "localize": "find actions in videos and sub-actions in actions",
    "recipes": "list, run and tabulate the trainings behind the papers' tables",
    "benchmark": "measure the recognizers: clips a second, parameters, operations",
    "extract": "write a video encoder's frozen features into a feature store",
    "finetune": "tune the projector and LoRA adapters of a multimodal model",
}
_ANSWERS = {
    "demo": "every step on rendered gymnasts, from video to leaderboard",
    "ask": "ask a question with choices about one video",
    "evaluate": "ask a model every question of a benchmark",
    "parse": "say which choice a model's reply means, or that it means none",
    "metrics": "score saved predictions: accuracy, Top-1/5, mean-class, mAP, mAP@tIoU",
    "report": "make the leaderboard from results: a site, and its tables as files",
    "study": "FineGym's studies: number and order of frames, modalities",
    "list": "show the names that options take: recognizers, algorithms, benchmarks, …",
}
GROUPS = {"data": _DATA, "models": _MODELS, "answers": _ANSWERS}
COMMANDS = {name: what for group in GROUPS.values() for name, what in group.items()}

# What the system refuses wherever a file is touched, and the mend; nothing of it is a defect of ours.
REFUSALS = {
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "see to it that you may read it, or write there"),
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "make room, and the same command goes on"),
    errno.ENAMETOOLONG: "choose a shorter name",
}


def help_text() -> str:
    """Return what `gymqa --help` prints."""
    width = max(map(len, COMMANDS))
    lines = []
    for group, commands in GROUPS.items():
        lines += [f"{group}:", *(f"  {name:<{width}}  {what}" for name, what in commands.items()), ""]
    return "\n".join(
        [
            "usage: gymqa COMMAND [options]",
            "",
            "Fine-grained gymnastics video questions: recognizers with few labels, encoders, language models, scores.",
            "",
            *lines,
            "gymqa COMMAND --help explains a command. --debug shows where an error came from. --version",
        ]
    )


def dispatch(words: Sequence[str]) -> None:
    """Run the command that `words` name.

    Raises:
        GymQAError: no such command, or its options or input are wrong.
    """
    if not words or words[0] in ("--help", "-h", "help"):
        print(help_text())
        return
    if words[0] == "--version":
        print(f"gymqa {__version__}")
        return
    name, arguments = words[0], words[1:]
    require_known("command", name, COMMANDS, "gymqa --help")
    command = load_command(name)
    prog = f"gymqa {name}"
    if isinstance(command, dict):
        if not arguments or arguments[0] in ("--help", "-h"):
            print(_group_help(prog, command))
            return
        require_known(f"{name} command", arguments[0], command, f"{prog} --help")
        prog, command, arguments = f"{prog} {arguments[0]}", command[arguments[0]], arguments[1:]
    from gymqa.cli.arguments import call  # half a second that --help does not need

    call(command, arguments, prog)


def load_command(name: str) -> Command | dict[str, Command]:
    """Import a command by its name in COMMANDS: a function, or several by name."""
    group = next(group for group, commands in GROUPS.items() if name in commands)
    command: Command | dict[str, Command] = importlib.import_module(f"gymqa.cli.commands.{group}.{name}").COMMAND
    return command


def _group_help(prog: str, group: Mapping[str, Command]) -> str:
    """Return the help of a command that has commands of its own: their names and first docstring lines."""
    width = max(map(len, group))
    lines = [f"  {name:<{width}}  {(command.__doc__ or '').splitlines()[0]}" for name, command in group.items()]
    return "\n".join([f"usage: {prog} COMMAND [options]", "", *lines, "", f"{prog} COMMAND --help explains a command."])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `gymqa` and return its exit status: 0 done, 2 wrong input, 130 stopped by Ctrl-C, 1 a defect of ours."""
    return attempt(dispatch, sys.argv[1:] if arguments is None else arguments)


def run_script(function: Callable[..., None], prog: str) -> int:
    """Run a script's function as a command of its own, with the words of the command line; returns as `main`."""
    from gymqa.cli.arguments import call

    return attempt(lambda words: call(function, words, prog), sys.argv[1:])


def attempt(work: Callable[[Sequence[str]], None], words: Sequence[str]) -> int:
    """Do some work on the words but `--debug`; return the exit status, with one sentence for what went wrong."""
    debug = "--debug" in words
    try:
        work([word for word in words if word != "--debug"])
        sys.stdout.flush()
        return 0
    except BrokenPipeError:  # the reader of our output (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            traceback.print_exc()
        status, sentence = _verdict(error)
        print(f"gymqa: {sentence}", file=sys.stderr)
        return status


def _verdict(error: BaseException) -> tuple[int, str]:
    """Return the exit status and the sentence for what ended a command."""
    if isinstance(error, GymQAError):
        return 2, str(error)
    if isinstance(error, KeyboardInterrupt):
        return 130, "stopped; the same command goes on from here"
    if isinstance(error, OSError) and error.errno in REFUSALS:
        return 2, f"{error.filename or 'a file'}: {error.strerror}; {REFUSALS[error.errno]}"
    return 1, f"unexpected {type(error).__name__}: {error}; add --debug to see where, and please report it"


if __name__ == "__main__":
    sys.exit(main())
