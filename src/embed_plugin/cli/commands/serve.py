"""``embed-plugin serve``: a model folder over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from embed_plugin.extras import import_part


def serve(
    folder: Annotated[Path, typer.Argument(help="A model folder.", show_default=False)],
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8000,
    model_name: Annotated[
        str | None, typer.Option(help="What requests call the model.", show_default="its source")
    ] = None,
    keys_file: Annotated[
        Path | None, typer.Option(envvar="EMBED_PLUGIN_KEYS_FILE", help="File of keys that open it, one a line.")
    ] = None,
    keys: Annotated[
        str | None,
        typer.Option("--keys", envvar="EMBED_PLUGIN_KEYS", help="Keys, with commas between.", hidden=True),
    ] = None,
    public_without_key: Annotated[
        bool, typer.Option("--public-without-key", help="Listen beyond this machine though there is no key.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Batches encoded at the same time.", show_default="CPUs it may use")
    ] = None,
    queue_tokens: Annotated[
        int | None, typer.Option(min=1, help="Tokens that may wait.", show_default="ten seconds' work, measured")
    ] = None,
    texts: Annotated[int, typer.Option("--max-texts", min=1, help="Texts of a request.")] = 2048,
    text_characters: Annotated[int, typer.Option("--max-characters", min=1, help="Characters of a text.")] = 200_000,
    body_bytes: Annotated[int, typer.Option("--max-body-bytes", min=1, help="Bytes of a request.")] = 8 * 2**20,
    on_long: Annotated[
        Literal["truncate", "error"], typer.Option(help="What happens to a text beyond the token limit.")
    ] = "truncate",
    deadline: Annotated[float, typer.Option(help="Seconds after which a request gets 504.")] = 120.0,
    drain: Annotated[float, typer.Option(help="Seconds for requests under way after SIGTERM.")] = 30.0,
    log_level: Annotated[Literal["debug", "info", "warning", "error"], typer.Option(help="Least that is logged.")] = (
        "info"
    ),
) -> None:
    """Serve a model over HTTP: /embed, /v1/embeddings (OpenAI's), /docs for all of it, and a status page at /.

    Keys come from --keys-file or, with commas between, from the environment variable EMBED_PLUGIN_KEYS.

    Example: embed-plugin serve models/minilm-int8 --port 8000
    """
    import_part("embed_plugin.serve", extra="serve")
    # After the check: these need the extra, and take a second that other commands should not.
    from embed_plugin.encode import Encoder, EncoderSettings  # noqa: PLC0415
    from embed_plugin.serve import ServeSettings, run  # noqa: PLC0415
    from embed_plugin.serve.keys import Keys  # noqa: PLC0415
    from embed_plugin.serve.logs import configure  # noqa: PLC0415

    configure(log_level)
    settings = ServeSettings(
        host=host,
        port=port,
        model_name=model_name,
        queue_tokens=queue_tokens,
        texts=texts,
        text_characters=text_characters,
        body_bytes=body_bytes,
        on_long=on_long,
        deadline_seconds=deadline,
        drain_seconds=drain,
        public_without_key=public_without_key,
    )
    run(Encoder.load(folder, EncoderSettings(workers=workers)), settings, keys=Keys.read(keys_file, more=keys))
