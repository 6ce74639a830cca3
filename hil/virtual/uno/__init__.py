"""A virtual Arduino Uno: libsimavr runs real optiboot and real sketches; see simulator/uno_board.c."""
