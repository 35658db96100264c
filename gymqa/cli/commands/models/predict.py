"""`gymqa predict`: predict class probabilities of clips with a recognizer, and score them."""

from dataclasses import asdict
from pathlib import Path

from eval.metrics.recognition import confusion, read_class_predictions, summary
from eval.report.confusion import ConfusionView, confusion_svg
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import read_element_list
from gymqa.frames.controls import ControlledFrames
from gymqa.frames.views import source_of
from gymqa.io.console import console
from gymqa.io.files import write_json, write_text
from gymqa.runtime.devices import choose_device
from gymqa.runtime.fast_precision import choose_precision
from gymqa.runtime.precision import BF16, bf16_or
from gymqa.video_datasets.imported import CLASSES
from recognizers.factory import load_recognizer
from recognizers.predict import Views, begun_precision, opened_journal, save_predictions
from recognizers.predict import predict as predict_clips
from recognizers.weights_io.tensors import model_folder, weights_hash


def predict(
    recognizer: Path,
    frames: Path,
    out: Path = Path("runs/recognizer.jsonl"),
    device: str = "cpu",
    temporal_views: int = 1,
    spatial_views: int = 1,
    batch_size: int = 64,
    precision: str = "auto",
    bf16: bool = False,
    control: str = "none",
    control_seed: int = 0,
    *,
    clips: Path,
) -> None:
    """Predict class probabilities of the clips of a list with a recognizer, and score them.

    A clip that did not decode is written without probabilities but with the reason, and counts as wrong. If all clips
    of the list have a label, Top-1, Top-5, mean-class accuracy and mAP are printed and written beside the file
    (recognizer.metrics.json), with the confusion matrix (recognizer.confusion.svg). An interrupted run resumes with
    the same command.

    Args:
        recognizer: folder of `gymqa train`.
        frames: folder of `gymqa cache`; of `gymqa flow` for a recognizer of modality flow.
        out: file to write, one JSON object per line.
        device: cpu, cuda, cuda:1, …
        temporal_views: number of temporal views (frame offsets within each segment); probabilities are averaged over
            all views.
        spatial_views: 1, the whole frame, or 3 square crops along its longer side.
        batch_size: clips per batch.
        precision: auto, float32 or bf16; auto is bf16 where the device computes it fast, else float32.
        bf16: older name of --precision bf16.
        control: none, one-frame, frozen, shuffled, reversed or mismatched (another clip of the list, of another
            label); every line of the file names it.
        control_seed: seed of the random controls.
        clips: element list, `<clip id> <label>` per line, such as val.txt of `gymqa split`.
    """
    views = Views(temporal_views, spatial_views)
    asked = bf16_or(precision, bf16)
    if batch_size < 1:
        raise GymQAError(f"the batch size cannot be {batch_size}; give 1 or more")
    model = load_recognizer(recognizer)
    wanted = read_element_list(clips, model.config.n_classes)
    elements = {clip.id: clip.label for clip in wanted}
    source = ControlledFrames(source_of(model.config.modality, frames), control, control_seed, elements)
    model = model.to(choose_device(device))
    weights = weights_hash(model_folder(recognizer))
    settings = {"weights": weights, "frames": source.fingerprint(), "views": asdict(views)}
    computed = choose_precision(asked, choose_device(device), begun_precision(out, settings))
    console.print(str(computed), highlight=False, markup=False, soft_wrap=True)
    with opened_journal(out, {**settings, "bf16": computed.name == BF16}) as journal:
        found = predict_clips(model, source, wanted, batch_size, computed.name == BF16, views, journal)
        save_predictions(out, wanted, found, source.failures, control)
    print(f"{out}: {len(found)} of {len(wanted)} clips")
    if found and all(clip.label is not None for clip in wanted):
        _score(out, _names(clips.parent / CLASSES, model.config.n_classes))


def _score(path: Path, names: tuple[str, ...]) -> None:
    """Print the metrics of a predictions file, and write them and the confusion matrix beside it."""
    predictions = read_class_predictions(path)
    found = summary(predictions)
    write_json(path.with_suffix(".metrics.json"), {"clips": len(predictions.labels), **found})
    view = ConfusionView(path.stem, names, confusion(predictions))
    write_text(path.with_suffix(".confusion.svg"), confusion_svg(view))
    print(", ".join(f"{name} {100 * value:.1f} %" for name, value in found.items()))


def _names(path: Path, classes: int) -> tuple[str, ...]:
    """Class names from the file that `gymqa split` writes beside its lists; numbers without it."""
    names = tuple(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else ()
    return names if len(names) == classes else tuple(str(label) for label in range(classes))


COMMAND = predict
