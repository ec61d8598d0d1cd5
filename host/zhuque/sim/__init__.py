"""The simulator: the real firmware on MicroPython, with simulated chips, loads and broker around it."""
