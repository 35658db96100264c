"""The feature store: rows are read when asked for, shards say whose they are, and kills and full disks lose nothing."""

import json
import shutil
from pathlib import Path

import psutil
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from encoders.features.extract import extract
from encoders.features.store import FeatureStore
from gymqa.errors import GymQAError
from recognizers.backbones.image.vit import ImageViT
from tests.helpers import warm
from tests.helpers.feature_world import VIT, image_encoder, noise_cache
from tests.helpers.full_disk import full_disk
from tests.helpers.naming import does_name, naming

MADE = {"encoder": "x", "seed": 0}


def store_of(folder: Path, rows: int = 3, dtype: str = "float32", name: str = "x") -> FeatureStore:
    store = FeatureStore.create_or_open(folder, {**MADE, "encoder": name}, 2, 4, dtype)
    store.add([f"{name}{row}" for row in range(rows)], torch.arange(rows * 8.0).view(rows, 2, 4))
    return store


@pytest.mark.slow
def test_a_row_is_read_from_the_disk_when_it_is_asked_for(tmp_path: Path) -> None:
    store = FeatureStore.create_or_open(tmp_path, MADE, 256, 1024)
    store.add([f"c{row}" for row in range(96)], torch.randn(96, 256, 1024))  # 100 MB
    read, process = FeatureStore(tmp_path), psutil.Process()
    before = process.memory_info().rss
    rows = read.get(["c90", "c3"])
    assert process.memory_info().rss - before < 20e6
    assert torch.equal(rows, load_file(next(tmp_path.glob("shard-*")))["tokens"][[90, 3]])


@pytest.mark.parametrize(("dtype", "error"), [("float32", 0.0), ("bf16", 2**-8), ("fp16", 2**-11)])
def test_tokens_are_kept_in_the_dtype_asked_for_and_read_as_float32(dtype: str, error: float, tmp_path: Path) -> None:
    store = FeatureStore.create_or_open(tmp_path, MADE, 2, 4, dtype)
    tokens = torch.randn(5, 2, 4)
    store.add(list("abcde"), tokens)
    found = FeatureStore(tmp_path).get(list("abcde"))
    assert found.dtype == torch.float32
    assert float(((found - tokens) / tokens).abs().max()) <= error
    assert (error == 0.0) == torch.equal(found, tokens)
    with pytest.raises(GymQAError, match=naming("dtype", dtype)):
        FeatureStore.create_or_open(tmp_path, MADE, 2, 4, "bf16" if dtype == "fp16" else "fp16")


def test_a_dtype_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GymQAError, match=naming("'int8'", "float32", "bf16", "fp16")):
        FeatureStore.create_or_open(tmp_path, MADE, 2, 4, "int8")


def test_every_shards_header_says_whose_it_is(tmp_path: Path) -> None:
    for name in ("x", "y"):
        store_of(tmp_path / name, name=name)
    shard = next((tmp_path / "y").glob("shard-*"))
    with safe_open(shard, framework="pt") as file:
        assert json.loads(file.metadata()["features"])["fingerprint"] == {"encoder": "y", "seed": 0}
    shutil.copy(shard, tmp_path / "x")
    with pytest.raises(GymQAError, match=naming(shard.name, "encoder")):
        FeatureStore(tmp_path / "x")


def test_what_differs_from_the_store_is_named(tmp_path: Path) -> None:
    store_of(tmp_path)
    with pytest.raises(GymQAError, match=naming("seed", 0, 1)):
        FeatureStore.create_or_open(tmp_path, {**MADE, "seed": 1}, 2, 4)
    with pytest.raises(GymQAError, match=naming("n_tokens", 2, 3)):
        FeatureStore.create_or_open(tmp_path, MADE, 3, 4)


