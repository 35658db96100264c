"""`gymqa extract`: frozen features of every clip, once."""

from pathlib import Path

from encoders.features import extract as extract_features
from encoders.image import ImageEncoder
from encoders.sefar import SeFAREncoder
from gymqa.annotations import read_element_list
from gymqa.controls import ControlledFrames
from gymqa.devices import choose_device
from gymqa.frames import FrameCache


def extract(
    encoder: str,
    frames: Path,
    out: Path = Path("runs/features"),
    views: int = 1,
    seed: int = 0,
    device: str = "cpu",
    control: str = "none",
    control_seed: int = 0,
    *,
    clips: list[Path],
) -> None:
    """Write an encoder's tokens for every clip of some lists into a feature store.

    Stopped, the same command goes on with the clips still missing.

    Args:
        encoder: folder of `gymqa train`, or "image" for the pre-trained image ViT frame by frame.
        frames: folder of `gymqa cache`.
        out: folder of the store.
        views: views of a clip; the first is the clip as it is, the others are jittered in time and mirrored.
        seed: of the further views.
        device: cpu, cuda, cuda:1, …
        control: none, one-frame, frozen, shuffled, reversed or mismatched (another clip of the lists, of another
            label); a store of its own for each.
        control_seed: of the controls that draw.
        clips: files with a clip id at the start of each line, such as those of `gymqa split`.
    """
    choose_device(device)
    chosen = ImageEncoder(device=device) if encoder == "image" else SeFAREncoder(Path(encoder), device)
    wanted = [clip for path in clips for clip in read_element_list(path)]
    elements = {clip.id: clip.label for clip in wanted}
    source = ControlledFrames(FrameCache(frames), control, control_seed, elements)
    store = extract_features(chosen, source, [clip.id for clip in wanted], out, views, seed)
    print(f"{out}: {len(store)} views of clips, seen by {chosen.name}")


COMMAND = extract
