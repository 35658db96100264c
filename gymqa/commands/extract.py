"""`gymqa extract`: frozen features of every clip, once."""

from contextlib import ExitStack
from pathlib import Path

from encoders.features import extract as extract_features
from encoders.options import EncoderOptions
from encoders.registry import create_encoder
from encoders.sharing import Alone, Launched, Share, require_shared
from gymqa.annotations import read_element_list
from gymqa.devices import choose_device
from gymqa.frames import FrameCache
from gymqa.launching import in_world


def extract(
    encoder: str,
    frames: Path,
    out: Path = Path("runs/features"),
    views: int = 1,
    seed: int = 0,
    device: str = "cpu",
    n_frames: int | None = None,
    layer: int | None = None,
    tokens: str | None = None,
    grid: int | None = None,
    precision: str | None = None,
    dtype: str = "float32",
    *,
    clips: list[Path],
) -> None:
    """Write an encoder's tokens for every clip of some lists into a feature store.

    Stopped, the same command goes on with the clips still missing. By several processes:

        accelerate launch --num_processes 2 scripts/extract_features.py clip runs/frames --clips … --device cuda

    Args:
        encoder: folder of `gymqa train`; a kind of `gymqa list encoders`, as image; or kind:source, the source being
            a folder or owner/name@revision on the Hub, as clip:openai/clip-vit-base-patch16.
        frames: folder of `gymqa cache`.
        out: folder of the store.
        views: views of a clip; the first is the clip as it is, the others are jittered in time and mirrored.
        seed: of the further views.
        device: cpu, cuda, cuda:1, …; with several processes cuda gives each its own GPU.
        n_frames: frames of a clip to look at, where the encoder has no number of its own.
        layer: block whose output is taken, from 1, or from the end: -1 the last, -2 the one before.
        tokens: of a frame: cls, patches or both.
        grid: average a frame's patches to grid × grid tokens; 0 keeps them all (sefar: none, unless given).
        precision: in which the encoder computes: float32 or bf16.
        dtype: in which tokens are kept: float32, bf16 or fp16.
        clips: files with a clip id at the start of each line, such as those of `gymqa split`.
    """
    options = EncoderOptions(n_frames, layer, tokens, grid, precision)
    with ExitStack() as held:
        if in_world():
            launched = held.enter_context(Launched(device))
            share: Share = launched
            device = launched.device
        else:
            require_shared()
            share = Alone()
        chosen = create_encoder(encoder, options, choose_device(device))
        clip_ids = [clip.id for path in clips for clip in read_element_list(path)]
        store = extract_features(chosen, FrameCache(frames), clip_ids, out, views, seed, dtype, share)
        if share.index == 0:
            print(f"{out}: {len(store)} views of clips, {chosen.n_tokens} × {chosen.dim}, seen by {chosen.name}")


COMMAND = extract
