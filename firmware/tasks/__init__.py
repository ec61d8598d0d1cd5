"""Loops that hold no decisions: they call core with the time and carry its answers to the drivers."""
