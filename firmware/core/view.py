"""What a point says of itself every few seconds: `telemetry`, but for what only the tick knows."""

from .supply import UNKNOWN_DC


def telemetry(point, uptime_ms, unix):
    """The `telemetry` message; what the meter does not give now is null, never the value it gave last."""
    reading = point.reading
    rows = []
    for i, session in enumerate(point.sessions):
        heard = reading.slow_ok[i]
        current_ma = reading.current_ma[i] if heard else None
        power_mw = reading.power_mw[i] if heard else None
        rows.append([session.state, current_ma, power_mw, session.energy_mwh])
    voltage_mv = reading.voltage_mv if reading.voltage_ok else None
    temperature_dc = None if reading.temperature_dc == UNKNOWN_DC else reading.temperature_dc
    return {
        "time": unix,
        "uptime_ms": uptime_ms,
        "voltage_mv": voltage_mv,
        "temperature_dc": temperature_dc,
        "sockets": rows,
    }
