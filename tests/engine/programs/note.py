"""A file with a text, as a resource: what is live is seen without any server."""

import os
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, ReadResult, Resource, ResourceProvider, UpdateResult


class _Provider(ResourceProvider):
    def create(self, props: dict[str, Any]) -> CreateResult:
        Path(props["path"]).write_text(props["text"])
        return CreateResult(props["path"], props)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        if not Path(id_).exists():
            return ReadResult("", {})
        live = {**props, "text": Path(id_).read_text()}
        return ReadResult(id_, live, live)

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        Path(news["path"]).write_text(news["text"])
        return UpdateResult(news)

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        Path(props["path"]).unlink(missing_ok=True)


class Note(Resource, module="test", name="Note"):
    """A file with a text."""

    text: pulumi.Output[str]

    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(_Provider(), name, {"path": path, "text": text})


note = Note("note", os.environ["NOTE_PATH"], os.environ["NOTE_TEXT"])
pulumi.export("text", note.text)
