"""Run ``embed-plugin`` as ``python -m embed_plugin.cli``."""

from embed_plugin.cli import main

main()
