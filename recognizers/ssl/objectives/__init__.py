"""Additional loss terms and pre-training losses of algorithms, and their helpers. Never in it: L_sup, L_un, L_mix."""
