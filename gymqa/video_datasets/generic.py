"""A folder of class folders, `<class>/<person>_<anything>.avi`, and a leave-one-person-out split.

Source: Weizmann's "Actions as Space-Time Shapes" (ICCV'05), files like bend/daria_bend.avi, tested by leaving out one
person at a time.
"""

from pathlib import Path

from gymqa.errors import GymQAError
from gymqa.video_datasets.base import VIDEO_SUFFIXES, Side, Source, VideoDataset


def read_class_folders(source: Source) -> VideoDataset:
    """Read the folder; the fold is the person whose clips are tested on, and a clip's `video` is its person.

    Raises:
        GymQAError: there is no class folder with videos, or no person of that name.
    """
    found = {folder.name: _videos(folder) for folder in sorted(source.videos.iterdir()) if folder.is_dir()}
    classes = tuple(name for name, videos in found.items() if videos)
    if not classes:
        raise GymQAError(
            f"{source.videos} has no folder with videos; put each class's videos into a folder of its name"
        )
    persons = sorted({_person(video) for videos in found.values() for video in videos})
    if source.fold not in persons:
        wrong = "" if source.fold is None else f"there is no person {source.fold!r} in {source.videos}; "
        raise GymQAError(f"{wrong}name the person to test on as the fold: {', '.join(persons)}")
    dataset = VideoDataset(classes)
    for label, name in enumerate(classes):
        for video in found[name]:
            person = _person(video)
            side: Side = "val" if person == source.fold else "train"
            dataset.add(side, f"{name}/{video.name}", label, person, str(video))
    return dataset


def _videos(folder: Path) -> list[Path]:
    """The folder's videos by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES)


def _person(video: Path) -> str:
    """What stands before the name's first underscore."""
    return video.stem.partition("_")[0]
