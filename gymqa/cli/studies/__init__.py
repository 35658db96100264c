"""FineGym's ablation studies of recognizers, run by `gymqa study`. Never in it: networks, metrics."""
