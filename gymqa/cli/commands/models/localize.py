"""`gymqa localize`: temporal localization of actions in videos and of sub-actions in actions."""

from dataclasses import replace
from pathlib import Path

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import open_release
from gymqa.runtime.devices import choose_device
from recognizers.localization.config import Level, LocalizationConfig
from recognizers.localization.detection import DetectionConfig, detect
from recognizers.localization.network import Localizer
from recognizers.localization.segments import read_split, write_detections, write_truth
from recognizers.localization.snippet_store import SnippetStore, extract_snippets
from recognizers.localization.snippets import snippet_encoder
from recognizers.localization.training import train_localizer


def features(
    root: Path,
    out: Path = Path("runs/snippets"),
    recognizer: Path | None = None,
    fps: float = 8.0,
    setting: str | None = None,
    device: str = "cpu",
) -> None:
    """Extract frozen snippet features of every raw video of a release.

    An interrupted run resumes with the same command; videos that failed are retried.

    Args:
        root: folder of a release (FineGym or GymSim) with its raw videos.
        out: folder of the features.
        recognizer: folder of `gymqa train`; by default the image ViT in the package.
        fps: sampled frames per second.
        setting: gym99, gym288, …; may be omitted if the release has only one.
        device: cpu, cuda, cuda:1, …
    """
    split = read_split(root, "action", setting)
    videos = [span.video_id for span in (*split.train, *split.test)]
    store = extract_snippets(snippet_encoder(recognizer, choose_device(device)), root, videos, out, fps)
    print(f"{out}: {sum(video in store for video in videos)} of {len(videos)} videos, {store.dim} features")
    for video_id, reason in store.failures.items():
        print(f"not decoded: {video_id}: {reason}")


def train(
    root: Path,
    snippets: Path,
    out: Path = Path("runs/localizer"),
    level: Level | None = None,
    setting: str | None = None,
    device: str = "cpu",
    *,
    training: LocalizationConfig,
) -> None:
    """Train a structured segment network on the videos of a release's training list.

    An interrupted run resumes from its last checkpoint with the same command.

        gymqa localize train runs/gymsim runs/snippets --level sub-action

    Args:
        root: folder of the release.
        snippets: folder of `gymqa localize features`.
        out: folder of the model.
        level: action (in videos) or sub-action (in actions), instead of training.level.
        setting: setting of the sub-actions' labels: gym99, …; may be omitted if the release has only one.
        device: cpu, cuda, cuda:1, …
        training: all other settings of the training.
    """
    config = training if level is None else replace(training, level=level)
    split = read_split(root, config.level, setting)
    name = open_release(root, setting).taxonomy.setting
    model = train_localizer(SnippetStore(snippets), split.train, out, config, name, choose_device(device))
    print(f"{out}: {len(model.config.labels)} classes of {config.level}s, snippets of {model.config.snippet:g} s")


def predict(
    localizer: Path,
    root: Path,
    snippets: Path,
    out: Path = Path("runs/segments.jsonl"),
    device: str = "cpu",
    *,
    detection: DetectionConfig,
) -> None:
    """Detect actions or sub-actions in the test videos with a localizer; write detections and ground truth.

    `gymqa metrics` scores the two files. Videos without features are printed; their segments count as missed.

        gymqa localize predict runs/localizer runs/gymsim runs/snippets --out runs/segments.jsonl
        gymqa metrics runs/segments.jsonl --truth runs/segments.truth.jsonl

    Args:
        localizer: folder of `gymqa localize train`.
        root: folder of the release.
        snippets: folder of `gymqa localize features`.
        out: file of the detected segments; the true ones are written beside it (.truth.jsonl).
        device: cpu, cuda, cuda:1, …
        detection: settings of the selection of segments.
    """
    if out.suffix != ".jsonl":
        raise GymQAError(f"segments are written as JSON Lines; name a .jsonl file instead of {out}")
    model = Localizer.from_pretrained(localizer).to(choose_device(device))
    split = read_split(root, model.config.level, model.config.setting or None)
    found, missing = detect(model, SnippetStore(snippets), split.test, detection)
    truth = out.with_suffix(".truth.jsonl")
    write_truth(truth, split.test)
    write_detections(out, found)
    print(f"{out}: {len(found)} segments in {len(split.test)} test spans; the true ones in {truth}")
    for video_id, reason in missing.items():
        print(f"missed as a whole: {video_id}: {reason}")


COMMAND = {"features": features, "train": train, "predict": predict}
