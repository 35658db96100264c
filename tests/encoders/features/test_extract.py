"""Frozen features: what encoders give, and a store that is added to, resumed, and never mixed up."""

from pathlib import Path

import numpy as np
import pytest
import torch

from encoders.features.extract import extract, view_frames
from encoders.features.store import FeatureStore
from encoders.video.image import ImageEncoder
from encoders.video.registry import EncoderOptions
from encoders.video.sefar import SeFAREncoder
from gymqa.errors import GymQAError
from gymqa.frames.cache import FrameCache
from gymqa.frames.sampling import uniform
from gymqa.io.files import only_writer
from recognizers.backbones.sefar import SeFAR, SeFARConfig
from recognizers.ssl.augment import to_model
from tests.helpers.feature_world import clip_id, image_encoder, noise_cache
from tests.helpers.naming import naming

MODEL = SeFARConfig(image_size=16, patch_size=8, dim=16, depth=2, heads=2, fusion_dim=8, n_classes=3)
C = [clip_id(number) for number in range(9)]


@pytest.fixture
def cache(tmp_path: Path) -> FrameCache:
    """Seven clips of noise, 5 to 11 frames."""
    return noise_cache(tmp_path / "cache", 7)


@pytest.fixture
def sefar(tmp_path: Path) -> SeFAREncoder:
    torch.manual_seed(0)
    SeFAR(MODEL).save_pretrained(tmp_path / "recognizer")
    return SeFAREncoder(tmp_path / "recognizer")


@pytest.fixture
def image(tmp_path: Path) -> ImageEncoder:
    return image_encoder(tmp_path / "vit")


def test_sefars_tokens_are_its_elements_pairs_and_fused_feature(cache: FrameCache, sefar: SeFAREncoder) -> None:
    indices = sefar.frame_indices(10, None)
    assert indices.tolist() == [1, 6, 4, 9, 0, 3, 5, 8]  # middles of spans 1 5 | 3 7 | 0 2 4 6
    frames = torch.from_numpy(cache.gather([C[5]], indices[None]))
    tokens = sefar.encode(frames)
    assert isinstance(sefar.model, SeFAR)
    features = sefar.model.forward_features(to_model(frames, 16))
    assert tokens.shape == (1, sefar.n_tokens, sefar.dim) == (1, 7, 8)
    torch.testing.assert_close(tokens[0, 6], features.fused[0])
    torch.testing.assert_close(tokens[0, :3], features.elements[0])
    assert not tokens.requires_grad


