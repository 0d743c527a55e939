"""Watches all connections: closes those whose client is too slow, and those beyond what one address may have.

It looks at all of them four times a second. A timer for each step of a connection, stopped by a byte and not started
again, would hold it for ever.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING

from embed_plugin.serve.connections.connection import network_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from embed_plugin.serve.connections.connection import WatchedConnection
    from embed_plugin.serve.settings import ServeSettings

UNFINISHED_OF_AN_ADDRESS = 32
"""Most connections of one address that have not sent a whole request yet; those of a trusted proxy are not counted."""

KEEP_ALIVE_SECONDS = 75
"""Time limit of an idle connection. Longer than that of clients and proxies (5 to 60 s), so that they close it and no
request is sent into a connection that this service has just closed."""

SEND_SECONDS = 60.0
"""Time limit for a client to read the next part of its response."""

UNREAD_BYTES = 64 * 2**20
"""Memory for all responses that are not read; beyond it the one that has been unread for longest is dropped."""

TICK_SECONDS = 0.25

SETTLED_SECONDS = 2 * TICK_SECONDS
"""Connections count when they have been unfinished for so long: a client that opens a hundred at once sends a request
on each at once too."""

ROOM_SHARE = 20
"""When all connections are taken, one in so many is closed, so that not every new one has to look for room."""


class ConnectionWatch:
    """The connections of one server.

    Attributes:
        now: Seconds by a clock that stands still while the event loop is busy: what clients have sent meanwhile is read
            before they are called slow.
        connections: All that are open.
    """

    def __init__(self, settings: ServeSettings) -> None:
        self.now = 0.0
        self._settings = settings
        self.connections: set[WatchedConnection] = set()

    async def run(self) -> None:
        """Look after the connections until cancelled."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.tick()

    def tick(self) -> None:
        """Close what is too slow or too much."""
        self.now += TICK_SECONDS
        for connection in list(self.connections):
            connection.note()
            connection.note_unread()
            if self._is_overdue(connection):
                connection.transport.close()
        self._cut_off_unread()
        settled = self.now - SETTLED_SECONDS
        unfinished = (each for each in self.connections if each.is_unfinished and each.since <= settled)
        for group in self._by_address(unfinished):
            for connection in group[:-UNFINISHED_OF_AN_ADDRESS]:
                connection.transport.close()

    def _cut_off_unread(self) -> None:
        """Drop responses that are not read for too long, or take too much memory together."""
        unread = sorted((each for each in self.connections if each.unread[0]), key=lambda each: each.unread[1])
        total = sum(each.unread[0] for each in unread)
        for connection in unread:
            size, since = connection.unread
            if total > UNREAD_BYTES or self.now - since > SEND_SECONDS:
                connection.transport.abort()
                total -= size

    def add(self, connection: WatchedConnection) -> None:
        """Watch a connection. When all are taken, the address with the most that wait makes room."""
        self.connections.add(connection)
        if len(self.connections) < self._settings.connections:
            return
        waiting = (each for each in self.connections if each.is_waiting and each is not connection)
        most = max(self._by_address(waiting), key=len, default=[])
        most.sort(key=lambda each: not each.is_unfinished)
        for each in most[: 1 + self._settings.connections // ROOM_SHARE]:
            each.transport.abort()

    def remove(self, connection: WatchedConnection) -> None:
        """Forget a connection that was lost."""
        self.connections.discard(connection)

    def _is_overdue(self, connection: WatchedConnection) -> bool:
        if connection.is_answering:  # the limits of the request apply, those of its body too
            return False
        is_kept_alive = connection.receiving == "nothing" and connection.whole
        limit = KEEP_ALIVE_SECONDS if is_kept_alive else self._settings.receive_seconds
        return self.now - connection.since > limit

    def _by_address(self, connections: Iterable[WatchedConnection]) -> list[list[WatchedConnection]]:
        """Group connections by address, in each group the one first that has been silent for longest."""
        groups: dict[str, list[WatchedConnection]] = defaultdict(list)
        for each in connections:
            host = each.client[0] if each.client else ""
            if not each.transport.is_closing() and not self._settings.trusts(host):
                groups[network_of(host)].append(each)
        return [sorted(group, key=lambda each: each.active) for group in groups.values()]
