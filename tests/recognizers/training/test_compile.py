"""torch.compile is a switch of how a recognizer computes, not of what."""

from pathlib import Path

import pytest
import torch

from recognizers.backbones.sefar import SeFAR, SeFARConfig
from recognizers.training.optimization import make_teacher


def tiny() -> SeFAR:
    """A recognizer of three frames."""
    torch.manual_seed(0)
    sizes = SeFARConfig(8, 8, dim=8, depth=1, heads=2, elements=(2, 1), fusion_dim=8, n_classes=5, drop_path=0.0)
    return SeFAR(sizes).eval()


@pytest.fixture(autouse=True)
def fresh_compiler() -> None:
    """What another test compiled must not count here."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_compiled_model_gives_equal_outputs() -> None:
    frames, model = torch.randn(2, 3, 3, 8, 8), tiny()
    with torch.inference_mode():
        expected = model(frames)
        model.compile()
        try:
            got = model(frames)
        except torch._inductor.exc.InductorError as error:
            pytest.skip(f"no compiler that torch.compile can use: {str(error).splitlines()[0]}")
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1


def test_names_and_files_do_not_show_it(tmp_path: Path) -> None:
    model = tiny()
    model.save_pretrained(tmp_path / "plain")
    model.compile()
    model.save_pretrained(tmp_path / "compiled")
    for file in ("config.json", "model.safetensors"):
        assert (tmp_path / "plain" / file).read_bytes() == (tmp_path / "compiled" / file).read_bytes()


@pytest.mark.slow
def test_a_compiled_students_teacher_has_weights_of_its_own() -> None:
    student = tiny()
    student.compile(backend="eager")  # traced as ever, but without the wait for machine code
    teacher = make_teacher(student)
    frames = torch.randn(2, 3, 3, 8, 8)
    before = student(frames)
    with torch.no_grad():
        for parameter in teacher.parameters():
            parameter.zero_()
    assert torch.equal(student(frames), before) and not teacher(frames).any()