def test_the_image_encoder_gives_a_token_a_frame_and_does_not_see_time(cache: FrameCache, image: ImageEncoder) -> None:
    np.testing.assert_array_equal(image.frame_indices(11, None), uniform(11, 8))
    frames = torch.from_numpy(cache.gather([C[6]], image.frame_indices(11, None)[None]))
    tokens = image.encode(frames)
    assert tokens.shape == (1, 8, 32)
    torch.testing.assert_close(image.encode(frames.flip(1)), tokens.flip(1))
    patches = image.model(to_model(frames, 16)[0, :1])
    torch.testing.assert_close(tokens[0, 0], torch.cat([patches[0, 0], patches[0, 1:].mean(0)]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("grid", [1, 2])
def test_with_a_grid_the_frames_patches_follow_in_temporal_order(
    sefar: SeFAREncoder, grid: int, tmp_path: Path
) -> None:
    made = SeFAREncoder(tmp_path / "recognizer", options=EncoderOptions(grid=grid))
    assert (made.n_tokens, made.dim) == (7 + 8 * grid**2, 16)  # the model is 16 wide, its features are 8
    clips = torch.randint(0, 256, (2, 8, 16, 16, 3), dtype=torch.uint8)
    tokens = made.encode(clips)
    torch.testing.assert_close(tokens[:, :7, :8], sefar.encode(clips))
    assert not tokens[:, :7, 8:].any()
    assert isinstance(sefar.model, SeFAR)
    backbone = sefar.model.backbone
    cls, patches = backbone._embed(to_model(clips, 16))
    for block in backbone.blocks:
        cls, patches = block(cls, patches, backbone.layout)
    in_time = backbone.norm(patches)[:, [4, 0, 5, 2, 6, 1, 7, 3]]  # spans 0 … 7 of elements 1 5 | 3 7 | 0 2 4 6
    expected = in_time.mean(2, keepdim=True) if grid == 1 else in_time
    torch.testing.assert_close(tokens[:, 7:], expected.flatten(1, 2), rtol=1e-4, atol=1e-5)
    with pytest.raises(GymQAError, match=naming("2 × 2", "grid 3")):
        SeFAREncoder(tmp_path / "recognizer", options=EncoderOptions(grid=3))


def test_the_shipped_image_encoder_loads() -> None:
    encoder = ImageEncoder()
    assert encoder.dim == 2 * encoder.model.config.dim


def test_extracted_features_are_those_of_each_clip_alone(
    cache: FrameCache, sefar: SeFAREncoder, tmp_path: Path
) -> None:
    store = extract(sefar, cache, [*cache.clip_ids, "not-decoded"], tmp_path / "store")
    assert store.keys() == cache.clip_ids
    assert "not-decoded" not in store
    for clip in (C[0], C[6]):
        indices = sefar.frame_indices(int(cache.lengths([clip])[0]), None)
        alone = sefar.encode(torch.from_numpy(cache.gather([clip], indices[None])))
        torch.testing.assert_close(store.get([clip]), alone, rtol=1e-4, atol=1e-5)
    assert FeatureStore(tmp_path / "store").get([C[3], C[1]]).shape == (2, 7, 8)


def test_further_views_differ_and_do_not_depend_on_the_company(
    cache: FrameCache, image: ImageEncoder, tmp_path: Path
) -> None:
    many = extract(image, cache, cache.clip_ids, tmp_path / "many", views=3, seed=1)
    one = extract(image, cache, [C[4]], tmp_path / "one", views=3, seed=1)
    assert len(many) == 21
    assert one.keys() == [C[4], f"{C[4]}@1", f"{C[4]}@2"]
    torch.testing.assert_close(many.get(one.keys()), one.get(one.keys()), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(one.get([C[4]]), one.get([f"{C[4]}@1"]))
    views = [view_frames(image, cache, C[4], view, 1) for view in range(1, 40)]
    mirrored = [bool((view[0, 0, :, ::-1] == cache.get(C[4])).all((1, 2, 3)).any()) for view in views]
    assert 5 < sum(mirrored) < 35


def test_extraction_goes_on_with_what_is_missing(
    cache: FrameCache, sefar: SeFAREncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extract(sefar, cache, cache.clip_ids[:4], tmp_path / "store")
    encoded: list[int] = []
    encode = sefar.encode

    def counting(frames: torch.Tensor) -> torch.Tensor:
        encoded.append(len(frames))
        return encode(frames)

    monkeypatch.setattr(sefar, "encode", counting)
    store = extract(sefar, cache, cache.clip_ids, tmp_path / "store")
    assert encoded == [3]
    assert sorted(store.keys()) == sorted(cache.clip_ids)


def test_features_of_another_encoder_or_seed_are_refused(
    cache: FrameCache, sefar: SeFAREncoder, image: ImageEncoder, tmp_path: Path
) -> None:
    extract(sefar, cache, [C[0]], tmp_path / "store")
    for encoder, seed, differs in ((image, 0, "n_tokens"), (sefar, 1, "seed")):
        with pytest.raises(GymQAError, match=naming(tmp_path / "store", differs)):
            extract(encoder, cache, [C[0]], tmp_path / "store", seed=seed)


def test_unknown_keys_missing_stores_and_damaged_shards_are_named(
    cache: FrameCache, sefar: SeFAREncoder, tmp_path: Path
) -> None:
    with pytest.raises(GymQAError, match=naming(tmp_path / "none")):
        FeatureStore(tmp_path / "none")
    store = extract(sefar, cache, [C[0]], tmp_path / "store")
    with pytest.raises(GymQAError, match=naming(C[1])):
        store.get([C[1]])
    shard = next((tmp_path / "store").glob("shard-*"))
    shard.write_bytes(b"half")
    with pytest.raises(GymQAError, match=naming(shard.name)):
        FeatureStore(tmp_path / "store")


def test_a_store_is_only_added_to(cache: FrameCache, sefar: SeFAREncoder, tmp_path: Path) -> None:
    store = extract(sefar, cache, [C[0]], tmp_path / "store")
    with pytest.raises(ValueError, match="twice"):
        store.add([C[0]], store.get([C[0]]))
    with pytest.raises(ValueError, match="twice"):
        store.add(["new", "new"], store.get([C[0], C[0]]))
    with pytest.raises(ValueError, match=naming((1, 7, 8), 2)):
        store.add(["a", "b"], store.get([C[0]]))


def test_two_writers_cannot_take_one_shards_number(cache: FrameCache, sefar: SeFAREncoder, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    with (
        only_writer(tmp_path / "store", "the feature store"),
        pytest.raises(GymQAError, match=naming(tmp_path / "store", "--out")),
    ):
        extract(sefar, cache, [C[0]], tmp_path / "store")
    assert len(extract(sefar, cache, [C[0]], tmp_path / "store")) == 1


def test_a_damaged_index_is_named(tmp_path: Path) -> None:
    for text in ("{}", "[]", '{"fingerprint": {}, "n_tokens": "many", "dim": 8}'):
        (tmp_path / "index.json").write_text(text)
        with pytest.raises(GymQAError, match=naming("index.json")):
            FeatureStore(tmp_path)


def test_the_reason_why_a_clip_is_not_in_the_store_is_kept_until_it_is(
    cache: FrameCache, sefar: SeFAREncoder, tmp_path: Path
) -> None:
    cache.failures[C[7]] = "c7.mp4 is empty"
    extract(sefar, cache, [C[0], C[7], C[8]], tmp_path / "store")
    store = FeatureStore(tmp_path / "store")
    assert store.failures == {C[7]: "c7.mp4 is empty", C[8]: "it is not in the frame cache"}
    store.add([C[7]], store.get([C[0]]))
    assert set(extract(sefar, cache, [C[0]], tmp_path / "store").failures) == {C[8]}


def test_no_view_at_all_is_refused(cache: FrameCache, sefar: SeFAREncoder, tmp_path: Path) -> None:
    with pytest.raises(GymQAError, match=naming("views", 0)):
        extract(sefar, cache, [C[0]], tmp_path / "store", views=0)
