"""``embed-plugin serve``: serve model folders over HTTP."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from embed_plugin.cli.options.groups import OptionGroup, with_option_groups
from embed_plugin.errors import InvalidInputError
from embed_plugin.extras import import_part

if TYPE_CHECKING:
    from embed_plugin.serve import ServeSettings


@dataclass(frozen=True, kw_only=True)
class ServeOptions(OptionGroup, panel="Service"):
    """The fields of ``ServeSettings``."""

    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8000
    model_names: Annotated[
        list[str] | None,
        typer.Option(
            "--model-name",
            help="What requests call a model; repeatable, in the order of the folders.",
            show_default="its source",
        ),
    ] = None
    public_without_key: Annotated[
        bool,
        typer.Option(
            "--public-without-key", help="Listen beyond this machine though there is no key.", rich_help_panel="Keys"
        ),
    ] = False
    queue_tokens: Annotated[
        int | None,
        typer.Option(
            min=1, help="Tokens that may wait.", show_default="ten seconds' work, measured", rich_help_panel="Limits"
        ),
    ] = None
    texts: Annotated[int, typer.Option("--max-texts", min=1, help="Texts of a request.", rich_help_panel="Limits")] = (
        2048
    )
    text_characters: Annotated[
        int, typer.Option("--max-characters", min=1, help="Characters of a text.", rich_help_panel="Limits")
    ] = 200_000
    body_bytes: Annotated[
        int, typer.Option("--max-body-bytes", min=1, help="Bytes of a request.", rich_help_panel="Limits")
    ] = 8 * 2**20
    on_long: Annotated[
        Literal["truncate", "error"],
        typer.Option(help="What happens to a text beyond the token limit.", rich_help_panel="Limits"),
    ] = "truncate"
    deadline_seconds: Annotated[
        float, typer.Option("--deadline", help="Seconds after which a request gets 504.", rich_help_panel="Limits")
    ] = 120.0
    drain_delay_seconds: Annotated[
        float,
        typer.Option(
            "--drain-delay",
            help="Seconds after SIGTERM in which it is not ready and still serves.",
            rich_help_panel="Limits",
        ),
    ] = 5.0
    drain_seconds: Annotated[
        float,
        typer.Option("--drain", help="Seconds for requests under way after that.", rich_help_panel="Limits"),
    ] = 30.0
    root_path: Annotated[
        str, typer.Option(help="Path under which a proxy shows it, such as /embeddings.", rich_help_panel="Proxy")
    ] = ""
    proxy_headers: Annotated[
        bool,
        typer.Option(
            "--proxy-headers",
            help="Believe X-Forwarded-For and X-Forwarded-Proto of trusted proxies.",
            rich_help_panel="Proxy",
        ),
    ] = False
    trusted_proxies: Annotated[
        list[str] | None,
        typer.Option(
            "--trusted-proxy",
            help="Address or network of a proxy; repeatable.",
            show_default="loopback, with --proxy-headers",
            rich_help_panel="Proxy",
        ),
    ] = None

    def settings(self) -> ServeSettings:
        """Make the settings."""
        from embed_plugin.serve import ServeSettings  # noqa: PLC0415 - needs the extra

        try:
            return ServeSettings(**self.given())
        except InvalidInputError as error:
            raise typer.BadParameter(str(error)) from error


@with_option_groups
def serve(
    folders: Annotated[list[Path], typer.Argument(help="Model folders.", show_default=False)],
    *,
    options: ServeOptions,
    keys_file: Annotated[
        Path | None,
        typer.Option(
            envvar="EMBED_PLUGIN_KEYS_FILE", help="File of keys that open it, one a line.", rich_help_panel="Keys"
        ),
    ] = None,
    keys: Annotated[
        str | None,
        typer.Option("--keys", envvar="EMBED_PLUGIN_KEYS", help="Keys, with commas between.", hidden=True),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Batches encoded at the same time.", show_default="CPUs it may use", rich_help_panel="Service"
        ),
    ] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        typer.Option(help="Least that is logged.", rich_help_panel="Service"),
    ] = "info",
) -> None:
    """Serve models over HTTP: /embed, /v1/embeddings (OpenAI's), /rerank, /docs for all of it, and a status page at /.

    Keys come from --keys-file or, with commas between, from the environment variable EMBED_PLUGIN_KEYS.

    Example: embed-plugin serve models/minilm-int8 --port 8000
    """
    import_part("embed_plugin.serve", extra="serve")
    # Imported after the check for the extra, and here: they take a second that other commands are spared.
    from embed_plugin.encode import EncoderSettings  # noqa: PLC0415
    from embed_plugin.serve import run  # noqa: PLC0415
    from embed_plugin.serve.keys import Keys  # noqa: PLC0415
    from embed_plugin.serve.logs import configure  # noqa: PLC0415
    from embed_plugin.serve.models.loading import load_models  # noqa: PLC0415

    configure(log_level)
    settings = options.settings()
    if hasattr(signal, "SIGHUP"):  # which would end it; from then on that it serves, it reads the keys again
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    models = load_models(folders, EncoderSettings(workers=workers))
    run(models, settings, keys=Keys.read(keys_file, more=keys))
