"""An outage costs no question for good: what got no answer because the server was down is asked again."""

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from eval.adapters.api.openai_api import OpenAIModel
from eval.adapters.api.settings import ApiSettings
from eval.run.results import load_result, result_path
from eval.run.runner import run
from gymqa.cli.main import main
from gymqa.errors import GymQAError
from gymqa.questions.files import load_predictions, save_questions
from gymqa.questions.schema import Answer, Question
from tests.helpers.asked import Scripted, questions
from tests.helpers.loopback_openai import Endpoint, asked, completion, serve_endpoint
from tests.helpers.naming import does_name, naming
from tests.helpers.questions import question

MANY = [question(f"q{i}", (0, 1, 2, 3), 1) for i in range(12)]


class Down(Scripted):
    """Fails some questions for now, and those of `refused` for good."""

    def __init__(self, down: Sequence[str], refused: Sequence[str] = (), stop_before: str | None = None) -> None:
        super().__init__(stop_before=stop_before)
        self.down, self.refused = down, refused

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        found = {answer.question_id: answer for answer in super().answer(questions)}
        found |= {one: Answer(one, None, None, "down", retry=True) for one in found.keys() & set(self.down)}
        found |= {one: Answer(one, None, None, "refused") for one in found.keys() & set(self.refused)}
        return list(found.values())


def test_a_run_that_gives_up_asks_the_questions_of_the_outage_again(tmp_path: Path) -> None:
    endpoint, out = Endpoint(always=503), tmp_path / "p.jsonl"
    with serve_endpoint(endpoint):
        settings = ApiSettings(base_url=endpoint.url, tries=1, in_flight=4, give_up_after=6)
        model = OpenAIModel("m", "m", None, settings)
        with pytest.raises(GymQAError, match=naming(503)):
            run(model, MANY, out, 4)
        endpoint.always = None
        assert [one.choice for one in run(model, MANY, out, 4)] == [1] * 12
        model.close()
    assert load_result(result_path(out)).open == () and not out.with_name("p.jsonl.parts").exists()


@pytest.mark.parametrize("trouble", [503, 429, "half", "never"])
def test_what_failed_in_a_finished_file_is_asked_again_and_nothing_else(tmp_path: Path, trouble: int | str) -> None:
    endpoint, out = Endpoint(first=[trouble, trouble, 400]), tmp_path / "p.jsonl"
    with serve_endpoint(endpoint):
        settings = ApiSettings(base_url=endpoint.url, tries=1, in_flight=1, timeout=0.5)
        model = OpenAIModel("m", "m", None, settings, "generate")
        assert [one.choice for one in run(model, MANY, out, 4)] == [None] * 3 + [1] * 9
        assert load_result(result_path(out)).open == ("q0", "q1")
        assert [one.choice for one in run(model, MANY, out, 4)] == [1, 1, None] + [1] * 9
        assert len(endpoint.bodies) == 14 and load_result(result_path(out)).open == ()
        run(model, MANY, out, 4)
        model.close()
    assert len(endpoint.bodies) == 14 and does_name(load_predictions(out)[2].error or "", 400)


def test_the_command_says_so_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_questions(tmp_path / "asked" / "gym-qa.jsonl", MANY)
    with serve_endpoint(Endpoint(lambda body: completion("B") if asked(body) else {}, first=[503])) as endpoint:
        words = ["evaluate", "--adapter", "openai", "--model", "m", "--controls", "no-video", "--questions",
                 str(tmp_path / "asked"), "--out", str(tmp_path / "out"), "--options.api.base_url", endpoint.url,
                 "--options.api.tries", "1", "--options.api.in_flight", "1"]  # fmt: skip
        assert main(words) == 0
        first = capsys.readouterr().out
        assert main(words) == 0
    assert "attempts at 1 questions failed" in first
    assert "12 of 12 right, 0 unanswered" in capsys.readouterr().out


def test_a_stopped_run_asks_again_what_failed_before_it_stopped(tmp_path: Path) -> None:
    out = tmp_path / "p.jsonl"
    with pytest.raises(KeyboardInterrupt):
        run(Down(["q0"], ["q1"], stop_before="q6"), questions(8), out, 2)
    again = Down([])
    run(again, questions(8), out, 2)
    assert again.asked == ["q0", "q6", "q7"]


def test_stopped_while_asking_again_it_goes_on_there(tmp_path: Path) -> None:
    out = tmp_path / "p.jsonl"
    run(Down([f"q{i}" for i in range(6)]), questions(8), out, 2)
    with pytest.raises(KeyboardInterrupt):
        run(Down([], stop_before="q4"), questions(8), out, 2)
    assert [one.choice for one in load_predictions(out)] == [None] * 6 + [1] * 2
    again = Down([])
    run(again, questions(8), out, 2)
    run(Scripted(), questions(8), tmp_path / "whole.jsonl", 2)
    assert again.asked == ["q4", "q5"] and out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert not out.with_name("p.jsonl.parts").exists()


def test_several_processes_ask_again_what_each_had_no_answer_to(tmp_path: Path) -> None:
    out, every = tmp_path / "p.jsonl", questions(8)
    for down in (["q1", "q2", "q5"], []):
        models = [Down(down), Down(down)]
        threads = [
            threading.Thread(target=run, args=(models[i], every, out, 2), kwargs={"process": (i, 2)}) for i in (0, 1)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        assert load_result(result_path(out)).open == tuple(down)
    assert sorted(models[0].asked + models[1].asked) == ["q1", "q2", "q5"]
    assert not out.with_name("p.jsonl.parts").exists()
