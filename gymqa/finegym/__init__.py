"""What FineGym is: taxonomy, decision trees, annotations, settings, splits. Never in it: downloads, pixels."""
