"""Table of FineGym's annotation files (name, URL, size, SHA-256); verify a copy, find the one in a folder.

Source: https://sdolivia.github.io/FineGym/ (CC BY-NC 4.0), section "Download", links `resources/dataset/<name>`.
"""

from dataclasses import dataclass
from pathlib import Path

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import annotations_folder
from gymqa.finegym.temporal import read_annotations
from gymqa.io.files import sha256_of

BASE_URL = "https://sdolivia.github.io/FineGym/resources/dataset"
# The last one is the name that GymSim writes, which has one annotation file without versions.
ANNOTATION_NAMES = (
    "finegym_annotation_info_v1.1.json",
    "finegym_annotation_info_v1.0.json",
    "finegym_annotation_info.json",
)


@dataclass(frozen=True, slots=True)
class AnnotationFile:
    """One file of the official page; `size` (bytes) and `sha256` (hex) are None if they are unknown."""

    name: str
    size: int | None = None
    sha256: str | None = None

    def url(self, base_url: str = BASE_URL) -> str:
        """The file's URL below `base_url`."""
        return f"{base_url.rstrip('/')}/{self.name}"


# Sizes and hashes are those of the page's repository, SDOlivia/FineGym, branch gh-pages. The two temporal annotation
# files were not available when this table was written: they are verified by parsing them (see `problem`).
FILES = (
    AnnotationFile("set_categories.txt", 348, "27e48dbecc34be1a06ef703ad3c8a10ea445649b3e90185f5f55569db0e3aacf"),
    AnnotationFile("gym99_categories.txt", 8551, "69b2537736c41e2a2bdd01390c686e6ad36e9d52ef5406328c5e4ef0c5e793f0"),
    AnnotationFile("gym288_categories.txt", 25289, "a1a3be890b8d46e947794902fb06bfbadd39a3ab9f18ac6a6091a8387594c6fb"),
    AnnotationFile("gym530_categories.txt", 40702, "d092acac914acc56e503674b8b593253ffdb578f27a6f0aa14014d3019dc2d06"),
    AnnotationFile(
        "finegym_glabel_to_Qtree.json", 200775, "72bda21e04f2c17a1d22d86181c77445073e73f2e1e774046cbe4939999e180e"
    ),
    AnnotationFile(
        "gym99_train_element_v1.0.txt", 878817, "4ece94c4c9b0d040ac0535c5763da476659640917dbc8cf77f6bf7a57cd4285b"
    ),
    AnnotationFile(
        "gym99_train_element_v1.1.txt", 1129757, "1d8697388cbacf5d5e48ec903e70cb9ed758615bc9e7d6bf0ebb1e3389e3585b"
    ),
    AnnotationFile("gym99_val_element.txt", 365578, "9aa3ef86ecdfe223f4cbdd6faccecbe251b4011f78821270743eed8fbf594d0f"),
    AnnotationFile(
        "gym288_train_element_v1.0.txt", 992809, "93f6f5696d6cdd390b89546d52cba7f8eb38314026bd8686ec8e0e72dd68ddbd"
    ),
    AnnotationFile(
        "gym288_train_element_v1.1.txt", 1285846, "e1a5f459a21cd4b68532bb28bf8e8b80eecd2f15a8e0b1c0d97a6edc62aad379"
    ),
    AnnotationFile(
        "gym288_val_element.txt", 422380, "06d53cedb6edfd361ae82ab6efc3c6e5b8ca6e27ebeb61640b97fda3ef9731ce"
    ),
    AnnotationFile("finegym_annotation_info_v1.0.json"),
    AnnotationFile("finegym_annotation_info_v1.1.json"),
)


def problem(path: Path, file: AnnotationFile) -> str | None:
    """Describe what is wrong with a copy of `file` at `path`; None if it is intact.

    Files of known size and hash are compared with them; the temporal annotations are parsed.
    """
    try:
        size = path.stat().st_size
        if file.size is not None and size != file.size:
            return f"it has {size} bytes, not {file.size}"
        if file.sha256 is not None:
            found = sha256_of(path)
            return None if found == file.sha256 else f"its SHA-256 is {found}, not {file.sha256}"
        read_annotations(path)
    except (OSError, GymQAError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if isinstance(cause, OSError):
            return f"it cannot be read: {cause.strerror or cause}"
        return "it does not read as FineGym's temporal annotation"
    return None


def annotation_file(root: Path) -> Path:
    """Path of the temporal annotation in a folder of FineGym or GymSim; v1.1 is preferred to v1.0.

    Raises:
        GymQAError: there is none.
    """
    folder = annotations_folder(root)
    for name in ANNOTATION_NAMES:
        if (folder / name).is_file():
            return folder / name
    raise GymQAError(f"{folder} holds no {ANNOTATION_NAMES[0]}; get it with `gymqa finegym download --out {root}`")
