"""The TLS context of the uplink: the site's own CA, and, where the board has one, a certificate of its own.

The files lie beside config.json, in DER, which takes a third less room than PEM. The server's name and the dates of
its certificate are verified: so the clock must be set first, which tasks/publish sees to.
"""

import ssl

CA = "ca.der"
CERTIFICATE = "client.der"
KEY = "client.key"


def context(folder=""):
    """An SSLContext that trusts the site's CA alone, or None where the board has no CA. ValueError for a bad file."""
    ca = _read(folder + CA)
    if ca is None:
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_verify_locations(cadata=ca)
    certificate, key = _read(folder + CERTIFICATE), _read(folder + KEY)
    if certificate is not None and key is not None:
        made.load_cert_chain(certificate, key)
    return made


def _read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None
