"""FineGym's labels: taxonomy, decision trees, annotation files, settings, splits. Never in it: downloads, pixels."""
