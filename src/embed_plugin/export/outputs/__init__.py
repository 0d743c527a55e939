"""The end of a graph: token vectors become the output.

An output is a frozen dataclass with one function, ``finish``, from token vectors to a finished model; :mod:`.output`
has the interface. :mod:`.vector` makes one vector of a text. A further output (a score, token vectors, sparse
weights) is one more file here with a class of its own, and a case in
:func:`embed_plugin.export.checkpoint.output.read_output`, which chooses the output by the checkpoint's description. No
architecture changes: both exporters call ``finish`` alone.
"""
