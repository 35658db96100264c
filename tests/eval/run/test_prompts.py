"""A prompt is shown as it was only where its hash proves it, whichever adapter asked."""

import hashlib
from dataclasses import replace

import pytest

from eval.adapters.prompting import INSTRUCTION, lettered
from eval.run.prompts import CHOICES, TEXT, filled, template_of
from eval.run.results import FileInfo, ModelInfo, Result
from gymqa.questions.schema import Detail
from tests.helpers.questions import question

ASKED = replace(question("q", (0, 1, 2), 1), text="Which of \\1 and $&?")
CHAT = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
FILE = FileInfo(name="a", sha256="0" * 64)


def result(**fingerprint: object) -> Result:
    model = ModelInfo(name="m", fingerprint=fingerprint)
    return Result(model=model, benchmark="gym-qa", questions=FILE, predictions=FILE)


def hashed(prompt: str) -> Detail:
    return Detail(hashlib.sha256(prompt.encode()).hexdigest())


@pytest.mark.parametrize(
    ("prompt", "fingerprint", "template"),
    [
        (lettered(ASKED), {}, CHOICES + INSTRUCTION),
        (ASKED.text, {}, TEXT),
        (CHAT.format(lettered(ASKED)), {"prompt": CHAT.format("?" + INSTRUCTION)}, CHAT.format(CHOICES + INSTRUCTION)),
        (CHAT.format(ASKED.text), {"prompt": CHAT.format("?" + INSTRUCTION)}, CHAT.format(TEXT)),
    ],
)
def test_the_template_gives_the_very_prompt(prompt: str, fingerprint: dict[str, object], template: str) -> None:
    assert template_of(result(**fingerprint), ASKED, hashed(prompt)) == template
    assert filled(template, ASKED) == prompt


def test_the_results_own_template_is_tried_first() -> None:
    own = "SYSTEM USER: <video>\n" + TEXT + " ASSISTANT:"
    told = result().model_copy(update={"prompt": own})
    assert template_of(told, ASKED, hashed(filled(own, ASKED))) == own
    assert template_of(result(), ASKED, hashed(filled(own, ASKED))) is None


def test_a_prompt_with_another_hash_is_not_shown() -> None:
    for found in (result(), result(prompt=3), result(prompt="?")):
        assert template_of(found, ASKED, hashed("another")) is None
        assert template_of(found, ASKED, Detail()) is None
