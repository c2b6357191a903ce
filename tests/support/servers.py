# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server whose clients a function handles, each in a thread of its own."""

from __future__ import annotations

import contextlib
import socket
import threading


class Server:
    """Listens on loopback, or on a socket at a path. handle(connection, over) has a connection until it returns; over is set at the end of the server."""

    def __init__(self, handle, port=0, path=None):
        self.handle = handle
        self.listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(str(path) if path else ("127.0.0.1", port))
        self.listener.listen(128)
        self.port = None if path else self.listener.getsockname()[1]
        self.over = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _peer = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection):
        with connection, contextlib.suppress(OSError):
            self.handle(connection, self.over)

    def close(self):
        self.over.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def everything(connection):
    """Everything that is sent until the other side closes."""
    return b"".join(iter(lambda: connection.recv(65536), b""))
