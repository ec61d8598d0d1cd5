"""Nothing to do before main.py."""
