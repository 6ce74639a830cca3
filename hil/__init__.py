"""hil: hardware-in-the-loop tests for connected microcontrollers, judged on the broker's side."""

__version__ = "0.1.0"
