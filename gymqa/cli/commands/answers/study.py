"""`gymqa study`: FineGym's ablation studies: number of frames, frame order, number of test frames, modality."""

from gymqa.cli.studies.frames import frames
from gymqa.cli.studies.modality import modality
from gymqa.cli.studies.shuffle import shuffle
from gymqa.cli.studies.test_frames import frames_in_testing

COMMAND = {"frames": frames, "shuffle": shuffle, "test-frames": frames_in_testing, "modality": modality}
