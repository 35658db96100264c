"""Results on disk as `gymqa evaluate` leaves them: two models, one of them under controls and with fewer frames."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from eval.adapters.prompting import lettered
from eval.run.results import ModelInfo, Result, file_info, result_path, save_result
from gymqa.io.files import write_text
from gymqa.questions.files import save_questions, to_line
from gymqa.questions.schema import LETTERS, Detail, Prediction, Question
from tests.helpers.leaderboard_example import answered, questions

BENCHMARKS = ("gym-qa", "gym-new")


def put(
    folder: Path,
    asked: Path,
    predictions: Sequence[Prediction],
    model: str,
    encoder: str = "",
    control: str = "none",
    n_frames: int | None = None,
) -> Path:
    """Write predictions and the result beside them; return the result's path."""
    out = folder / f"{asked.stem}.jsonl"
    write_text(out, "".join(to_line(one) + "\n" for one in predictions))
    info = ModelInfo(name=model, encoder=encoder)
    result = Result(
        model=info, benchmark=asked.stem, control=control, n_frames=n_frames,
        questions=file_info(asked), predictions=file_info(out),
    )  # fmt: skip
    save_result(result_path(out), result)
    return result_path(out)


def write_questions(folder: Path, n: int = 24, mark: str = "") -> dict[str, tuple[Path, list[Question]]]:
    """Question files by benchmark; `mark` is put into every text, the event and the ids."""
    found = {}
    for name in BENCHMARKS:
        asked = [replace(one, event=one.event + mark, id=one.id + mark) for one in questions(name, n, mark)]
        path = folder / "questions" / f"{name}.jsonl"
        save_questions(path, asked)
        found[name] = (path, asked)
    return found


def _told(prediction: Prediction, question: Question, mark: str) -> Prediction:
    """The prediction with prompt, frames and a reply on two lines."""
    digest = hashlib.sha256(lettered(question).encode(errors="surrogatepass")).hexdigest()
    reply = "" if prediction.choice is None else f"It turns{mark}.\n\nSo {LETTERS[prediction.choice]}."
    return replace(prediction, detail=Detail(digest, (0, 5, 9), "0123456789ab", reply))


def write_site_inputs(folder: Path, n: int = 24, mark: str = "") -> tuple[Path, Path]:
    """Return the folders of results and of questions.

    "watcher" is shown 2, 4 and 8 frames and falls when they are shuffled; "sleeper" does not fall.
    """
    results = folder / "results"
    for path, asked in write_questions(folder, n, mark).values():
        most = n - 1
        for frames, right in ((2, n // 3), (4, n // 2), (8, most)):
            found = answered(asked, right, f"clip is empty{mark}")
            put(results / f"watcher-{frames}", path, found, "watcher" + mark, "SeFAR" + mark, n_frames=frames)
        shuffled = answered(asked, n // 4)
        put(results / "watcher-shuffled", path, shuffled, "watcher" + mark, "SeFAR" + mark, "shuffled", 8)
        for control in ("none", "shuffled"):
            told = [_told(one, prompt, mark) for one, prompt in zip(answered(asked, n - 4), asked, strict=True)]
            put(results / f"sleeper-{control}", path, told, "sleeper" + mark, "", control)
    return results, folder / "questions"


WORDS = ["--repo", "me/gym-mllm", "--license", "apache-2.0", "--dataset", "GymSim"]
