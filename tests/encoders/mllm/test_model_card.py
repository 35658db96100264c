"""Tuned language models pushed with their card, and back from a Hub; what others could not load stays here."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard
from peft import PeftModel

from encoders.llm.loading import load_llm
from encoders.mllm.merge_lora import merge_lora
from encoders.mllm.model import GymMLLM
from encoders.mllm.model_card import CardResult, MLLMFacts, mllm_card, write_mllm
from eval.metrics.circular import rotations
from eval.run.results import FileInfo, ModelInfo, Result, file_info, result_path, save_result
from eval.run.run_state import RunInfo
from eval.run.runner import run
from gymqa.cli import main as cli
from gymqa.errors import GymQAError
from gymqa.io.files import read_json, write_json
from gymqa.questions.distractors import build_questions
from gymqa.questions.files import save_questions, to_line
from gymqa.questions.schema import Answer, Prediction
from tests.helpers import mllm_examples
from tests.helpers.asked import Scripted
from tests.helpers.loopback_hub import COMMIT, HubSite, serve_hub
from tests.helpers.mllm_examples import save_tiny_llama
from tests.helpers.naming import does_name, naming
from tests.helpers.site_example import WORDS
from tests.helpers.warm import run_apart

FIGURES = (
    CardResult("gym-qa", "none", "texts", 0.5, 0.25, 0.75, 40),
    CardResult("gym-qa", "shuffled", "texts", 0.3, 0.1, 0.5, 40),
)
FACTS = MLLMFacts("apache-2.0", "GymSim, 10 % labelled", "me/gymsim", results=FIGURES)
TUNED = ["adapter_config.json", "adapter_model.safetensors", "config.json", "projector.safetensors"]


@pytest.fixture(scope="module")
def model() -> GymMLLM:
    return mllm_examples.model()


@pytest.fixture(scope="module")
def tuned(model: GymMLLM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tuned"
    model.save_pretrained(folder)
    return folder


def _card(folder: Path) -> Any:
    return ModelCard.load(folder / "README.md")


def _named(folder: Path, llm: str, **changes: Any) -> Path:
    """Let a saved model's config.json name another language model."""
    write_json(folder / "config.json", read_json(folder / "config.json") | {"llm": llm, **changes})
    return folder


def _copy(tuned: Path, to: Path) -> Path:
    to.mkdir()
    for file in tuned.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    return to


def test_the_card_says_to_the_hub_what_the_model_is(tuned: Path, tmp_path: Path) -> None:
    source = _named(_copy(tuned, tmp_path / "vicuna"), "lmsys/vicuna-7b-v1.5", llm_revision="abc")
    write_mllm(source, tmp_path / "out", "me/gym-mllm", FACTS)
    card = _card(tmp_path / "out")
    assert card.data.base_model == "lmsys/vicuna-7b-v1.5" and card.data.library_name == "peft"
    assert card.data.pipeline_tag == "video-text-to-text" and card.data.datasets == ["me/gymsim"]
    (result,) = card.data.eval_results  # what was asked under a control is no figure of the Hub's
    assert (result.metric_type, result.metric_value) == ("accuracy", 0.5)
    assert result.dataset_name == "gym-qa on GymSim, 10 % labelled" and result.dataset_type == "me/gymsim"
    assert "| gym-qa | shuffled | texts | 30.0 % | 10.0 – 50.0 | 40 |" in card.text
    assert 'GymMLLM.from_pretrained("me/gym-mllm")' in card.text and "revision abc" in card.text
    assert read_json(tmp_path / "out/adapter_config.json")["base_model_name_or_path"] == "lmsys/vicuna-7b-v1.5"
    assert read_json(tmp_path / "out/adapter_config.json")["revision"] == "abc"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["README.md", *TUNED]


def test_a_card_without_figures_claims_none_and_keeps_to_its_yaml(model: GymMLLM, tmp_path: Path) -> None:
    facts = MLLMFacts("apache-2.0", "a: b\n---\nlicense: mit")
    (tmp_path / "README.md").write_text(mllm_card("me/x", model.config, 1, facts))
    card = _card(tmp_path)
    assert "model-index" not in card.content and "Figures" not in card.text and "None" not in card.text
    assert card.data.license == "apache-2.0" and card.data.base_model is None
    (tmp_path / "README.md").write_text(mllm_card("me/x", model.config, 1, replace(facts, results=FIGURES)))
    assert _card(tmp_path).data.license == "apache-2.0"


