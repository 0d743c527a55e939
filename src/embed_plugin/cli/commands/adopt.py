"""``embed-plugin adopt``: take over a collection that another program made."""

from __future__ import annotations

from dataclasses import asdict

from embed_plugin.cli.options.collection import CollectionOptions, JsonFile
from embed_plugin.cli.options.groups import with_option_groups
from embed_plugin.cli.options.model import Model, load_encoder
from embed_plugin.cli.options.progress import Quiet
from embed_plugin.cli.reports.output import print_facts, write_json
from embed_plugin.cli.reports.progress import Amount, shown_progress
from embed_plugin.cli.stopping import stoppable
from embed_plugin.extras import import_part


@with_option_groups
def adopt(*, model: Model, target: CollectionOptions, quiet: Quiet = False, json_file: JsonFile = None) -> None:
    """Take over a collection that LangChain, LlamaIndex or another program made, if its vectors are this model's.

    A sample of its texts is embedded again and compared; then the model's fingerprint is written on the collection, and
    ingest, search, verify and migrate work on it. Its points stay as they are.

    Example: embed-plugin adopt --model models/minilm-int8 --to http://localhost:6333 --collection docs
    """
    import_part("embed_plugin.ingest", extra="ingest")
    with stoppable("Stopping"), target.opened() as sink:
        encoder = load_encoder(model)
        with shown_progress("adopt", quiet=quiet) as show:
            found = sink.adopt(encoder, on_progress=lambda done, total: show(Amount(done, total, "point")))
    if json_file:
        write_json(asdict(found), json_file)
        return
    result = "taken over" if found.adopted else "this model's already: nothing was written"
    facts: dict[str, object] = {"points": f"{found.points:,}", "layout": found.layout}
    facts |= {"vector": repr(found.vector)} if found.vector else {}
    if found.adopted:
        facts["embedded again"] = f"{found.sampled:,}, least cosine {found.least_cosine:.4f}"
    print_facts({**facts, "result": result})
