"""How the uplink comes up: Wi-Fi, time, broker. Loaded for it by tasks/publish, and forgotten until the next time."""

from drivers import memory
from drivers.mqtt import MqttError
from wire.units import const

from .forget import forget

# What is loaded to connect, and of no use afterwards.
LOADED = (
    "tasks.connect",
    "drivers.wifi_connect",
    "drivers.resolver",
    "drivers.sntp",
    "drivers.datagram",
    "drivers.mqtt_connect",
)
_TIME_AGAIN_MS = const(6 * 3600_000)
_TIME_RETRY_MS = const(60_000)
# Bytes of ESP-IDF's memory, seen on the stock image: a connection holds 30,000, and 39,000 are free when one has ended.
_TLS_TAKES = const(32_000)
_TLS_PIECE = const(17_000)  # of these in one piece: what it receives into


async def connect(config, wifi, clock, set_clock, hold_back, mqtt, topics, tls, gate):
    """Until the broker has accepted us, and is asked for these `topics`; OSError with the reason.

    `set_clock()` asks for the time when it is due, `hold_back()` waits once after a power cut. `gate` is told when
    memory is what lacks: what Python's heap once took it does not give back.
    """
    host, port = config["broker.host"], config["broker.port"]
    if config["broker.tls"] and tls is None:
        raise MqttError("broker.tls is set, but this board has no certificates: provision it again")
    # What a step loaded goes before the next one loads: on a board there is not room for all of it at once.
    await wifi.associate()
    forget(("drivers.wifi_connect",))
    await set_clock()
    await hold_back()
    if config["broker.tls"] and not clock.is_set:
        raise MqttError("the time is not known, and without it no certificate can be checked")
    address = await _address(wifi, host)
    forget(("drivers.resolver",))
    tls = tls if config["broker.tls"] else None
    try:
        await mqtt.dial(address, port, tls, host, gate)
    except (OSError, MemoryError) as e:
        left = memory.outside()
        if tls is None or left is None or (left[0] >= _TLS_TAKES and left[1] >= _TLS_PIECE):
            raise
        gate.lacks_memory()
        why = "{}; outside of the heap TLS takes {} bytes, {} in one piece: {} are left, {} in one. {}"
        then = "The board restarts when no session is open"
        raise MqttError(why.format(e, _TLS_TAKES, _TLS_PIECE, left[0], left[1], then))
    mqtt.subscribe_to([(topic, 1) for topic in topics])
    print(
        "zhuque: uplink: connected to {} port {} as {}/{}".format(host, port, config["site"], config["point"])
    )


async def ask_time(config, wifi, clock):
    """Asks for the time; returns in how many ms to ask again. Without an answer the board goes on with what it has."""
    from drivers.sntp import sntp

    try:
        await sntp(clock, await _address(wifi, config["time.host"]), config["time.port"])
    except OSError as e:
        print("zhuque: uplink: time not set: {}".format(e))
        return _TIME_RETRY_MS
    return _TIME_AGAIN_MS


async def _address(wifi, host):
    from drivers.datagram import is_numeric

    if is_numeric(host):
        return host
    from drivers.resolver import resolve

    return await resolve(host, wifi.dns)
