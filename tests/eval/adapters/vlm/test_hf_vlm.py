"""Models of transformers see the frames, answer by likelihood or in words, and the same whatever is in the batch."""

import math
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from eval.adapters.clip_frames import ClipFrames
from eval.adapters.vlm.hf_vlm import HfVlm
from eval.adapters.vlm.loading import LoadedVlm, load_vlm
from eval.run.prompts import template_of
from eval.run.results import FileInfo, ModelInfo, Result
from gymqa.errors import GymQAError
from gymqa.finegym.splits import Splits
from gymqa.frames.cache import FrameCache
from gymqa.frames.controls import ControlledFrames
from gymqa.io.files import read_json, write_json
from gymqa.questions.schema import Question
from tests.helpers.image_vlms import IMAGE_FAMILIES
from tests.helpers.loopback_hub import COMMIT, HubSite, serve_hub
from tests.helpers.naming import does_name, naming
from tests.helpers.places import ROOT
from tests.helpers.questions import question
from tests.helpers.tiny_vlms import FAMILIES, save_tiny
from tests.helpers.video_vlms import VIDEO_FAMILIES
from tests.helpers.warm import run_apart

N = 4
FURTHER = sorted({*VIDEO_FAMILIES, *IMAGE_FAMILIES} - {"paligemma", "qwen3_5"})
"""Families besides; but paligemma has no chat template, and the tiny tokenizer no letters where qwen3_5 splits text."""
ALL = {**FAMILIES, **VIDEO_FAMILIES, **IMAGE_FAMILIES}


@pytest.fixture(scope="module")
def cache(world: tuple[FrameCache, Splits]) -> FrameCache:
    return world[0]


@pytest.fixture(scope="module")
def llava_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny("llava", tmp_path_factory.mktemp("llava"))


@pytest.fixture(scope="module")
def llava(llava_folder: Path) -> LoadedVlm:
    return load_vlm(str(llava_folder))


def asked(cache: FrameCache, n: int = 5) -> list[Question]:
    """Questions of different lengths and numbers of choices."""
    shown = cache.clip_ids
    return [
        replace(question(f"q{i}", (0, 1, 2, 3)[: 2 + i % 3], 0, shown[i]), text="Which?" + " And why so?" * (i % 3))
        for i in range(n)
    ]


