"""`gymqa extract` and `gymqa list encoders`: kinds, sources and options on the command line, and several processes."""

import json
import resource
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import CLIPVisionConfig

from encoders.features.extract import view_key
from encoders.features.store import FeatureStore
from encoders.video import clip, hf_video, languagebind
from encoders.video.factory import create_encoder
from encoders.video.hf_encoder import FRAMES, count_tokens
from encoders.video.image import ImageEncoder
from encoders.video.registry import ENCODERS, EncoderOptions, describe, options_of
from encoders.video.vision import Family
from gymqa.cli import main as cli
from gymqa.cli.commands.models.extract import _join
from gymqa.errors import GymQAError
from gymqa.runtime.precision import recorded_precision
from recognizers.backbones.sefar import sefar_b
from tests.helpers import vision_models, warm
from tests.helpers.feature_world import clip_id, image_encoder, noise_cache
from tests.helpers.loopback_hub import COMMIT, HubSite, serve_hub
from tests.helpers.naming import does_name, naming
from tests.helpers.other_cpu import other_cpu
from tests.helpers.places import ROOT

SCRIPT = str(ROOT / "scripts" / "extract_features.py")


def lists(folder: Path, clips: int) -> str:
    """A list of the first clips of `noise_cache`."""
    (folder / "list.txt").write_text("".join(f"{clip_id(clip)} 0\n" for clip in range(clips)))
    return str(folder / "list.txt")


@pytest.mark.slow
def test_two_processes_write_the_bytes_of_one(tmp_path: Path) -> None:
    noise_cache(tmp_path / "cache", 150, size=32)
    vision_models.clip(tmp_path / "clip")
    words = [f"clip:{tmp_path}/clip", str(tmp_path / "cache"), "--clips", lists(tmp_path, 150), "--grid", "1"]
    for start, name in ((warm.run, "one"), (warm.launch, "two")):
        ran = start([SCRIPT, *words, "--out", str(tmp_path / name)])
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout == f"{tmp_path / name}: 150 views of clips, 16 × 16, seen by clip\n"
        if name == "two":
            assert "process 1 of 2" in ran.stderr and "process 2 of 2" in ran.stderr
    one, other = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert len([name for name in one if name.startswith("shard")]) == 3
    assert one == other


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_refusal_ends_all_processes(tmp_path: Path) -> None:
    noise_cache(tmp_path / "cache", 3)
    vision_models.clip(tmp_path / "clip")
    FeatureStore.create_or_open(tmp_path / "out", {"encoder": "other"}, 2, 4)
    words = [f"clip:{tmp_path}/clip", str(tmp_path / "cache"), "--clips", lists(tmp_path, 3)]
    ran = warm.launch([SCRIPT, *words, "--out", str(tmp_path / "out")])
    assert ran.returncode != 0
    assert does_name(ran.stderr, f"gymqa: {tmp_path}/out", "encoder")
    assert "unexpected" not in ran.stderr


def test_accelerate_without_the_script_is_refused_where_it_starts_too_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")  # what accelerate launch --num_processes 2 --cpu leaves behind
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    with pytest.raises(GymQAError, match=naming("scripts/extract_features.py", "--num_processes")):
        _join("cpu", ExitStack())


def test_kind_source_and_options_are_taken_and_the_enlarging_is_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    noise_cache(tmp_path / "cache", 4)
    vision_models.timesformer(tmp_path / "model")
    words = [f"timesformer:{tmp_path}/model", str(tmp_path / "cache"), "--clips", lists(tmp_path, 4), "--views", "2"]
    words += ["--layer", "-2", "--tokens", "cls", "--dtype", "bf16", "--out", str(tmp_path / "out")]
    assert cli.main(["extract", *words]) == 0
    said = capfd.readouterr()
    assert said.out == f"{tmp_path}/out: 8 views of clips, 1 × 16, seen by timesformer\n"
    assert does_name(said.err, "enlarged", 16, 32, "timesformer")
    store = FeatureStore(tmp_path / "out")
    assert store.fingerprint["layer"] == -2 and store.fingerprint["dtype"] == store.dtype == "bf16"
    assert store.get([view_key(clip_id(3), 1)]).shape == (1, 1, 16)
    assert cli.main(["extract", *words[:-4], "--out", str(tmp_path / "out")]) == 2
    assert does_name(capfd.readouterr().err, "dtype", "bf16", "float32")