def test_a_store_of_an_older_gymqa_opens_and_is_added_to(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text(json.dumps({"fingerprint": MADE, "n_tokens": 2, "dim": 4}))
    old = torch.randn(2, 2, 4)
    save_file({"tokens": old}, tmp_path / "shard-000000.safetensors", {"keys": '["a", "b"]'})
    store = FeatureStore.create_or_open(tmp_path, MADE, 2, 4)
    store.add(["c"], torch.ones(1, 2, 4))
    store.write_index()
    again = FeatureStore(tmp_path)
    assert again.keys() == ["a", "b", "c"]
    assert torch.equal(again.get(["b", "a"]), old[[1, 0]])


def test_the_index_is_believed_only_about_shards_that_are_as_it_says(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    store.add(["later"], torch.ones(1, 2, 4))
    store.write_index()
    first, second = sorted(tmp_path.glob("shard-*"))
    second.unlink()
    assert FeatureStore(tmp_path).keys() == ["x0", "x1", "x2"]
    keys = ["o0", "o1", "o2", "o3"]
    header = {"features": json.dumps({"keys": keys, "fingerprint": MADE})}
    save_file({"tokens": torch.zeros(4, 2, 4)}, first, header)  # another file under a known name
    assert FeatureStore(tmp_path).keys() == keys
    index = json.loads((tmp_path / "index.json").read_text())
    index["shards"][first.name]["bytes"] = first.stat().st_size
    (tmp_path / "index.json").write_text(json.dumps(index))
    with pytest.raises(GymQAError, match=naming(first.name, "index")):
        FeatureStore(tmp_path).get(["x0"])


def test_the_index_spares_the_shards_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FeatureStore.create_or_open(tmp_path, MADE, 2, 4)
    for row in range(20):
        store.add([f"c{row}"], torch.ones(1, 2, 4))
    store.write_index()
    monkeypatch.setattr("encoders.features.store.safe_open", None)
    assert FeatureStore(tmp_path).keys() == [f"c{row}" for row in range(20)]


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    cache, encoder = noise_cache(tmp_path / "cache", 70), image_encoder(tmp_path / "vit")
    whole = extract(encoder, cache, cache.clip_ids, tmp_path / "whole")
    # the first shard has 64 · 8 · 32 · 4 bytes
    with pytest.raises(GymQAError, match=naming("shard-000000")), full_disk(50_000):
        extract(encoder, cache, cache.clip_ids, tmp_path / "full")
    assert not list((tmp_path / "full").glob("*shard*"))
    after = extract(encoder, cache, cache.clip_ids, tmp_path / "full")
    assert torch.equal(after.get(cache.clip_ids), whole.get(cache.clip_ids))


@pytest.mark.slow
def test_killed_again_and_again_it_ends_with_the_same_bytes(tmp_path: Path) -> None:
    cache = noise_cache(tmp_path / "cache", 18)
    image_encoder(tmp_path / "vit")
    words = [str(tmp_path / name) for name in ("cache", "vit", "out", "whole")]
    ran = warm.run(["-m", "tests.helpers.killing_extractor", *words])
    assert ran.returncode == 0, ran.stderr
    out, whole = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("out", "whole"))
    assert out == whole
    assert len(FeatureStore(tmp_path / "out")) == 2 * len(cache)


def test_features_that_are_not_finite_are_left_out_with_the_reason(tmp_path: Path) -> None:
    cache = noise_cache(tmp_path / "cache", 3)
    encoder = image_encoder(tmp_path / "vit")
    for value, dtype, said in ((float("nan"), "float32", "finite"), (1e5, "fp16", "fp16")):
        assert isinstance(encoder.model, ImageViT) and encoder.model.config == VIT
        encoder.model.norm.weight.data.fill_(value)
        store = extract(encoder, cache, cache.clip_ids, tmp_path / dtype, dtype=dtype)
        assert len(store) == 0
        assert set(store.failures) == set(cache.clip_ids) and does_name(store.failures[cache.clip_ids[1]], said)
    encoder.model.norm.weight.data.fill_(1.0)
    assert extract(encoder, cache, cache.clip_ids, tmp_path / "fp16", dtype="fp16").failures == {}
