"""torch.compile is a switch of how a recognizer computes, not of what."""

import copy
from pathlib import Path

import pytest
import torch

from recognizers.ema import make_teacher
from recognizers.sefar import SeFAR
from recognizers.sizes import SeFARConfig

TINY = {"image_size": 8, "patch_size": 8, "dim": 8, "depth": 1, "heads": 2, "fusion_dim": 8, "n_classes": 5}


def tiny(compile: bool) -> SeFAR:
    """A recognizer of three frames, by default compiled for this processor."""
    torch.manual_seed(0)
    return SeFAR(SeFARConfig(**TINY, elements=(2, 1), compile=compile)).eval()  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def fresh_compiler() -> None:
    """What another test compiled must not count here."""
    torch._dynamo.reset()


def test_a_compiled_model_gives_equal_outputs() -> None:
    frames = torch.randn(2, 3, 3, 8, 8)
    plain, compiled = tiny(compile=False), tiny(compile=True)
    with torch.inference_mode():
        expected = plain(frames)
        try:
            got = compiled(frames)
        except torch._inductor.exc.InductorError as error:
            pytest.skip(f"no compiler that torch.compile can use: {str(error).splitlines()[0]}")
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0


def test_weights_names_and_files_do_not_show_it(tmp_path: Path) -> None:
    plain, compiled = tiny(compile=False), tiny(compile=True)
    assert list(compiled.state_dict()) == list(plain.state_dict())
    for name, model in (("plain", plain), ("compiled", compiled)):
        model.save_pretrained(tmp_path / name)
    for file in ("config.json", "model.safetensors"):
        assert (tmp_path / "plain" / file).read_bytes() == (tmp_path / "compiled" / file).read_bytes()
    assert not SeFAR.from_pretrained(tmp_path / "compiled").config.compile


def test_gradients_and_the_teachers_copy_go_through_the_compiled_graph() -> None:
    frames = torch.randn(2, 3, 3, 8, 8)
    plain, model = tiny(compile=False), tiny(compile=False)
    model.compile(backend="aot_eager")  # everything of torch.compile but the machine code
    for one in (plain, model):
        one(frames).square().sum().backward()
    for name, parameter in plain.named_parameters():
        torch.testing.assert_close(model.get_parameter(name).grad, parameter.grad, rtol=1e-4, atol=1e-6)
    assert copy.deepcopy(plain).backbone._compiled_call_impl is None
    assert make_teacher(tiny(compile=True)).backbone._compiled_call_impl is not None
