"""The end of a graph: token vectors become the output.

An output is a frozen dataclass with one function, ``finish``, from token vectors to a finished model; :mod:`.output`
has the interface. :mod:`.vector` makes one vector of a text, :mod:`.score` one score of a query and a text. A further
output (token vectors, sparse weights) is one more file here with a class of its own, and a case in ``read_output`` of
:mod:`embed_plugin.export.run`, which chooses the output by the checkpoint's kind. No architecture changes: both
exporters call ``finish`` alone.
"""
