"""The site's certificate authority (P-256), the broker's certificate, and how one authority follows another.

Every site has two authorities from its first day: number 1 signs, number 2 waits, and whoever is given anything trusts
both. So the authority is changed without visiting the garage: `roll` signs the broker's certificate with the one that
waits, which every point trusts already, and makes the next. What a point trusts was issued to it (site/points.py keeps
the numbers), and `roll` is refused where one would be left behind.

`authority/current.pem`, `authority/next.pem` and `broker/server.pem` hold certificate and key in one file, so that they
are replaced together; `ca.pem` beside site.toml both authorities' certificates. A third authority, people.pem, signs
for people alone: what it signs opens the people's door of the broker and proves nothing else. Certificates are valid
from this release on, not from the moment they are made: so a clock that runs fast does no harm to them.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from zhuque.errors import RefusedError
from zhuque.site import files
from zhuque.site.settings import Settings, SiteError
from zhuque.wire.version import RELEASED

AUTHORITY_DAYS = 25 * 365
SERVER_DAYS = 5 * 365
# So long before its end a certificate is renewed by whoever looks at it, and `check` asks for it.
RENEW_DAYS = 90
CURRENT, NEXT, PEOPLE = "current", "next", "people"
_NUMBER = re.compile(r" CA (\d+)$")


@dataclass(frozen=True)
class Signer:
    """An authority with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def number(self) -> int:
        """1 for the first authority of the site, and so on."""
        return number(self.certificate)


def need_clock(now: float) -> None:
    """Raises RefusedError where this computer's clock cannot be right: what is made now would bear its dates."""
    if now < RELEASED - 86_400:
        shown = datetime.fromtimestamp(now, UTC)
        raise RefusedError(
            f"this computer's clock shows {shown:%Y-%m-%d %H:%M} UTC, before this zhuque was made:"
            " set it, then repeat the command"
        )


def create(site: Settings, now: float) -> None:
    """The two authorities of a new site, the certificate of its broker, and ca.pem."""
    need_clock(now)
    files.make_folder(site.folder / "authority")
    _write(site, CURRENT, _new(f"{site.name} CA 1", now))
    _write(site, NEXT, _new(f"{site.name} CA 2", now))
    doorkeeper = _new(f"{site.name} people", now)
    _write(site, PEOPLE, doorkeeper)
    files.make_folder(site.folder / "broker")
    files.write(site.folder / "broker" / "people.pem", _pem(doorkeeper.certificate))
    _write_trusted(site)
    renew_server(site, now)


def renew_server(site: Settings, now: float) -> None:
    """A new certificate for the broker, from the current authority. Raises RefusedError where that has expired."""
    need_clock(now)
    signer = load(site, CURRENT)
    if now > signer.certificate.not_valid_after_utc.timestamp():
        raise RefusedError(
            f"the authority {signer.number} expired on {signer.certificate.not_valid_after_utc:%Y-%m-%d}:"
            " `zhuque site roll` lets the next one follow, or set this computer's clock"
        )
    key = ec.generate_private_key(ec.SECP256R1())
    until = min(_later(now, SERVER_DAYS), signer.certificate.not_valid_after_utc)
    certificate = (
        _builder(site.broker_host, signer.certificate.subject, key, until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(_names(site.broker_host)), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_key_id(signer), critical=False)
        .sign(signer.key, hashes.SHA256())
    )
    files.write(site.folder / "broker" / "server.pem", _pem(certificate) + _key_pem(key))


def person(site: Settings, user: str) -> bytes:
    """A certificate with its key that opens the people's door of the broker; who comes in, the password says."""
    signer = load(site, PEOPLE)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(user, signer.certificate.subject, key, signer.certificate.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(_key_id(signer), critical=False)
        .sign(signer.key, hashes.SHA256())
    )
    return _pem(certificate) + _key_pem(key)


def roll(site: Settings, now: float) -> Signer:
    """The next authority becomes the current one and signs; another is made to wait. Returns the one that signs now."""
    need_clock(now)
    follows = load(site, NEXT)
    waits = _new(f"{site.name} CA {follows.number + 1}", now)
    _write(site, CURRENT, follows)
    _write(site, NEXT, waits)
    _write_trusted(site)
    renew_server(site, now)
    return follows


def trusted(site: Settings) -> list[x509.Certificate]:
    """The certificates in ca.pem. Raises SiteError."""
    try:
        return x509.load_pem_x509_certificates(site.ca.read_bytes())
    except (OSError, ValueError) as error:
        raise SiteError(
            f"{site.ca} cannot be read: {error}; put it back from a copy of the site's folder"
        ) from error


def server(site: Settings) -> x509.Certificate:
    """The broker's certificate. Raises SiteError."""
    path = site.folder / "broker" / "server.pem"
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SiteError(f"{path} cannot be read: {error}; `zhuque site renew` makes it anew") from error


def load(site: Settings, which: str) -> Signer:
    """The current, the next or the people's authority. Raises SiteError."""
    path = site.folder / "authority" / f"{which}.pem"
    try:
        content = path.read_bytes()
        certificate = x509.load_pem_x509_certificate(content)
        key = serialization.load_pem_private_key(content, None)
    except (OSError, ValueError) as error:
        raise SiteError(
            f"the authority {path} cannot be read: {error}; put it back from a copy of the site's folder"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise SiteError(
            f"{path} holds a certificate and a key that do not belong together: put it back from a copy"
        )
    return Signer(certificate, key)


def number(certificate: x509.Certificate) -> int:
    """The authority's number, from its name."""
    name = str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    found = _NUMBER.search(name)
    return int(found[1]) if found else 0


def der(certificate: x509.Certificate) -> bytes:
    """As a board keeps it."""
    return certificate.public_bytes(serialization.Encoding.DER)


def serves(certificate: x509.Certificate, host: str) -> bool:
    """True where the certificate is for this name or address."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return host in names.get_values_for_type(x509.DNSName)


def _new(called: str, now: float) -> Signer:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, called)])
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    certificate = (
        _builder(called, name, key, _later(now, AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Signer(certificate, key)


def _builder(
    subject: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, until: datetime
) -> x509.CertificateBuilder:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject[:64])])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(RELEASED - 86_400, UTC))
        .not_valid_after(until)
    )


def _names(host: str) -> list[x509.GeneralName]:
    """mbedTLS of the board compares an address with the DNS names only, OpenSSL with the addresses only."""
    names: list[x509.GeneralName] = [x509.DNSName(host)]
    with contextlib.suppress(ValueError):
        names.append(x509.IPAddress(ipaddress.ip_address(host)))
    return names


def _key_id(signer: Signer) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key())


def _later(now: float, days: int) -> datetime:
    return datetime.fromtimestamp(now, UTC) + timedelta(days=days)


def _write(site: Settings, which: str, signer: Signer) -> None:
    files.write(site.folder / "authority" / f"{which}.pem", _pem(signer.certificate) + _key_pem(signer.key))


def _write_trusted(site: Settings) -> None:
    both = load(site, CURRENT), load(site, NEXT)
    files.write(site.ca, b"".join(_pem(one.certificate) for one in both), files.PUBLIC)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
