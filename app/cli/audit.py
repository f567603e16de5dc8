"""saga audit: anchors to keep elsewhere, proofs of single events, and their check without a database."""

import os
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from app.cli.client import ask
from app.cli.errors import CliError
from app.cli.output import console, print_json, print_json_line

app = typer.Typer(
    no_args_is_help=True, help="Anchors and proofs: what shows outside of the database what is in it."
)

AnchorFile = Annotated[
    Path, typer.Option(help="A file with the anchor, as `saga audit anchor` printed it.", show_default=False)
]


@app.command()
def anchor(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 1,
) -> None:
    """Print the newest anchor: one line of JSON, to be kept where who can write to the database cannot.

    `saga verify --anchor FILE` and `saga audit check` take such lines.
    """
    found = ask(lambda client: client.anchors(limit))["anchors"]
    if not found:
        raise CliError("nothing is sealed yet")
    for each in found:
        print_json_line(each)


@app.command()
def prove(
    event: Annotated[str, typer.Argument(help="Its id or its position.", show_default=False)],
    block: Annotated[
        int | None, typer.Option(min=1, help="Up to the anchor of this block. [default: the event's own]")
    ] = None,
    anchor: Annotated[
        Path | None, typer.Option(help="Up to the newest anchor in this file.", show_default=False)
    ] = None,
) -> None:
    """Print a proof that an event is in the log which an anchor fixes, as JSON."""
    if anchor is not None:
        if block is not None:
            raise CliError("one of --block and --anchor")
        block = max((each.block for each in read_anchors([anchor])), default=None)
        if block is None:
            raise CliError(f"{anchor} has no anchor")
    print_json(ask(lambda client: client.proof(event, block)))


@app.command()
def check(
    proof: Annotated[Path, typer.Argument(help="A file with the proof.", show_default=False)],
    anchor: AnchorFile,
    as_json: Annotated[bool, typer.Option("--json", help="Print the event as JSON.")] = False,
) -> None:
    """Check a proof against an anchor, without server or database. Exits with 1 when it proves nothing."""
    from eventstore.audit.proofs import InvalidProof, check_proof  # noqa: PLC0415 - see main.py

    document = read_json(proof)
    last_block = _last_block(document)
    anchors = [each for each in read_anchors([anchor]) if last_block in (None, each.block)]
    if not anchors:
        raise CliError(f"{anchor} has no anchor of block {last_block}, up to which the proof goes")
    try:
        event = check_proof(document, anchors[0])
    except InvalidProof as error:
        raise CliError(str(error)) from None
    if as_json:
        print_json(event)
    else:
        console.print(
            f"proved: {event['type']}, {event['stream']}@{event['version']}, at position {event['position']},"
            f" recorded at {event['recorded_at']}",
            soft_wrap=True,
        )
        console.print(f"data: {event['data']}", markup=False, soft_wrap=True)
        console.print(f"metadata: {event['metadata']}", markup=False, soft_wrap=True)


def read_anchors(files: list[Path]) -> list[Any]:
    """The anchors in these files: one JSON object, an array of them, or one a line. Raises CliError."""
    from eventstore.audit.anchors import Anchor, InvalidAnchor  # noqa: PLC0415 - see main.py

    anchors = []
    for file in files:
        for document in _documents(file):
            try:
                anchors.append(Anchor.of(document))
            except InvalidAnchor as error:
                raise CliError(f"{file}: {error}") from None
    return anchors


def read_json(file: Path) -> Any:
    """Raises CliError."""
    return _parsed(file, _bytes(file))


def _documents(file: Path) -> list[Any]:
    content = _bytes(file).strip()
    if content.startswith(b"["):
        documents = _parsed(file, content)
        return documents if isinstance(documents, list) else [documents]
    if content.count(b"\n{"):
        return [_parsed(file, line) for line in content.splitlines() if line.strip()]
    return [_parsed(file, content)]


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CliError(f"cannot read {os.fspath(file)!r}: {error.strerror}") from None


def _parsed(file: Path, content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise CliError(f"{os.fspath(file)!r} is no JSON: {error}") from None


def _last_block(proof: Any) -> int | None:
    """The block whose anchor the proof needs; None when the proof is none, which its check will say."""
    try:
        return int(proof["blocks"][-1]["block"])
    except (KeyError, IndexError, TypeError, ValueError):
        return None
