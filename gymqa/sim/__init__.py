"""GymSim: procedural gymnasts rendered into a release in FineGym's format. Never in it: code that real data needs."""
