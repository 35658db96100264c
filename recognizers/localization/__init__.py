"""Temporal localization: features, proposals, segment network, its training, detection. Never in it: scoring.

Actions in videos, and sub-actions in actions, by structured segment networks (Zhao et al., ICCV'17, arXiv 1704.06228)
on frozen features, as in FineGym's Table 4.
"""
