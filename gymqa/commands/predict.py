"""`gymqa predict`: a recognizer's class probabilities."""

from pathlib import Path

from gymqa.annotations import read_element_list
from gymqa.devices import choose_device
from gymqa.frames import FrameCache
from recognizers.predict import predict as predict_clips
from recognizers.predict import save_predictions
from recognizers.sefar import SeFAR


def predict(
    recognizer: Path, frames: Path, out: Path = Path("runs/recognizer.jsonl"), device: str = "cpu", *, clips: Path
) -> None:
    """Write a recognizer's class probabilities for the clips of a list.

    A clip that did not decode is kept in the file without probabilities but with the reason, and counts as wrong.

    Args:
        recognizer: folder of `gymqa train`.
        frames: folder of `gymqa cache`.
        out: file to write, one JSON object a line.
        device: cpu, cuda, cuda:1, …
        clips: element list, `<clip id> <label>` a line, such as val.txt of `gymqa split`.
    """
    model = SeFAR.from_pretrained(recognizer)
    wanted = read_element_list(clips, model.config.n_classes)
    cache = FrameCache(frames)
    found = predict_clips(model.to(choose_device(device)), cache, wanted)
    save_predictions(out, wanted, found, cache.failures)
    print(f"{out}: {len(found)} of {len(wanted)} clips")


COMMAND = predict