def apart(one: Sequence[tuple[float, ...] | None], other: Sequence[tuple[float, ...] | None]) -> float:
    """The largest difference between two models' log-probabilities."""
    pairs = zip(one, other, strict=True)
    return max(abs(a - b) for x, y in pairs for a, b in zip(x or (), y or (), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("family", [*FAMILIES, *FURTHER])
def test_every_family_sees_the_frames_and_answers_the_same_in_any_batch(
    family: str, cache: FrameCache, tmp_path: Path
) -> None:
    loaded, questions = load_vlm(str(save_tiny(family, tmp_path, families=ALL))), asked(cache)
    together, alone = (HfVlm("m", loaded, ClipFrames(cache, N), batch_size=size) for size in (8, 1))
    scores = together.choice_logprobs(questions)
    assert apart(scores, alone.choice_logprobs(questions)) < 1e-5
    assert [len(row or ()) for row in scores] == [2, 3, 4, 2, 3]
    assert all(value < 0 for row in scores for value in row or ())
    turned = HfVlm("m", loaded, ClipFrames(ControlledFrames(cache, "reversed"), N))
    assert apart(scores, turned.choice_logprobs(questions)) > 1e-5
    blind = HfVlm("m", loaded, None)
    assert apart(scores, blind.choice_logprobs(questions)) > 1e-5
    texts = HfVlm("m", loaded, ClipFrames(cache, N), "texts", 8)
    assert [answer.choice is not None for answer in texts.answer(questions)] == [True] * 5
    replies = [HfVlm("m", loaded, ClipFrames(cache, N), "generate", size).answer(questions) for size in (8, 1)]
    assert replies[0] == replies[1] and len(replies[0]) == 5


def test_the_letters_score_is_the_models_own_log_probability_of_the_next_token(
    cache: FrameCache, llava: LoadedVlm
) -> None:
    one = asked(cache)[2]
    (found,) = HfVlm("m", llava, ClipFrames(cache, N)).choice_logprobs([one])
    listed = "A.move 0 B.move 1 C.move 2 D.move 3"
    text = (
        "USER: "
        + "".join(f"{second:.2f} s <image>\n" for second in ClipFrames(cache, N).seconds(one.clip_id) or ())
        + f"{one.text} {listed}\nAnswer with the letter of the right choice only."
    )
    pictures = [Image.fromarray(frame) for frame in cache.gather([one.clip_id], np.array([[2, 6, 10, 14]]))[0]]
    inputs = llava.processor(text=f"{text} ASSISTANT:", images=pictures, return_tensors="pt")
    with torch.inference_mode():
        logprobs = llava.model(**inputs).logits[0, -1].log_softmax(-1)
    words = llava.processor.tokenizer
    expected = [
        float(logprobs[[words.convert_tokens_to_ids(f"▁{letter}"), words.convert_tokens_to_ids(letter)]].logsumexp(0))
        for letter in "ABCD"
    ]
    assert found == pytest.approx(expected, abs=1e-5)


def test_the_texts_score_is_the_mean_log_probability_of_the_choices_tokens(cache: FrameCache, llava: LoadedVlm) -> None:
    one = replace(asked(cache)[0], choices=("salto backward tucked with 1 turn", "split jump"))
    (found,) = HfVlm("m", llava, None, "texts").choice_logprobs([one])
    prompt = f"USER: {one.text} ASSISTANT:"
    words = llava.processor.tokenizer
    start = len(words(prompt).input_ids)
    for choice, score in zip(one.choices, found or (), strict=True):
        ids = words(f"{prompt} {choice}", return_tensors="pt").input_ids
        with torch.inference_mode():
            logprobs = llava.model(input_ids=ids).logits[0, :-1].log_softmax(-1)
        each = logprobs.gather(-1, ids[0, 1:, None])[start - 1 :, 0]
        assert score == pytest.approx(float(each.mean()), abs=1e-5)


def test_a_reply_is_parsed_and_kept_and_what_says_nothing_is_unanswered(cache: FrameCache, llava: LoadedVlm) -> None:
    (answer,) = HfVlm("m", llava, ClipFrames(cache, N), "generate", max_new_tokens=5).answer(asked(cache, 1))
    assert answer.choice is None and does_name(answer.error or "", "reply")  # a random model babbles
    assert answer.detail is not None and answer.detail.reply and answer.detail.frames == (2, 6, 10, 14)


@pytest.mark.parametrize("scoring", ["generate", "letters", "texts"])
def test_the_prompt_can_be_shown_from_what_the_result_keeps(cache: FrameCache, llava: LoadedVlm, scoring: str) -> None:
    model = HfVlm("m", llava, ClipFrames(cache, N), scoring, max_new_tokens=1)
    info = ModelInfo(name="m", fingerprint=dict(model.fingerprint()))
    file = FileInfo(name="a", sha256="0" * 64)
    result = Result(model=info, benchmark="gym-qa", questions=file, predictions=file)
    for one, answer in zip(asked(cache, 3), model.answer(asked(cache, 3)), strict=True):
        assert answer.detail is not None and answer.detail.prompt_sha256
        template = template_of(result, one, answer.detail)
        assert template is not None and template.startswith("USER: <image>") and template.endswith("ASSISTANT:")


def test_a_clip_without_frames_is_unanswered_and_others_are_not_disturbed(cache: FrameCache, llava: LoadedVlm) -> None:
    model, questions = HfVlm("m", llava, ClipFrames(cache, N)), asked(cache, 3)
    mixed = [questions[0], question("lost", (0, 1), 0, "no such clip"), *questions[1:]]
    answers = model.answer(mixed)
    assert [answer.question_id for answer in answers] == ["q0", "lost", "q1", "q2"]
    assert answers[1].choice is None and does_name(answers[1].error or "", "no such clip")
    whole = model.answer(questions)
    for one, other in zip([answers[0], *answers[2:]], whole, strict=True):
        assert one.choice == other.choice
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)
        assert math.fsum(one.probabilities or ()) == pytest.approx(1)


def test_another_model_scoring_or_number_of_frames_has_another_fingerprint(
    cache: FrameCache, llava: LoadedVlm, tmp_path: Path
) -> None:
    other = load_vlm(str(save_tiny("llava", tmp_path, seed=1)))
    made = [
        HfVlm("m", llava, ClipFrames(cache, N)),
        HfVlm("m", other, ClipFrames(cache, N)),
        HfVlm("m", llava, ClipFrames(cache, N), "texts"),
        HfVlm("m", llava, ClipFrames(cache, 2)),
        HfVlm("m", llava, None),
        HfVlm("m", llava, ClipFrames(ControlledFrames(cache, "shuffled"), N)),
    ]
    assert len({repr(model.fingerprint()) for model in made}) == len(made)
    assert HfVlm("m", llava, None, batch_size=3).fingerprint() == made[4].fingerprint()


@pytest.mark.slow
def test_a_model_of_the_hub_is_taken_at_its_commit_and_never_as_a_pickle(llava_folder: Path, tmp_path: Path) -> None:
    files = {path.name: path.read_bytes() for path in llava_folder.iterdir()}
    code = "from eval.adapters.vlm.loading import find_model; print(find_model('someone/tiny-llava@v1.0'))"
    with serve_hub(HubSite(files={**files, "pytorch_model.bin": b"a pickle", "theirs.py": b""})) as hub:
        found = run_apart(tmp_path, "-c", code, HF_ENDPOINT=hub.url).stdout
    assert f"'commit': '{COMMIT}'" in found and "'repo': 'someone/tiny-llava'" in found
    fetched = {path.rsplit("/", 1)[1] for path in hub.requests if "/resolve/" in path}
    assert fetched == files.keys()


@pytest.mark.parametrize("missing", ["model.safetensors", "config.json", "chat_template.jinja"])
def test_a_folder_that_lacks_something_is_refused_with_a_sentence(
    missing: str, llava_folder: Path, tmp_path: Path
) -> None:
    for path in llava_folder.iterdir():
        if path.name != missing:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    if missing == "model.safetensors":
        (tmp_path / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(GymQAError, match={"model.safetensors": "safetensors"}.get(missing, missing)):
        HfVlm("m", load_vlm(str(tmp_path)), None)


def test_what_is_no_model_or_no_setting_is_refused(llava: LoadedVlm) -> None:
    with pytest.raises(GymQAError, match=naming("no/such/folder")):
        load_vlm("no/such/folder")
    with pytest.raises(GymQAError, match=naming("'int7'", "auto", "float32")):
        load_vlm("someone/model", dtype="int7")
    with pytest.raises(GymQAError, match=naming("'guess'", "letters", "texts", "generate")):
        HfVlm("m", llava, None, "guess")


def test_a_text_model_is_no_image_text_to_text_model() -> None:
    with pytest.raises(GymQAError, match="tiny_vicuna"):
        load_vlm(str(ROOT / "encoders" / "tiny_vicuna"))


def test_weights_that_are_not_there_are_missed_not_drawn_at_random(llava_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(llava_folder, tmp_path, dirs_exist_ok=True)
    weights = load_file(tmp_path / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if "lm_head" not in name}
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(GymQAError, match=naming(tmp_path, "lm_head.weight")):
        load_vlm(str(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("trusted", [False, True])
def test_code_that_comes_with_a_model_is_run_only_when_asked_for(
    trusted: bool, llava_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(llava_folder, tmp_path, dirs_exist_ok=True)
    ran = tmp_path / "ran"
    config = {
        **read_json(tmp_path / "config.json"),
        "model_type": "theirs",
        "auto_map": {"AutoConfig": "theirs.Config"},
    }
    write_json(tmp_path / "config.json", config)
    own_class = "from transformers import LlavaConfig\nclass Config(LlavaConfig):\n    model_type = 'theirs'\n"
    (tmp_path / "theirs.py").write_text(
        f"open({str(ran)!r}, 'w')\n{own_class}"
    )  # transformers marks the class as theirs
    with suppress(GymQAError):
        load_vlm(str(tmp_path), trust_remote_code=trusted)
    assert ran.exists() == trusted
    assert does_name(capfd.readouterr().err, "--trust_remote_code") == trusted
