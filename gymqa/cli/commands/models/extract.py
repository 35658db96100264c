"""`gymqa extract`: extract frozen video-encoder features of clips into a feature store."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from encoders.features.extract import extract as extract_features
from encoders.features.process_group import LaunchedProcesses, ProcessGroup, SingleProcess
from encoders.features.store import opened_store
from encoders.video.base import modality_of
from encoders.video.factory import create_encoder
from encoders.video.registry import ENCODERS, EncoderOptions, parse
from gymqa.finegym.annotations import read_element_list
from gymqa.frames.controls import ControlledFrames
from gymqa.frames.views import source_of
from gymqa.io.console import console
from gymqa.io.files import write_json
from gymqa.runtime.devices import choose_device
from gymqa.runtime.fast_precision import choose_precision
from gymqa.runtime.precision import AUTO, FLOAT32, Precision
from gymqa.runtime.runs import environment
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
    precision: str = "auto",
    dtype: str = "float32",
    *,
    clips: list[Path],
) -> None:
    """Extract an encoder's tokens for every clip of some lists into a feature store.

    An interrupted run resumes with the same command. With several processes:

        accelerate launch --num_processes 2 scripts/extract_features.py clip runs/frames --clips … --device cuda

    Args:
        encoder: folder of `gymqa train`; a kind of `gymqa list encoders`, as image; or kind:source, the source being
            a folder or owner/name@revision on the Hub, as clip:openai/clip-vit-base-patch16; or
            package.module:function of your own, with :source behind it if it takes one (docs/extending.md).
        frames: folder of `gymqa cache`; of `gymqa flow` for a recognizer of modality flow.
        out: folder of the feature store.
        views: views of a clip; the first is deterministic, the others are randomly sampled in time and mirrored.
        seed: seed of the other views.
        device: cpu, cuda, cuda:1, …; with several processes cuda gives each its own GPU.
        control: none, one-frame, frozen, shuffled, reversed or mismatched (another clip of the lists, of another
            label); use a separate store for each.
        control_seed: seed of the random controls.
        n_frames: input frames of a clip, if the encoder has no fixed number.
        layer: block whose output is used, counted from 1, or from the end: -1 the last, -2 the one before.
        tokens: tokens of a frame: cls, patches or both.
        grid: average a frame's patches to grid × grid tokens; 0 keeps them all (sefar: none, unless given).
        precision: precision of the computation: auto, float32 or bf16; auto is that in which the store was begun, else
            bf16 where the device computes it fast.
        dtype: data type of the stored tokens: float32, bf16 or fp16.
        clips: files with a clip id at the start of each line, such as those of `gymqa split`.
    """
    options = EncoderOptions(n_frames, layer, tokens, grid, None if precision == AUTO else precision)
    with ExitStack() as stack:
        group, own_device = _join(device, stack)
        computed = group.precision(lambda: _precision(precision, encoder, out, choose_device(own_device)))
        if precision == AUTO and _has_precision(encoder):
            options = replace(options, precision=computed.name)
            if group.index == 0:
                console.print(str(computed), highlight=False, markup=False, soft_wrap=True)
        chosen = create_encoder(encoder, options, choose_device(own_device))
        wanted = [clip for path in clips for clip in read_element_list(path)]
        elements = {clip.id: clip.label for clip in wanted}
        source = ControlledFrames(source_of(modality_of(chosen), frames), control, control_seed, elements)
        store = extract_features(
            chosen, source, [clip.id for clip in wanted], out, views, seed, dtype, group, precision == AUTO
        )
        if group.index == 0:
            write_json(out / "environment.json", environment(seed, device, computed))
            print(f"{out}: {len(store)} views of clips, {chosen.n_tokens} × {chosen.dim}, seen by {chosen.name}")


def _precision(asked: str, encoder: str, out: Path, device: str) -> Precision:
    """The precision of the computation: with `auto` that of the store, for one store does not mix two.

    Raises:
        GymQAError: the device cannot compute in the store's precision, or the store is damaged.
    """
    if not _has_precision(encoder):
        return Precision(FLOAT32 if asked == AUTO else asked, "as the encoder has it")
    there = opened_store(out) if asked == AUTO else None
    return choose_precision(asked, device, None if there is None else there.precision)


def _has_precision(encoder: str) -> bool:
    """Whether an encoder is one of ours with a precision."""
    kind, _ = parse(encoder)
    return kind in ENCODERS and "precision" in ENCODERS.entry(kind).options


def _join(device: str, stack: ExitStack) -> tuple[ProcessGroup, str]:
    """Return this process's shard of the work and its device; `stack` leaves the process group at its end.

    Raises:
        GymQAError: several processes were requested but not started.
    """
    if not in_world():
        require_no_other("scripts/extract_features.py")
        return SingleProcess(), device
    launched = stack.enter_context(LaunchedProcesses(device))
    return launched, launched.device


COMMAND = extract