def test_a_store_keeps_the_precision_in_which_it_was_begun(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    noise_cache(tmp_path / "cache", 4)
    vision_models.clip(tmp_path / "clip")

    def extracted(out: str, clips: int, *options: str) -> FeatureStore:
        words = [f"clip:{tmp_path}/clip", str(tmp_path / "cache"), "--clips", lists(tmp_path, clips), *options]
        assert cli.main(["extract", *words, "--out", str(tmp_path / out)]) == 0
        return FeatureStore(tmp_path / out)

    quick, exact = (extracted(name, 4, "--precision", name) for name in ("bf16", "float32"))
    keys = exact.keys()
    assert not torch.equal(quick.get(keys), exact.get(keys))
    for bf16, there in ((True, quick), (False, exact)):
        name = f"auto-{there.precision}"
        with other_cpu(bf16):
            extracted(name, 2)
        assert does_name(capfd.readouterr().err, f"precision: {there.precision}")
        with other_cpu(not bf16):
            store = extracted(name, 4)
        assert does_name(capfd.readouterr().err, f"precision: {there.precision}", "began")
        assert torch.equal(store.get(keys), there.get(keys)) and store.precision == there.precision
        assert recorded_precision(tmp_path / name) == there.precision
        assert store.fingerprint == exact.fingerprint, "another machine chooses another precision for the same model"
        assert torch.equal(extracted(name, 4, "--precision", there.precision).get(keys), there.get(keys))
        other = ({"bf16", "float32"} - {there.precision}).pop()
        words = [f"clip:{tmp_path}/clip", str(tmp_path / "cache"), "--clips", lists(tmp_path, 4), "--precision", other]
        assert cli.main(["extract", *words, "--out", str(tmp_path / name)]) == 2
        assert does_name(capfd.readouterr().err, "precision", "bf16", "float32", tmp_path / name)


def test_a_store_of_a_version_without_choosing_goes_on_as_it_was(tmp_path: Path) -> None:
    noise_cache(tmp_path / "cache", 2)
    vision_models.clip(tmp_path / "clip")
    words = ["extract", f"clip:{tmp_path}/clip", str(tmp_path / "cache"), "--clips", lists(tmp_path, 2)]
    for name in ("bf16", "float32"):
        out = tmp_path / name
        assert cli.main([*words, "--precision", name, "--out", str(out)]) == 0
        index = json.loads((out / "index.json").read_text())
        del index["precision"]
        (out / "index.json").write_text(json.dumps(index))
        for bf16 in (True, False):
            with other_cpu(bf16):
                assert cli.main([*words, "--out", str(out)]) == 0
        store = FeatureStore(out)
        assert store.precision == name and store.fingerprint.get("precision", "float32") == name


def test_a_recognizers_folder_and_image_are_taken_as_before(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    noise_cache(tmp_path / "cache", 2)
    image_encoder(tmp_path / "vit")
    clips = lists(tmp_path, 2)
    for spec, status, said in (
        ("image", 0, ("8 × 256", "image")),
        (f"image:{tmp_path}/vit", 0, ("8 × 32", "image")),
        (str(tmp_path / "vit"), 2, (str(tmp_path / "vit"),)),
        (str(tmp_path / "none"), 2, ("none/config.json",)),
    ):
        out = str(tmp_path / "out" / spec.replace("/", "-"))
        assert cli.main(["extract", spec, str(tmp_path / "cache"), "--clips", clips, "--out", out]) == status
        found = capfd.readouterr()
        assert does_name(" ".join((found.out + found.err).split()), *said)


@pytest.mark.slow
def test_a_revision_of_the_hub_is_fetched_shard_by_shard(tmp_path: Path) -> None:
    vision_models.blip2(tmp_path / "blip2")
    files = {path.name: path.read_bytes() for path in (tmp_path / "blip2").iterdir() if path.is_file()}
    files["model-00002-of-00002.safetensors"] = b"15 GB of a language model"
    files["pytorch_model.bin"] = b"never asked for"
    code = (
        "from encoders.video.factory import create_encoder; made = create_encoder('eva_clip:me/blip2@v1');"
        "print(made.revision, made.n_tokens)"
    )
    with serve_hub(HubSite(files=files)) as hub:
        done = warm.run_apart(tmp_path, "-c", code, HF_ENDPOINT=hub.url)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{COMMIT} 40\n"
    assert any("/revision/v1" in path for path in hub.requests)
    assert not any("00002-of" in path.split("?")[0] or "pytorch_model" in path for path in hub.requests)


def sizes(family: Family, config: Any) -> dict[str, Any]:
    """Tokens, width, frames and pixels of a model of these sizes with the options left alone."""
    frames = family.n_frames(config) or FRAMES
    layout = family.layout(config, frames, config.image_size // config.patch_size)
    tokens = count_tokens(family.defaults, layout)
    return {"frames": frames, "n_tokens": tokens, "dim": config.hidden_size, "input_size": config.image_size}


def test_what_is_listed_is_true_of_the_published_models() -> None:
    vit_l = CLIPVisionConfig(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, patch_size=14)
    published = {
        "clip": sizes(clip.CLIP, vit_l),
        "eva_clip": sizes(clip.EVA_CLIP, clip.EVA_CLIP.config()),
        "languagebind": sizes(languagebind.FAMILY, vit_l),
        "videomae": sizes(hf_video.VIDEOMAE, hf_video.VIDEOMAE.config()),
        "timesformer": sizes(hf_video.TIMESFORMER, hf_video.TIMESFORMER.config()),
    }
    sefar, image = sefar_b(), ImageEncoder()
    published["sefar"] = {"frames": 8, "n_tokens": sefar.tokens, "dim": sefar.fusion_dim, "input_size": 224}
    published["image"] = {name: getattr(image, name) for name in ("n_tokens", "dim", "input_size")}
    assert set(published) == set(ENCODERS)
    for kind, expected in published.items():
        listed = describe(kind)
        assert {name: listed[name] for name in expected} == expected, kind
        assert set(listed["options"]) <= set(EncoderOptions.__dataclass_fields__)


def test_the_kinds_are_listed_without_torch_in_less_than_three_seconds() -> None:
    code = "import sys; from gymqa.cli.main import main; main(['list', 'encoders', '--json'])"
    code += "; assert 'torch' not in sys.modules"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    listed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert [one["name"] for one in json.loads(listed.stdout)] == list(ENCODERS)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 3


def test_every_encoder_says_what_the_protocol_asks_for(tmp_path: Path) -> None:
    makers = {"clip": vision_models.clip, "eva_clip": vision_models.eva, "languagebind": vision_models.video_llava}
    makers |= {"videomae": vision_models.videomae, "timesformer": vision_models.timesformer}
    for kind, make in makers.items():
        make(tmp_path / kind)
    for spec in ("image", *(f"{kind}:{tmp_path / kind}" for kind in makers)):
        made = create_encoder(spec)
        indices = made.frame_indices(20, None)
        tokens = made.encode(torch.zeros(2, len(indices), 8, 8, 3, dtype=torch.uint8))
        assert tokens.shape == (2, made.n_tokens, made.dim), spec
        assert made.name == spec.partition(":")[0] and made.input_size > 0 and made.revision
        assert len(made.normalisation.mean) == len(made.normalisation.std) == 3
        assert json.loads(json.dumps(made.fingerprint())) == made.fingerprint()


def test_an_encoder_is_built_again_from_its_features_fingerprint(tmp_path: Path) -> None:
    for kind, make, options in (
        ("clip", vision_models.clip, EncoderOptions(n_frames=3, layer=1, tokens="patches", grid=1, precision="bf16")),
        ("videomae", vision_models.videomae, EncoderOptions(layer=-3)),
    ):
        make(tmp_path / kind)
        made = create_encoder(f"{kind}:{tmp_path / kind}", options).fingerprint()
        kept = {**made, "size": 48, "max_frames": 24, "seed": 0, "dtype": "bf16"}
        again = create_encoder(f"{kind}:{tmp_path / kind}", options_of(kind, kept))
        assert again.fingerprint() == made
