"""Collections by qdrant-client: of a server, in a folder, or in memory.

gRPC's C library writes lines of its own to the terminal, about every failed handshake too; what failed is in the
exceptions as well. The level is read when the library is loaded, so it is set at import, against the rule that imports
have no effect; a level that the user has set is kept.
"""

from __future__ import annotations

import os

os.environ.setdefault("GRPC_VERBOSITY", "NONE")
