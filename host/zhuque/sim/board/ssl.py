"""`ssl` over the sockets of the simulation: unwraps them before `tls` sees them."""

import tls
from tls import *  # noqa: F403 - the module's interface


class SSLContext:
    """As ssl.SSLContext."""

    def __init__(self, protocol):
        self._context = tls.SSLContext(protocol)

    def __getattr__(self, name):
        return getattr(self._context, name)

    def __setattr__(self, name, value):
        if name == "_context":
            object.__setattr__(self, name, value)
        else:
            setattr(self._context, name, value)

    def load_verify_locations(self, cafile=None, cadata=None):
        """As ssl.SSLContext.load_verify_locations, by data alone."""
        self._context.load_verify_locations(cadata)

    def load_cert_chain(self, certfile, keyfile):
        """As ssl.SSLContext.load_cert_chain, by data alone."""
        self._context.load_cert_chain(certfile, keyfile)

    def wrap_socket(self, sock, **options):
        """As ssl.SSLContext.wrap_socket."""
        return self._context.wrap_socket(getattr(sock, "real", sock), **options)
