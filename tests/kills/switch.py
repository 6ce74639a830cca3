"""The power switch of a standing board, as a command: `switch.py FOLDER NAME on|off|status`.

It gives the board's control port the order, and writes what it did, when, and for which run, into NAME.diary, one JSON
object a line: a witness that owes nothing to the harness. Little of the standard library: it is started often.
"""

import json
import os
import socket
import sys
import time

ORDERS = {"on": "power-on", "off": "power-off", "status": "state"}


def main(folder: str, name: str, word: str) -> int:
    """0 once it is done; 1 if the board's program does not answer."""
    with open(f"{folder}/{name}.json") as file:
        offered = json.load(file)
    host, _, port = offered["control"].rpartition(":")
    order = {"token": offered["token"], "do": ORDERS[word]}
    with socket.create_connection((host, int(port)), timeout=10) as connection, connection.makefile("rb") as answers:
        connection.sendall(json.dumps(order).encode() + b"\n")
        answer = json.loads(answers.readline())
    if not answer.get("ok"):
        print(f"switch of {name}: {answer.get('error')}", file=sys.stderr)
        return 1
    if word == "status":
        print("on" if answer["power"] else "off")
    else:
        with open(f"{folder}/{name}.diary", "a") as diary:
            entry = {"monotonic": time.monotonic(), "on": word == "on", "run": os.environ.get("HIL_KILLS", "")}
            diary.write(json.dumps(entry) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
