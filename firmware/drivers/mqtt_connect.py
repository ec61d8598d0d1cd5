"""How an MQTT connection is made: socket, TLS, CONNECT, CONNACK. Loaded for it, and forgotten until the next one."""

import asyncio
import socket
from errno import EINPROGRESS

from wire.units import const

from .datagram import open_socket
from .mqtt import MqttError
from .mqtt_packet import framed
from .waiting import readable, writable

_GATE_MS = const(200)
_CONNACK_LENGTH = const(4)
_CONNACK = const(0x20)
_REFUSALS = {
    1: "it does not speak MQTT 3.1.1",
    2: "it does not accept the client id",
    3: "it is not available now",
    4: "user name or password is wrong",
    5: "not authorised",
}


async def connect(login, host, port, tls, name, gate, timeout_ms):
    """The socket of a connection that the broker has accepted; what MqttClient.connect says of the arguments holds.

    `login` is (client id, user, password, keepalive in s, will). MqttError where there is none.
    """
    sock, address = open_socket(host, port, socket.SOCK_STREAM)
    try:
        return await asyncio.wait_for_ms(_open(sock, address, hello(*login), tls, name, gate), timeout_ms)
    except BaseException as e:
        sock.close()
        if isinstance(e, asyncio.TimeoutError):
            e = MqttError("{} port {} did not accept us within {} ms".format(host, port, timeout_ms))
        elif isinstance(e, ValueError):
            # How MicroPython says that a certificate failed its check, or had no room to be checked in.
            why = str(e) or "no reason is given"
            e = MqttError("the broker's certificate is not accepted: {}".format(why))
        elif isinstance(e, OSError) and not isinstance(e, MqttError):
            e = MqttError("no connection to {} port {}: {}".format(host, port, e))
        raise e


async def _open(sock, address, greeting, tls, name, gate):
    try:
        sock.connect(address)
    except OSError as e:
        if e.errno != EINPROGRESS:
            raise
    await writable(sock)
    if tls is not None:
        while gate is not None and not gate.may_shake_hands():
            await asyncio.sleep_ms(_GATE_MS)
    try:
        if tls is not None:
            sock = tls.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False)
        await _greet(sock, greeting)
    except BaseException:
        sock.close()  # with TLS the caller knows only the socket beneath
        raise
    finally:
        if tls is not None and gate is not None:
            gate.shook_hands()
    return sock


async def _greet(sock, greeting):
    at = 0
    while at < len(greeting):
        at += sock.write(greeting[at:]) or 0
        if at < len(greeting):
            await writable(sock)
    answer = bytearray(_CONNACK_LENGTH)
    at = 0
    while at < _CONNACK_LENGTH:
        await readable(sock)
        got = sock.readinto(memoryview(answer)[at:])
        if got == 0:
            raise MqttError("the broker hung up before it accepted us")
        at += got or 0
    why = refusal(answer)
    if why:
        raise MqttError(why)


def hello(client_id, user, password, keepalive_s, will):
    """CONNECT with a clean session; an empty password is sent as none, for it needs no user either."""
    flags = 0x02
    texts = [client_id]
    if will:
        flags |= 0x2C  # will, QoS 1, retained
        texts += will
    if user and password:
        flags |= 0xC0
        texts += [user, password]
    body = bytearray(b"\x00\x04MQTT\x04")
    body.append(flags)
    body += keepalive_s.to_bytes(2, "big")
    for text in texts:
        raw = text if isinstance(text, (bytes, bytearray)) else text.encode()
        body += len(raw).to_bytes(2, "big")
        body += raw
    return framed(0x10, body)


def refusal(answer):
    """Why a CONNACK of four bytes does not accept us, None where it does."""
    if answer[0] != _CONNACK or answer[1] != 2 or answer[2] & 0xFE:
        return "what answers is no MQTT broker"
    if answer[3]:
        return "the broker refuses: {}".format(_REFUSALS.get(answer[3], "return code {}".format(answer[3])))
    if answer[2]:
        return "a session is present, but a clean one was asked for"
    return None
