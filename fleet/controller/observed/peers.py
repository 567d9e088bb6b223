"""The peers at the controller's sockets: fleet.peers, by its name here."""

from __future__ import annotations

from fleet.peers import Peer, peer_of

__all__ = ["Peer", "peer_of"]
