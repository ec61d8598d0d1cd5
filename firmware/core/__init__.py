"""The logic of a charge point, and nothing else: it imports core and wire only, is given the time, and touches no pin,
clock, socket or flash but through the objects handed to it. So it runs, and is tested, on CPython as on the board.
"""
