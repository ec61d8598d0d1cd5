"""From the files to a tick that runs, in the order that memory wants. Loaded for the start, and dropped.

The radio is woken before most of the parts are loaded: it takes 40 KB of the memory that they would grow into.
"""

from tasks.forget import forget


def start(board):
    """Parts, tick and journal of the main.Board; returns the ids of the commands that were obeyed."""
    import files

    files.read(board)
    forget(files.LOADED + ("boot",))
    if not board.offline:
        _wake_radio()
    import assembly

    assembly.assemble(board)
    for problem in board.problems:
        print("zhuque:", problem)
    obeyed = assembly.recover(board)
    forget(assembly.LOADED)
    return obeyed


def _wake_radio():
    import network

    try:
        network.WLAN(network.STA_IF).active(True)
    except (OSError, RuntimeError) as e:
        print("zhuque: the radio does not start:", e)
