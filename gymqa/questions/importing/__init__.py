"""Import of other video question sets: tables, columns, answers, presets. Never in it: FineGym, the network, pixels."""
