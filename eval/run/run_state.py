"""State of a run's output file: expected and finished result, final answers; never overwrites another model's file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from eval.run.parts import SHOWN, Parts, is_announced, to_bytes
from eval.run.protocol import AnswerModel, Fingerprinted
from eval.run.results import FileInfo, ModelInfo, Result, file_info, hash_values, load_result, result_path
from gymqa.errors import GymQAError
from gymqa.io.console import console
from gymqa.questions.files import load_predictions
from gymqa.questions.schema import Prediction, Question


@dataclass(frozen=True, slots=True)
class RunInfo:
    """Description of a run as written to the result; see `eval.run.results.Result` and `ModelInfo`.

    `settings` are further JSON values that the answers depend on; `questions` is the question file; `environment` is
    recorded and hashed, but a run may resume in another one; `parameters` and `prompt` are recorded only.
    """

    encoder: str = ""
    adapter: str = ""
    revision: str | None = None
    control: str = "none"
    scoring: str = ""
    rotations: int = 1
    binaries: bool = False
    n_frames: int | None = None
    questions: FileInfo | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    parameters: int | None = None
    prompt: str = ""


def expected_result(model: AnswerModel, questions: Sequence[Question], out: Path, info: RunInfo) -> Result:
    """The run's result before it starts, without the predictions' hash."""
    asked = sha256(to_bytes(questions)).hexdigest()
    own = model.fingerprint() if isinstance(model, Fingerprinted) else {}
    fingerprint = json.loads(json.dumps(dict(own), default=str))  # tuples become lists, as in the file
    made_of = ModelInfo(
        name=model.name, encoder=info.encoder, adapter=info.adapter, revision=info.revision, fingerprint=fingerprint
    )
    file = info.questions or FileInfo(name="questions.jsonl", sha256=asked)
    config = {
        "model": made_of.model_dump(mode="json"),
        "control": info.control,
        "scoring": info.scoring,
        "rotations": info.rotations,
        **({"binaries": True} if info.binaries else {}),  # absent elsewhere: earlier results keep their hash
        "n_frames": info.n_frames,
        "settings": json.loads(json.dumps(dict(info.settings), default=str)),
        "questions": {"n": len(questions), "sha256": asked},
    }
    benchmarks = {question.benchmark for question in questions}
    return Result(
        model=made_of,
        benchmark=benchmarks.pop() if len(benchmarks) == 1 else Path(file.name).stem,
        control=info.control,
        scoring=info.scoring,
        rotations=info.rotations,
        binaries=info.binaries,
        n_frames=info.n_frames,
        questions=file,
        predictions=FileInfo(name=out.name, sha256="0" * 64),
        parameters=info.parameters,
        prompt=info.prompt,
        config=config,
        environment=dict(info.environment),
        config_hash=hash_values(config),
        environment_hash=hash_values(dict(info.environment)),
    )


def finished_result(out: Path, expected: Result) -> Result | None:
    """The result of `out`, if it has the same configuration.

    A run that repeated failed questions and was killed between its predictions and their result leaves that of before.

    Raises:
        GymQAError: the predictions were changed after they were written.
    """
    if not out.is_file() or not result_path(out).is_file():
        return None
    try:
        found = load_result(result_path(out))
    except GymQAError:
        return None  # an unreadable result is treated as none
    if found.config_hash != expected.config_hash:
        return None
    info, name = file_info(out), parts_name(found.config_hash, found)
    if found.predictions != info and not is_announced(out, name, info.sha256):
        raise GymQAError(f"{out} was changed after {result_path(out).name} was written; remove both and run again")
    return found


def final_answers(out: Path, before: Result) -> dict[str, Prediction]:
    """The final answers of a finished file, by question id."""
    return {one.question_id: one for one in load_predictions(out) if one.question_id not in before.open}


def parts_name(config_hash: str, before: Result | None) -> str:
    """Folder name of the partial answers of a run, and of each later run that repeats its failed questions."""
    after = "" if before is None else f"-{before.predictions.sha256[:SHOWN]}"
    return f"{config_hash[:SHOWN]}{after}"


def refuse_other_model(out: Path, asked: ModelInfo) -> None:
    """Allow only the same model to replace its answers.

    Raises:
        GymQAError: `out` holds answers of another name, encoder or adapter.
    """
    try:
        found = load_result(result_path(out)).model
    except GymQAError:
        return  # a missing or unreadable result is treated as none
    if (found.name, found.encoder, found.adapter) != (asked.name, asked.encoder, asked.adapter):
        old, new = (" ".join(filter(None, (one.name, one.encoder, one.adapter))) for one in (found, asked))
        raise GymQAError(f"{out} holds the answers of {old}, which {new} must not replace; choose another --out")


def refuse_foreign(out: Path, parts: Parts, say: bool) -> None:
    """Announce that changed settings restart the run.

    Raises:
        GymQAError: `out` was not written by a run.
    """
    if out.exists() and not result_path(out).exists() and not parts.root.exists():
        raise GymQAError(
            f"{out} is there without {result_path(out).name} beside it, so no run made it; move it away or choose "
            "another --out"
        )
    if out.exists() and say and not parts.folder.exists():
        console.print(f"{out.name}: model, settings or questions have changed; asking again from the start")
