"""FineGym itself: its annotation files, its raw videos, and the sub-action videos cut out of them."""
