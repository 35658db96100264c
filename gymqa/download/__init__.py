"""Download FineGym's annotation files and raw videos; cut clips out of the videos. Never in it: meaning of labels."""
