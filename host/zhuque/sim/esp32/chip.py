"""What kind of ESP32 it is: the numbers by which tools know it, and its registers with the flash chip behind them.

Only registers that a tool reads to learn something have a value of their own (esptool 5.6, `targets/esp32*.py`, and
the technical reference manuals); any other holds what was written there, 0 at first. The flash chip is reached as on
silicon: a command byte, lengths and data are put in the SPI controller's registers, and a bit starts it.
"""

from __future__ import annotations

from dataclasses import dataclass

from zhuque.sim.esp32.flash import FlashFile

MAGIC_ADDRESS = 0x40001000
_SPI_USR = 1 << 18
_RDID, _RDSR, _RDSR2, _RDSR3 = 0x9F, 0x05, 0x35, 0x15


@dataclass(frozen=True)
class Chip:
    """`chip_id` as in the header of an image; `tells_id`: its ROM answers GET_SECURITY_INFO with it."""

    name: str
    chip_id: int
    tells_id: bool
    magic: int
    spi_base: int
    spi_usr2: int
    spi_miso_length: int
    spi_w0: int
    efuse_mac: int
    boot_offset: int
    banner: str
    registers: dict[int, int]


ESP32 = Chip(
    name="ESP32",
    chip_id=0,
    tells_id=False,
    magic=0x00F01D83,
    spi_base=0x3FF42000,
    spi_usr2=0x24,
    spi_miso_length=0x2C,
    spi_w0=0x80,
    efuse_mac=0x3FF5A004,
    boot_offset=0x1000,
    banner="ets Jul 29 2019 12:21:46",
    registers={
        0x3FF5A00C: 1 << 15 | 1 << 9,  # efuse word 3: revision, first bit; package D0WD
        0x3FF5A010: 32,  # word 4: the 8 MHz clock's calibration
        0x3FF5A014: 1 << 20 | 1 << 24,  # word 5: revision, second bit; v3.1
        0x3FF6607C: 1 << 31,  # APB date: revision, third bit
        0x3FF40014: 347,  # UART divider of 115200 baud at 40 MHz
        0x3FF5F06C: 3200 << 7,  # calibration against the crystal: 3200 x 15625 x 32 / 40 = 40 MHz
    },
)
_S3_C3 = {"tells_id": True, "spi_base": 0x60002000, "spi_usr2": 0x20, "spi_miso_length": 0x28, "spi_w0": 0x58}
ESP32S3 = Chip(
    name="ESP32-S3",
    chip_id=9,
    magic=0x9,
    efuse_mac=0x60007044,
    boot_offset=0,
    banner="ESP-ROM:esp32s3-20210327",
    registers={0x60000014: 347},
    **_S3_C3,  # type: ignore[arg-type]
)
ESP32C3 = Chip(
    name="ESP32-C3",
    chip_id=5,
    magic=0x1B31506F,
    efuse_mac=0x60008844,
    boot_offset=0,
    banner="ESP-ROM:esp32c3-api1-20210207",
    registers={0x60000014: 347},
    **_S3_C3,  # type: ignore[arg-type]
)
CHIPS = {"esp32": ESP32, "esp32s3": ESP32S3, "esp32c3": ESP32C3}


class Registers:
    """Of one chip with one MAC address, on one flash."""

    def __init__(self, chip: Chip, mac: bytes, flash: FlashFile) -> None:
        self._chip = chip
        self._flash = flash
        self._values = {MAGIC_ADDRESS: chip.magic, **chip.registers}
        self._values[chip.efuse_mac] = int.from_bytes(mac[2:], "big")
        self._values[chip.efuse_mac + 4] = int.from_bytes(mac[:2], "big") | _crc8(mac) << 16

    def read(self, address: int) -> int:
        """A word."""
        return self._values.get(address, 0)

    def write(self, address: int, value: int, mask: int) -> None:
        """The bits of the mask; at the SPI controller's first register it may start a command."""
        value = self.read(address) & ~mask | value & mask
        if address == self._chip.spi_base and value & _SPI_USR:
            self._run_flash_command()
            value &= ~_SPI_USR
        self._values[address] = value

    def _run_flash_command(self) -> None:
        chip = self._chip
        command = self.read(chip.spi_base + chip.spi_usr2) & 0xFF
        bits = self.read(chip.spi_base + chip.spi_miso_length) + 1
        answers = {_RDID: self._flash.jedec_id, _RDSR: 0, _RDSR2: 0, _RDSR3: 0}
        answer = answers.get(command, 0xFFFFFFFF)  # nobody drives the line
        self._values[chip.spi_base + chip.spi_w0] = answer & (1 << min(bits, 32)) - 1


def _crc8(mac: bytes) -> int:
    """The check byte that efuse keeps with a MAC address: polynomial 31, bits turned round."""
    crc = 0
    for byte in mac:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x8C if crc & 1 else crc >> 1
    return crc