def test_adapters_of_a_model_on_this_machine_only_are_not_uploaded(tuned: Path, tmp_path: Path) -> None:
    llm = save_tiny_llama(tmp_path / "llm")
    source = _named(_copy(tuned, tmp_path / "local"), str(llm))
    with pytest.raises(GymQAError, match=naming(llm, "--base_model")):
        write_mllm(source, tmp_path / "out", "me/x", FACTS)
    write_mllm(source, tmp_path / "out", "me/x", replace(FACTS, base_model="me/llama"))
    written = "".join((tmp_path / "out" / name).read_text() for name in ("README.md", *TUNED[::2]))
    assert read_json(tmp_path / "out/config.json")["llm"] == "me/llama" and str(tmp_path) not in written


def test_peft_alone_reads_the_adapters(model: GymMLLM, tuned: Path) -> None:
    adapted = PeftModel.from_pretrained(load_llm()[0], tuned).eval()
    ids = torch.arange(3, 30)[None]
    with torch.no_grad():
        torch.testing.assert_close(adapted(ids).logits, model.llm(input_ids=ids).logits)


def _evaluated(folder: Path, made: ModelInfo, name: str = "p") -> list[str]:
    """A result of 24 questions, every other one right; the words that name it."""
    questions = list(build_questions(mllm_examples.clips(), mllm_examples.taxonomy(), "gym-qa", 0))
    answers = [one.answer if number % 2 else (one.answer + 1) % 4 for number, one in enumerate(questions)]
    folder.mkdir(exist_ok=True)
    save_questions(folder / "questions.jsonl", questions)
    predictions = folder / f"{name}.jsonl"
    pairs = zip(questions, answers, strict=True)
    given = (Prediction.of(one, Answer(one.id, choice, None)) for one, choice in pairs)
    predictions.write_text("".join(to_line(one) + "\n" for one in given))
    asked = FileInfo(name="questions.jsonl", sha256=file_info(folder / "questions.jsonl").sha256)
    result = Result(
        model=made, benchmark="gym-qa", scoring="texts", questions=asked, predictions=file_info(predictions)
    )
    save_result(result_path(predictions), result)
    return ["--results", str(result_path(predictions)), "--questions", str(folder / "questions.jsonl")]


