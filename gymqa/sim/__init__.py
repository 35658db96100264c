"""Procedural gymnast: skeleton, elements, renderer and a release in FineGym's format (GymSim)."""
