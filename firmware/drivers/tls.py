"""The TLS context of the uplink: the site's own CA, and, where the board has one, a certificate of its own.

The files lie beside config.json, in DER, which takes a third less room than PEM. The CA's file may hold several, one
after the other: two are trusted while one follows the other. The server's name and the dates of its certificate are
verified: so the clock must be set first, which tasks/publish sees to.
"""

import ssl

CA = "ca.der"
CERTIFICATE = "client.der"
KEY = "client.key"


def context(folder=""):
    """An SSLContext that trusts the site's CAs alone, or None where the board has none. ValueError for a bad file."""
    ca = _read(folder + CA)
    if ca is None:
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.verify_mode = ssl.CERT_REQUIRED
    while ca:
        end = 4 + int.from_bytes(ca[2:4], "big")  # a certificate begins with 30 82 and its length
        made.load_verify_locations(cadata=ca[:end])
        ca = ca[end:]
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
