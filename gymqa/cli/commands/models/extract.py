"""`gymqa extract`: frozen features of every clip, once."""

from contextlib import ExitStack
from pathlib import Path

from encoders.features.extract import extract as extract_features
from encoders.features.process_group import LaunchedProcesses, ProcessGroup, SingleProcess
from encoders.video.base import modality_of
from encoders.video.registry import EncoderOptions, create_encoder
from gymqa.finegym.annotations import read_element_list
from gymqa.frames.controls import ControlledFrames
from gymqa.frames.views import source_of
from gymqa.runtime.devices import choose_device
from gymqa.runtime.world import in_world, require_no_other


def extract(
    encoder: str,
    frames: Path,
    out: Path = Path("runs/features"),
    views: int = 1,
    seed: int = 0,
    device: str = "cpu",
    control: str = "none",
    control_seed: int = 0,
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
        frames: folder of `gymqa cache`; of `gymqa flow` for a recognizer of modality flow.
        out: folder of the store.
        views: views of a clip; the first is the clip as it is, the others are jittered in time and mirrored.
        seed: of the further views.
        device: cpu, cuda, cuda:1, …; with several processes cuda gives each its own GPU.
        control: none, one-frame, frozen, shuffled, reversed or mismatched (another clip of the lists, of another
            label); a store of its own for each.
        control_seed: of the controls that draw.
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
        share, device = _join(device, held)
        chosen = create_encoder(encoder, options, choose_device(device))
        wanted = [clip for path in clips for clip in read_element_list(path)]
        elements = {clip.id: clip.label for clip in wanted}
        source = ControlledFrames(source_of(modality_of(chosen), frames), control, control_seed, elements)
        store = extract_features(chosen, source, [clip.id for clip in wanted], out, views, seed, dtype, share)
        if share.index == 0:
            print(f"{out}: {len(store)} views of clips, {chosen.n_tokens} × {chosen.dim}, seen by {chosen.name}")


def _join(device: str, held: ExitStack) -> tuple[ProcessGroup, str]:
    """Return this process's part of the work and its device; `held` leaves the others at its end.

    Raises:
        GymQAError: others were asked for, and are not there.
    """
    if not in_world():
        require_no_other("scripts/extract_features.py")
        return SingleProcess(), device
    launched = held.enter_context(LaunchedProcesses(device))
    return launched, launched.device


COMMAND = extract
