"""The virtual ESP32: a serial port behind which the stock esptool and mpremote find a board, and a flash file."""
