"""``python -m embed_plugin.cli`` is ``embed-plugin``."""

from embed_plugin.cli import main

main()
