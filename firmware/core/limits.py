"""What a socket and a point may carry: the board's limits, which a site may lower and never raise."""

from collections import namedtuple

# rated_ma: continuous current of a socket; max_power_mw: of a socket; point_current_ma: sum over the sockets.
Limits = namedtuple("Limits", ("rated_ma", "max_power_mw", "point_current_ma"))


def intersect(board, site):
    """The Limits that hold: of each limit the lower of the board's and the site's (None: the site says nothing)."""
    return Limits(*[own if asked is None else min(own, asked) for own, asked in zip(board, site)])
