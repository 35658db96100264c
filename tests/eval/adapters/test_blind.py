"""The adapter blind takes our models from a folder or the Hub, and says that nothing was looked at."""

from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from eval.run.results import load_result
from gymqa.cli.main import main
from gymqa.questions.files import load_predictions, save_questions
from tests.helpers.evaluation_world import EvaluationWorld
from tests.helpers.loopback_hub import COMMIT, HubSite, serve_hub
from tests.helpers.naming import does_name
from tests.helpers.places import ROOT
from tests.helpers.questions import question
from tests.helpers.warm import run_apart


def words(model: str, out: Path, *more: str) -> list[str]:
    """Two questions to a model."""
    asked = str(out.parent / "asked" / "gym-qa.jsonl")
    save_questions(Path(asked), [question(f"q{i}", (0, 1), 0, f"c{i}") for i in range(2)])
    return ["evaluate", "--adapter", "blind", "--model", model, "--questions", asked, "--out", str(out), *more]


@pytest.mark.slow
def test_a_model_of_ours_is_known_on_the_hub_as_in_a_folder(asked_world: EvaluationWorld, tmp_path: Path) -> None:
    tuned = asked_world.mllm
    assert main(words(str(tuned), tmp_path / "folder")) == 0
    command = "import sys; from gymqa.cli.main import main; sys.exit(main(sys.argv[1:]))"
    with serve_hub(HubSite(files={path.name: path.read_bytes() for path in tuned.iterdir()})) as hub:
        more = words(f"me/tuned@{COMMIT}", tmp_path / "hub")
        ran = run_apart(tmp_path, "-c", command, *more, HF_ENDPOINT=hub.url)
    assert ran.returncode == 0, ran.stderr
    written = [(tmp_path / where / "gym-qa.no-video.jsonl").read_bytes() for where in ("folder", "hub")]
    assert written[0] == written[1]
    result = load_result(tmp_path / "hub" / "gym-qa.no-video.result.json")
    assert (result.control, result.model.adapter, result.model.revision) == ("no-video", "blind", COMMIT)


def test_another_control_is_refused(
    asked_world: EvaluationWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(str(asked_world.mllm), tmp_path / "out", "--controls", "none", "shuffled")) == 2
    assert does_name(capsys.readouterr().err, "shuffled")


@pytest.mark.slow
def test_a_language_model_without_images_is_asked_in_its_own_chat_template(tmp_path: Path) -> None:
    folder = tmp_path / "llama"
    tokens = AutoTokenizer.from_pretrained(ROOT / "encoders" / "tiny_vicuna")
    tokens.chat_template = "{% for turn in messages %}[{{ turn['role'] }}] {{ turn['content'] }} {% endfor %}[reply]"
    tokens.save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=1040, **sizes)).eval()
    model.save_pretrained(folder)
    assert main(words(str(folder), tmp_path / "out")) == 0
    answers = load_predictions(tmp_path / "out" / "gym-qa.no-video.jsonl")
    prompt = "[user] Which? A.move 0 B.move 1\nAnswer with the letter of the right choice only. [reply]"
    ids = tokens(prompt, return_tensors="pt").input_ids
    with torch.inference_mode():
        logprobs = model(ids).logits[0, -1].log_softmax(-1)
    letters = [[tokens.convert_tokens_to_ids(f"{space}{letter}") for space in ("▁", "")] for letter in "AB"]
    scores = torch.stack([logprobs[ids].logsumexp(0) for ids in letters]).softmax(0)
    assert answers[0].probabilities == pytest.approx(scores.tolist(), abs=1e-5)
