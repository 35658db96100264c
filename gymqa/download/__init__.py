"""FineGym's files and raw videos from the internet, and the trimming of clips. Never in it: what the files mean."""
