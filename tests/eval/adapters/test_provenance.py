"""What stands around a model hides none of its scores."""

from collections.abc import Mapping, Sequence
from typing import Any

from eval.adapters.provenance import Provenance
from gymqa.questions.schema import Answer, Question


class Plain:
    """Answers nothing."""

    name = "plain"

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        return [Answer(one.id, None) for one in questions]

    def fingerprint(self) -> Mapping[str, Any]:
        return {}


class Likely(Plain):
    """Has scores, too."""

    def choice_logprobs(self, questions: Sequence[Question]) -> list[tuple[float, ...] | None]:
        return [(-1.0, -2.0) for _ in questions]


def test_scores_behind_an_answer_are_those_of_the_model_where_it_has_any() -> None:
    asked = [Question("q", "c", "v", "What?", ("kip", "cast"), 0, "set", "set", (4, 5), "UB", 41, 4)]
    assert Provenance(Likely(), "r", {}).choice_logprobs(asked) == [(-1.0, -2.0)]
    assert not hasattr(Provenance(Plain(), "r", {}), "choice_logprobs")
