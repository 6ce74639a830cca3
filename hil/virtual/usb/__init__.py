"""Virtual chips with a USB port of their own: a pty whose name comes and goes as /dev/ttyACM0 does."""
