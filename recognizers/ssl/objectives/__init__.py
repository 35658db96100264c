"""Objectives: further terms of the training loss, one algorithm a file. Never in it: L_sup, L_un and L_mix."""
