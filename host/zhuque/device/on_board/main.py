"""What MicroPython runs second: the application."""

import main

main.main()