def test_figures_come_from_this_models_results_and_from_no_other_ones(
    model: GymMLLM, tuned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["hub", "push-mllm", str(tuned), *WORDS, "--out", str(tmp_path / "out")]
    this = ModelInfo(name="mllm", adapter="gymqa", fingerprint=model.fingerprint())
    assert cli.main([*words, *_evaluated(tmp_path / "own", this)]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/out: nothing uploaded\n"
    assert "| gym-qa | none | texts | 50.0 % |" in _card(tmp_path / "out").text
    refused: tuple[tuple[dict[str, Any], str], ...] = (
        ({"fingerprint": {"tuned": "0" * 64}}, str(tuned)),
        ({"fingerprint": {}}, str(tuned)),
        ({"adapter": "chance", "fingerprint": {}}, "chance"),
        ({"adapter": "blind"}, "blind"),  # this model, that was shown nothing
        ({"adapter": ""}, "unknown"),
    )
    for number, (change, named) in enumerate(refused):
        assert cli.main([*words, *_evaluated(tmp_path / str(number), this.model_copy(update=change))]) == 2
        assert does_name(capsys.readouterr().err, tmp_path / str(number) / "p.result.json", named)
    own = _evaluated(tmp_path / "own", this)
    (tmp_path / "own" / "p.jsonl").write_text("")
    assert cli.main([*words, *own]) == 2 and does_name(capsys.readouterr().err, tmp_path / "own" / "p.jsonl")


LOAD = """
import json, sys, torch
from encoders.mllm.model import GymMLLM
for name in sys.argv[1:]:
    model = GymMLLM.from_pretrained(name)
    ids = torch.arange(3, 20)[None]
    with torch.no_grad():
        logits = model(ids, torch.ones_like(ids)).logits
    print(json.dumps([float(logits.sum()), model.config.llm_name, model.fingerprint()["tuned"]]))
"""


@pytest.mark.exhaustive
@pytest.mark.slow
def test_what_is_pushed_comes_back_from_the_hub_as_it_was(model: GymMLLM, tuned: Path, tmp_path: Path) -> None:
    (source := _copy(tuned, tmp_path / "source")).joinpath("checkpoint.pt").touch()
    ids = torch.arange(3, 20)[None]
    with torch.no_grad():
        expected = float(model(ids, torch.ones_like(ids)).logits.sum())
    with serve_hub(HubSite()) as hub:
        told = {"HF_TOKEN": "hf_secret", "HF_ENDPOINT": hub.url}
        done = run_apart(tmp_path, "-m", "gymqa.cli.main", "hub", "push-mllm", str(source), *WORDS, **told)
        assert (done.returncode, done.stdout) == (0, f"me/gym-mllm: {hub.url}/me/gym-mllm/commit/1\n"), done.stderr
        assert sorted(hub.files) == ["README.md", *TUNED]
        hub.files["pytorch_model.bin"] = b"never asked for"
        hub.requests.clear()
        loaded = run_apart(tmp_path, "-c", LOAD, "me/gym-mllm", **told)
        assert not any("pytorch_model" in path for path in hub.requests)
    assert loaded.returncode == 0, loaded.stderr
    found, llm, digest = json.loads(loaded.stdout)
    assert found == pytest.approx(expected, abs=1e-2) and llm == "tiny-vicuna"
    assert digest == model.fingerprint()["tuned"]
    assert "secret" not in done.stdout + done.stderr + loaded.stderr


@pytest.mark.slow
def test_a_merged_model_is_pushed_whole(tuned: Path, tmp_path: Path) -> None:
    merged = merge_lora(tuned, tmp_path / "merged")
    write_mllm(merged, tmp_path / "out", "me/merged", FACTS)
    assert _card(tmp_path / "out").data.library_name == "gymqa"
    files = {str(path.relative_to(tmp_path / "out")): path.read_bytes()
             for path in (tmp_path / "out").rglob("*") if path.is_file()}  # fmt: skip
    again = _card(tmp_path / "out").text
    assert "the adapters merged into it" in again and str(tmp_path) not in again + files["config.json"].decode()
    with serve_hub(HubSite(files=files)) as hub:
        loaded = run_apart(tmp_path, "-c", LOAD, "me/merged", str(merged), HF_ENDPOINT=hub.url)
    assert loaded.returncode == 0, loaded.stderr
    from_hub, from_folder = (json.loads(line) for line in loaded.stdout.splitlines())
    assert from_hub[0] == from_folder[0] and from_hub[1].endswith(f"{COMMIT}/llm")


def test_a_result_with_rotations_counts_by_its_plain_questions(model: GymMLLM, tuned: Path, tmp_path: Path) -> None:
    asked = list(build_questions(mllm_examples.clips(), mllm_examples.taxonomy(), "gym-qa", 0))
    save_questions(tmp_path / "q.jsonl", asked)

    class Ours(Scripted):
        def answer(self, questions):  # type: ignore[no-untyped-def]
            return [type(one)(one.question_id, one.choice) for one in super().answer(questions)]

        def fingerprint(self) -> dict[str, object]:
            return dict(model.fingerprint())

    out, every = tmp_path / "r" / "gym-qa.rotated.jsonl", [turned for one in asked for turned in rotations(one)]
    run(Ours(), every, out, info=RunInfo(adapter="gymqa", rotations=4, questions=file_info(tmp_path / "q.jsonl")))
    words = ["hub", "push-mllm", str(tuned), *WORDS, "--out", str(tmp_path / "card")]
    assert cli.main([*words, "--results", str(tmp_path / "r"), "--questions", str(tmp_path / "q.jsonl")]) == 0
    share = 100 * sum(one.answer == 1 for one in asked) / len(asked)
    assert f"| {share:.1f} % |" in (tmp_path / "card" / "README.md").read_text()
