"""Entry point of `gymqa`: table and help of the commands, dispatch to the command's module, errors and exit status."""

import errno
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence

from gymqa import __version__
from gymqa.errors import GymQAError
from gymqa.io.printable import as_sentence, printable_stdout
from gymqa.runtime.registry import require_known
from gymqa.runtime.world import end_with_launcher

Command = Callable[..., None]

# Written out here so that `gymqa --help` imports no command, and thus neither torch nor a video decoder. Each group is
# a folder of gymqa.cli.commands.
_DATA = {
    "finegym": "download FineGym's annotations and raw videos, and cut the clips out of them",
    "dataset": "import another data set: UCF101, HMDB51, Diving48, FineDiving, …",
    "render": "render a GymSim release in FineGym's format",
    "split": "split a release's clips into labelled, unlabelled, validation and test lists",
    "cache": "decode the clips into a frame cache",
    "flow": "compute the optical flow of cached clips",
    "poses": "read keypoint files of the clips into a pose cache",
    "questions": "build, validate and analyse multiple-choice questions; import and export released ones",
    "hub": "upload question sets, recognizers, tuned language models and results to the Hugging Face Hub",
    "export": "export questions to other evaluation harnesses: lmms-eval, VLMEvalKit",
}
_MODELS = {
    "train": "train a recognizer on few labelled and many unlabelled clips",
    "predict": "predict clips with a recognizer: class probabilities and accuracy",
    "fuse": "average the class probabilities of several recognizers (two-stream fusion)",
    "localize": "temporal action localization: actions in videos, sub-actions in actions",
    "recipes": "list, run and tabulate the training recipes of the papers' tables",
    "benchmark": "measure recognizers: clips per second, parameters, multiply-adds",
    "extract": "extract frozen features of a video encoder into a feature store",
    "finetune": "tune the projector and LoRA adapters of a multimodal model",
}
_ANSWERS = {
    "demo": "run the whole pipeline on rendered gymnasts, from video to leaderboard",
    "ask": "ask a multiple-choice question about one video",
    "evaluate": "evaluate a model on every question of a benchmark",
    "parse": "parse a model's reply: the choice it means, or none",
    "metrics": "score saved predictions: accuracy, Top-1/5, mean-class, mAP, mAP@tIoU",
    "report": "build the leaderboard from results: a web page, and its tables as files",
    "study": "run FineGym's ablation studies: number and order of frames, modalities",
    "list": "list the names that options accept: recognizers, algorithms, benchmarks, …",
}
GROUPS = {"data": _DATA, "models": _MODELS, "answers": _ANSWERS}
COMMANDS = {name: what for group in GROUPS.values() for name, what in group.items()}

# Errors of the operating system for any file, and what the user can do; these are not bugs of gymqa.
REFUSALS = {
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "check the permissions"),
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free some space and run the same command again"),
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
            "Fine-grained gymnastics video question answering: data, recognizers, language models, evaluation.",
            "",
            *lines,
            "gymqa COMMAND --help explains a command. --debug shows an error's traceback, --version the version.",
        ]
    )


def dispatch(words: Sequence[str]) -> None:
    """Run the command of a command line.

    Raises:
        GymQAError: there is no such command, or its options or input are wrong.
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
    from gymqa.cli.arguments import call  # imported here because it takes half a second, which --help does not need

    call(command, arguments, prog)


def load_command(name: str) -> Command | dict[str, Command]:
    """Import a command by its name in COMMANDS: a function, or a dictionary of subcommands."""
    group = next(group for group, commands in GROUPS.items() if name in commands)
    command: Command | dict[str, Command] = importlib.import_module(f"gymqa.cli.commands.{group}.{name}").COMMAND
    return command


def _group_help(prog: str, group: Mapping[str, Command]) -> str:
    """Return the help of a command with subcommands: their names and first docstring lines."""
    width = max(map(len, group))
    lines = [f"  {name:<{width}}  {(command.__doc__ or '').splitlines()[0]}" for name, command in group.items()]
    return "\n".join([f"usage: {prog} COMMAND [options]", "", *lines, "", f"{prog} COMMAND --help explains a command."])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `gymqa` and return its exit status: 0 success, 2 wrong input, 130 stopped by Ctrl-C, 1 a bug."""
    return attempt(dispatch, sys.argv[1:] if arguments is None else arguments)


def run_script(function: Callable[..., None], prog: str) -> int:
    """Run a script's function as a command with the arguments of the command line; return the exit status."""
    from gymqa.cli.arguments import call

    return attempt(lambda words: call(function, words, prog), sys.argv[1:])


def attempt(work: Callable[[Sequence[str]], None], words: Sequence[str]) -> int:
    """Run `work` on the arguments except `--debug`; print one sentence for an error, and return the exit status."""
    debug = "--debug" in words
    end_with_launcher()
    try:
        with printable_stdout():
            work([word for word in words if word != "--debug"])
        sys.stdout.flush()
        return 0
    except BrokenPipeError:  # the reader of the output (head, less) has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            traceback.print_exc()
        status, sentence = _verdict(error)
        print(f"gymqa: {as_sentence(sentence)}", file=sys.stderr)
        return status


def _verdict(error: BaseException) -> tuple[int, str]:
    """Return the exit status and the sentence for an exception."""
    if isinstance(error, GymQAError):
        return 2, str(error)
    if isinstance(error, KeyboardInterrupt):
        return 130, "stopped; run the same command again to resume"
    if isinstance(error, OSError) and error.errno in REFUSALS:
        return 2, f"{error.filename or 'a file'}: {error.strerror}; {REFUSALS[error.errno]}"
    return 1, f"unexpected {type(error).__name__}: {error}; add --debug to see where, and please report it"


if __name__ == "__main__":
    sys.exit(main())
