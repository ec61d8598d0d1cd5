"""What stands in front of the meter chip answers as the chip does, whatever happens."""

from chips.bl0910 import BL0910Chip
from meters import Remembered
from physics import Physics
from surroundings import Surroundings
from wiring import ExpanderRelays, LoopPort, PinRelays

METER = {"shunt_uohm": 1000, "divider_high_ohm": 1000000, "divider_low_ohm": 430}
PLAIN = {"inrush_ms": 0, "ramp_s": 0.0, "peak_w": 200.0}
SOCKETS = 10


def _poll(turn, audit):
    """A poll's question: fast currents, voltage, the slow set of one channel and one register."""
    addresses = [0x17 + i for i in range(SOCKETS)] + [0x16, 0x0C + turn, 0x22 + turn, 0x2F + turn, audit]
    out = bytearray(6 * len(addresses))
    for i, address in enumerate(addresses):
        out[6 * i] = 0x82
        out[6 * i + 1] = address
    return out


def _write(address, value):
    frame = bytearray((0x81, address, value >> 16, value >> 8 & 255, value & 255, 0))
    frame[5] = ~sum(frame) & 255
    return frame


class Pair:
    """The same physics with a chip of its own behind each."""

    def __init__(self):
        self.physics = Physics(SOCKETS)
        self.bare = BL0910Chip(self.physics, METER)
        self.chip = BL0910Chip(self.physics, METER)
        self.front = Remembered(self.chip, self.physics)
        self._now = 0

    def both(self, question):
        question(self.bare)
        question(self.chip)

    def ask(self, out, select=True):
        """Both must answer alike; returns the answer."""
        answers = []
        for chip, exchange in ((self.bare, self.bare.exchange), (self.chip, self.front.exchange)):
            into = bytearray(len(out))
            chip.select(0 if select else 1)
            exchange(out, into)
            chip.select(1)
            answers.append(bytes(into))
        assert answers[0] == answers[1]
        return answers[0]

    def polls(self, count=25):
        """So many, 20 ms apart; returns the last answer."""
        for i in range(count):
            self._now += 20000
            self.physics.move(self._now)
            if i % 10 == 0:
                self.physics.update(self._now)
            answer = self.ask(_poll(i % SOCKETS, 0x60 + i % 8))
        return answer


def _pair():
    pair = Pair()
    for address, value in ((0x9E, 0x5555), (0x60, 0x222220), (0x61, 0x22222), (0x96, 1 << 22), (0xCE, 0x100)):
        pair.ask(_write(address, value))
    for i in (0, 4):
        pair.physics.plug(i, PLAIN)
        pair.physics.sockets[i].commanded = True
        pair.physics.contact(i)
    return pair


def test_quiet_polls_and_the_energy_that_grows(_folder):
    pair = _pair()
    assert pair.polls(300) != bytes(90)
    count = pair.ask(_poll(0, 0x60))[6 * 13 + 2 : 6 * 13 + 5]
    assert count != b"\x00\x00\x00"


def test_a_step_is_seen_at_once(_folder):
    pair = _pair()
    before = pair.polls()
    pair.physics.overload(4, 3000.0, -1)
    after = pair.ask(_poll(4, 0x60))
    assert before[6 * 4 : 6 * 4 + 6] != after[6 * 4 : 6 * 4 + 6]
    pair.physics.unplug(4)
    assert pair.ask(_poll(4, 0x60))[6 * 4 + 2 : 6 * 4 + 5] == b"\x00\x00\x00"


def test_faults_of_the_chip_go_through_and_end(_folder):
    pair = _pair()
    pair.polls()
    for fault, mend in (
        (lambda chip: setattr(chip, "silent", True), lambda chip: setattr(chip, "silent", False)),
        (lambda chip: setattr(chip, "frozen", True), lambda chip: setattr(chip, "frozen", False)),
        (lambda chip: chip.poke(0x17, 0x123456), lambda chip: chip.poke(0x17, None)),
        (lambda chip: chip.corrupt_next(20), lambda chip: None),
    ):
        good = pair.ask(_poll(0, 0x60))
        pair.both(fault)
        bad = pair.ask(_poll(0, 0x60))
        assert bad != good or pair.chip.frozen
        pair.physics.overload(0, 500.0, -1)
        pair.polls(3)
        pair.both(mend)
        assert pair.polls(3)[:6] != good[:6]
        pair.physics.overload(0, 0.0, -1)


def test_a_register_that_is_written_counts(_folder):
    pair = _pair()
    before = pair.polls()
    pair.ask(_write(0x60, 0x111110))
    assert pair.ask(_poll(0, 0x60))[:60] != before[:60]


def test_a_chip_that_is_not_selected_answers_nothing(_folder):
    pair = _pair()
    pair.polls()
    pair.ask(_poll(0, 0x60), select=False)
    assert pair.ask(_poll(0, 0x60))[:66] != bytes(66)
    pair.ask(_poll(0, 0x60), select=False)


class _Socket:
    def __init__(self, commanded):
        self.commanded = commanded


def test_an_expander_holds_its_relays_over_a_reset_of_the_cpu(_folder):
    """Active low; a warm start finds them as they were, a cold one open."""
    section = {"chip": "pcf8574", "active_low": True, "addresses": [0x24]}
    words = []
    relays = ExpanderRelays(section, words.append)
    relays.chips[0].write(bytes([0xFF]))
    assert words == [] and relays.hold_us < 0
    relays.chips[0].write(bytes([0b11111010]))
    assert words == [0b101]
    sockets = [_Socket(True), _Socket(False), _Socket(True)]
    after, cold = ExpanderRelays(section, words.append), ExpanderRelays(section, words.append)
    after.restore(sockets, False)
    assert after.chips[0].port == 0b11111010
    after.chips[0].write(bytes([0xFF]))
    assert words == [0b101, 0]
    cold.restore(sockets, True)
    assert cold.chips[0].port == 0xFF


def test_the_coils_supply_opens_an_expanders_relays(_folder):
    words = []
    relays = ExpanderRelays(
        {"chip": "pcf8575", "active_low": False, "addresses": [0x20], "enable": 15}, words.append
    )
    relays.chips[0].write(bytes([0x01, 0x80]))
    assert words == [] and relays.hold_us == 0
    relays.enable(1)
    relays.enable(0)
    assert words == [0x8001, 0]


def test_pins_close_relays_at_their_level(_folder):
    for low in (False, True):
        words = []
        relays = PinRelays(low, words.append)
        relays.pin(0)(0 if low else 1)
        relays.pin(1)(1 if low else 0)
        relays.pin(0)(1 if low else 0)
        assert words == [1, 0]


def test_loops_on_an_expander(_folder):
    around = Surroundings()
    section = {
        "chip": "pcf8574",
        "smoke": {"bit": 1, "open_level": 1},
        "residual_current": {"bit": 2, "open_level": 0},
    }
    port = LoopPort(section, around)
    into = bytearray(1)
    port.read(into)
    assert into[0] == 0b11111101
    around.open_loop("smoke", True)
    around.open_loop("residual_current", True)
    port.read(into)
    assert into[0] == 0b11111011
