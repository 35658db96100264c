"""A card's figures come from a result with rotations too: from the questions as they stand in their file."""

from pathlib import Path

from eval.metrics.circular import rotations
from eval.run.results import file_info
from eval.run.run_state import RunInfo
from eval.run.runner import run
from gymqa.cli import main as cli
from gymqa.questions.distractors import build_questions
from gymqa.questions.files import save_questions
from tests.helpers import mllm_examples
from tests.helpers.asked import Scripted
from tests.helpers.site_example import WORDS


def test_a_result_with_rotations_counts_by_its_plain_questions(tmp_path: Path) -> None:
    model = mllm_examples.model()
    model.save_pretrained(tmp_path / "tuned")
    asked = list(build_questions(mllm_examples.clips(), mllm_examples.taxonomy(), "gym-qa", 0))
    save_questions(tmp_path / "q.jsonl", asked)

    class Ours(Scripted):
        def answer(self, questions):  # type: ignore[no-untyped-def]
            return [type(one)(one.question_id, one.choice) for one in super().answer(questions)]

        def fingerprint(self) -> dict[str, object]:
            return dict(model.fingerprint())

    out, every = tmp_path / "r" / "gym-qa.rotated.jsonl", [turned for one in asked for turned in rotations(one)]
    run(Ours(), every, out, info=RunInfo(adapter="gymqa", rotations=4, questions=file_info(tmp_path / "q.jsonl")))
    words = ["hub", "push-mllm", str(tmp_path / "tuned"), *WORDS, "--out", str(tmp_path / "card")]
    assert cli.main([*words, "--results", str(tmp_path / "r"), "--questions", str(tmp_path / "q.jsonl")]) == 0
    share = 100 * sum(one.answer == 1 for one in asked) / len(asked)
    assert f"| {share:.1f} % |" in (tmp_path / "card" / "README.md").read_text()
