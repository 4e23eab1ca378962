"""Neuron activation profiles: what feature maps do on groups of films."""
