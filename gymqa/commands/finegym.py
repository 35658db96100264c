"""`gymqa finegym`: FineGym's annotation files, raw videos and sub-action videos."""

from pathlib import Path

from gymqa.errors import GymQAError
from gymqa.finegym.files import BASE_URL


def download(*, out: Path, base_url: str = BASE_URL) -> None:
    """Get FineGym's annotation files; files that are there are checked and kept.

    Stopped, the same command goes on with the half-loaded file.

    Args:
        out: folder of the release; the files go into its folder `annotations`.
        base_url: the server's folder of the files, for a mirror.
    """
    from gymqa.finegym.download import download_annotations

    report = download_annotations(out, base_url)
    print(f"{out}: {len(report.present)} files were there, {len(report.downloaded)} downloaded")
    for name, reason in report.wrong.items():
        print(f"not FineGym's: {name}: {reason}")
    if report.wrong:
        raise GymQAError(f"{out} holds files that are not FineGym's, listed above; move them away and run this again")


COMMAND = {"download": download}
