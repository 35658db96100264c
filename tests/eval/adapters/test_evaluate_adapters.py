"""`gymqa evaluate` asks every kind of model by its adapter's name, and the result says which."""

import json
from pathlib import Path

import pytest

from eval.run.results import Result, load_result
from gymqa.cli.main import main
from gymqa.questions.files import load_predictions, save_questions
from tests.helpers.evaluation_world import LOST, EvaluationWorld
from tests.helpers.loopback_openai import Endpoint, completion, letter_of, serve_endpoint
from tests.helpers.mllm_examples import clips
from tests.helpers.naming import does_name
from tests.helpers.questions import question

pytestmark = pytest.mark.slow

N = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Questions about the world's clips that decode."""
    made = tmp_path_factory.mktemp("evaluate")
    ids = [clip.id for clip in clips() if clip.id != LOST]
    asked = [question(f"q{i}", (0, 1, 2, 3), i % 4, ids[i]) for i in range(N)]
    save_questions(made / "asked" / "gym-qa.jsonl", asked)
    return made


def evaluate(folder: Path, out: Path, *words: str) -> Result:
    assert main(["evaluate", "--questions", str(folder / "asked"), "--out", str(out), *words]) == 0
    return load_result(out / ("gym-qa.no-video.result.json" if "blind" in words else "gym-qa.result.json"))


def test_a_vlm_is_asked_with_frames_and_under_controls(
    folder: Path, tmp_path: Path, asked_world: EvaluationWorld
) -> None:
    vlm = str(asked_world.vlm)
    words = ["--adapter", "hf-vlm", "--model", vlm, "--frames", str(asked_world.frames)]
    result = evaluate(folder, tmp_path, *words, "--controls", "none", "no-video", "--options.n_frames", "4")
    assert (result.model.adapter, result.scoring, result.n_frames) == ("hf-vlm", "letters", 4)
    assert result.model.fingerprint["architecture"] == "llava" and (result.parameters or 0) > 10_000
    seen, unseen = (load_predictions(tmp_path / f"gym-qa{name}.jsonl") for name in ("", ".no-video"))
    assert [one.detail.frames if one.detail else None for one in (seen[0], unseen[0])] == [(1, 4, 7, 10), ()]
    assert all(one.probabilities != other.probabilities for one, other in zip(seen, unseen, strict=True))
    blind = evaluate(folder, tmp_path / "blind", "--adapter", "blind", "--model", vlm)
    assert (blind.model.adapter, blind.n_frames, blind.control) == ("blind", None, "no-video")
    assert [one.probabilities for one in load_predictions(tmp_path / "blind" / "gym-qa.no-video.jsonl")] == [
        one.probabilities for one in unseen
    ]


def test_an_endpoint_is_paid_once_and_its_key_is_in_no_file(
    folder: Path, tmp_path: Path, asked_world: EvaluationWorld,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("MY_KEY", "sk-not-a-real-key")
    answer = lambda body: completion(letter_of(body, "move 2"), [(letter_of(body, "move 2"), -0.01)])  # noqa: E731
    with serve_endpoint(Endpoint(answer, echo=True)) as endpoint:
        words = ["--adapter", "openai", "--model", "vendor/model-1", "--frames", str(asked_world.frames)]
        words += ["--options.api.base_url", endpoint.url, "--options.api.key_variable", "MY_KEY"]
        words += ["--options.replies", str(tmp_path / "replies")]
        result = evaluate(folder, tmp_path / "one", *words, "--options.api.input_price", "2")
        said = capsys.readouterr()
        again = evaluate(folder, tmp_path / "two", *words, "--name", "another name")
        said_again = capsys.readouterr()
    assert len(endpoint.bodies) == N and set(endpoint.keys) == {"Bearer sk-not-a-real-key"}
    assert (result.model.name, result.model.adapter, again.model.name) == ("model-1", "openai", "another name")
    assert "3 of 12 right, 0 unanswered" in said.out and "prompt tokens 12,000" in said.out and "cost 0.024" in said.out
    assert "replies 0, prompt tokens 0, completion tokens 0; paid before by other runs: replies 12" in said_again.out
    (prediction, *_) = load_predictions(tmp_path / "one" / "gym-qa.jsonl")
    assert prediction.choice == 2 and prediction.detail is not None and prediction.detail.revision == "m-2026 fp_1"
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) >= 5 and not any(b"sk-not-a-real-key" in content for content in written)
    assert "sk-not-a-real-key" not in "".join((*said, *said_again))


def test_answers_without_a_model_need_what_they_know(
    folder: Path, tmp_path: Path, gymsim_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "script.json").write_text(json.dumps({f"q{i}": "ABCD"[i % 4] for i in range(N)}))
    (tmp_path / "people.csv").write_text("question_id,letter\n" + "".join(f"q{i},A\n" for i in range(N)))
    words = {
        "scripted": ["--model", str(tmp_path / "script.json")],
        "human": ["--model", str(tmp_path / "people.csv")],
        "prior": ["--options.training", str(folder / "asked")],
        "chance": [],
        "oracle-event": ["--options.finegym", str(gymsim_root)],
        "oracle-set": ["--options.finegym", str(gymsim_root)],
    }
    right = {}
    for adapter, given in words.items():
        result = evaluate(folder, tmp_path / adapter, "--adapter", adapter, *given)
        assert result.model.adapter == adapter
        predictions = load_predictions(tmp_path / adapter / "gym-qa.jsonl")
        right[adapter] = sum(one.choice == one.answer for one in predictions)
    assert (right["scripted"], right["human"]) == (N, N // 4)
    capsys.readouterr()
    for adapter in ("scripted", "human"):
        for form in (["--rotations", "all"], ["--binaries"]):
            given = ["--questions", str(folder / "asked"), "--out", str(tmp_path / "none"), "--adapter", adapter]
            assert main(["evaluate", *given, *words[adapter], *form]) == 2
            assert does_name(capsys.readouterr().err, "--rotations", "--binaries")
    evaluate_in_twos = ["--questions", str(folder / "asked"), "--out", str(tmp_path / "a"), "--adapter", "scripted"]
    assert main(["evaluate", *evaluate_in_twos, "--model", "A", "--binaries"]) == 0  # one letter answers everything
    capsys.readouterr()
    for adapter in ("scripted", "human", "prior", "oracle-set", "openai", "hf-vlm"):
        given = ["--questions", str(folder / "asked"), "--out", str(tmp_path / "none"), "--adapter", adapter]
        assert main(["evaluate", *given]) == 2
        assert "--" in capsys.readouterr().err
