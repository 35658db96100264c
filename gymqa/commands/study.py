"""`gymqa study`: FineGym's studies of frames, their order, their number in testing, and modalities."""

from gymqa.commands.studies.frames import frames
from gymqa.commands.studies.frames_in_testing import frames_in_testing
from gymqa.commands.studies.modality import modality
from gymqa.commands.studies.shuffle import shuffle

COMMAND = {"frames": frames, "shuffle": shuffle, "test-frames": frames_in_testing, "modality": modality}
