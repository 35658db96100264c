"""GymSim, a procedural gymnast rendered into a release of FineGym's format. Never in it: anything real data needs."""
