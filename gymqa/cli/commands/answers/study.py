"""`gymqa study`: FineGym's studies of frames, their order, their number in testing, and modalities."""

from gymqa.cli.studies.frames import frames
from gymqa.cli.studies.modality import modality
from gymqa.cli.studies.shuffle import shuffle
from gymqa.cli.studies.test_frames import frames_in_testing

COMMAND = {"frames": frames, "shuffle": shuffle, "test-frames": frames_in_testing, "modality": modality}
