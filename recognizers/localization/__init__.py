"""Temporal localisation: when in a video an action is, and when in an action a sub-action.

Structured segment networks (Zhao et al., ICCV'17, arXiv 1704.06228), which FineGym's Table 4 uses, on frozen features.
"""
