"""A client for what is not a matter of speed."""

import socket
import time


def connect(port):
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.settimeout(10)
    return connection


def ask(connection, request):
    """Sends and reads a whole answer; its status."""
    connection.sendall(request.encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += read(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(body) < length:
        body += read(connection)
    status = int(head.split(b" ")[1])
    assert status == 200, head.decode() + "\n" + body.decode(errors="replace")
    return status


def read(connection):
    part = connection.recv(65536)
    if not part:
        raise ConnectionError("closed before the whole answer")
    return part


def get(port, request):
    with connect(port) as connection:
        return ask(connection, request)


def first(port, request):
    """Asks until the first 200."""
    end = time.monotonic() + 30
    while True:
        try:
            return get(port, request)
        except (OSError, AssertionError):
            if time.monotonic() > end:
                raise
            time.sleep(0.0003)
