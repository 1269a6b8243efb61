"""Whose a table is: what a resource may do to one that is there, and what it says where not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dynamic import inputs, splits
from dynamic.deleting import Left
from dynamic.difference import difference
from dynamic.errors import ConflictError, ExistsError
from dynamic.inputs import Inputs
from dynamic.marks import Mark
from dynamic.splits import Splits
from dynamic.tables import Table, entries_of
from kube.errors import OneLineError

_ADOPT = "set the resource's `adopt` (here: `pulumi config set adoptExisting true`)"


@dataclass
class Creating:
    """The rules of a resource that no state knows yet. See `writing.Rules`.

    All that is there is somebody else's, but for what an interrupted creation of the same resource
    has left. It is written anew under another claim, so that a resource which was the same one by
    another place in the program does not delete it.
    """

    new: Inputs
    mark: Mark
    marks: bool
    """Whether tables say who keeps them."""
    replaced: list[Table] = field(default_factory=list)
    """What was adopted."""

    def is_own(self, live: Table) -> bool:
        """Whether this very creation wrote it."""
        return live.mark == self.mark

    def wrote(self, live: Table) -> bool:
        """Whether a creation of the same resource left it behind."""
        return _left_behind(live, self.mark.resource)

    def may_replace(self, live: Table) -> bool:
        """Whether it is to be adopted, or was left behind."""
        if self.wrote(live):
            return True
        if self.new.adopt:
            self.replaced[:] = [live]
        return self.new.adopt

    def refuse(self, live: Table) -> OneLineError:
        """It exists already."""
        namespace = self.new.namespace
        differs = (
            "with the same content"
            if splits.recognise(live.entries, self.new.splits) == _meaning(self.new)
            else f"with other content: {difference(live.entries, self.new.table)}"
        )
        if live.mark and live.mark.resource != self.mark.resource:
            return ExistsError(
                f"the table {namespace!r} exists already and is kept by the {live.mark.keeper}, "
                f"{differs}; if that is this resource by a former name, declare it with "
                f"`aliases=`; to take the table over, {_ADOPT}"
            )
        by = f", last changed by {live.changed_by}" if self.marks else ""
        maybe = "" if self.marks else " (a `pulumi up` whose state was not saved may have left it)"
        return ExistsError(
            f"the table {namespace!r} exists already{by}{maybe}, {differs}; if a resource of this "
            f"stack keeps it by a former name, declare that with `aliases=`; to take the table "
            f"over, {_ADOPT}"
        )


@dataclass
class Keeping:
    """The rules of a resource that the state knows. See `writing.Rules`."""

    olds: Mapping[str, Any]
    resource: str
    marks: bool
    adopts: bool = False
    """Whether to take the table over from whoever keeps it: asked for since the last time."""
    replaced: list[Table] = field(default_factory=list)

    @property
    def before(self) -> Splits:
        """The weights that the state has."""
        return inputs.weights_of(self.olds)

    @property
    def claim(self) -> str | None:
        """The resource's; None in the state of an older release."""
        return self.olds.get("claim") or None

    def is_own(self, live: Table) -> bool:
        """Whether it carries the resource's claim. Where tables carry none, each counts as own."""
        if not self.marks:
            return True
        return live.mark is not None and live.mark.claim == self.claim

    def belongs_to_another(self, live: Table) -> bool:
        """Whether another resource has written it since, or taken it over."""
        if live.mark is None or self.is_own(live):
            return False
        return self.claim is not None or not _left_behind(live, self.resource)

    def may_replace(self, live: Table) -> bool:
        """Whether it is what the state has seen, or what the resource has written itself."""
        if not self.belongs_to_another(live) and (self.wrote(live) or self.has_seen(live)):
            return True
        if self.adopts:
            self.replaced[:] = [live]
        return self.adopts

    def wrote(self, live: Table) -> bool:
        """Whether the resource wrote it as it is; a kill may have kept that out of the state."""
        return (
            live.mark is not None
            and not self.belongs_to_another(live)
            and live.mark.is_of(live.entries)
        )

    def wrote_unsaved(self, live: Table) -> bool:
        """Whether the resource wrote it as it is, and the state has something else."""
        return self.wrote(live) and not self.has_seen(live)

    def has_seen(self, live: Table) -> bool:
        """Whether it says what the state has."""
        seen = entries_of(self.olds["dtab"])
        return splits.recognise(live.entries, self.before) == splits.recognise(seen, self.before)

    def refuse(self, live: Table) -> OneLineError:
        """Somebody else has changed it."""
        namespace = self.olds["namespace"]
        if self.belongs_to_another(live):
            assert live.mark is not None  # noqa: S101  # an unmarked table is nobody's
            return ExistsError(
                f"the table {namespace!r} is kept by the {live.mark.keeper} now; nothing was "
                f"written: take one of the two out, or to take the table back, {_ADOPT} anew"
            )
        lines = difference(live.entries, entries_of(self.olds["dtab"]))
        return ConflictError(f"the table {namespace!r} was changed by {self._who(live)}: {lines}")

    def _who(self, live: Table) -> str:
        """Who changed it, as far as can be told."""
        if self.marks:
            return live.changed_by
        return f"{live.changed_by}, or by a `pulumi up` whose state was not saved"

    def may_delete(self, live: Table) -> None:
        """Raise Left for a table that another keeps by now, ConflictError for an unknown one."""
        namespace = self.olds["namespace"]
        if self.belongs_to_another(live):
            assert live.mark is not None  # noqa: S101
            raise Left(f"the table {namespace!r} stays: the {live.mark.keeper} keeps it now")
        if self.wrote(live):
            return
        if not self.has_seen(live):
            lines = difference(live.entries, entries_of(self.olds["dtab"]))
            raise ConflictError(
                f"the table {namespace!r} was changed by {self._who(live)}, and is not deleted: "
                f"{lines}; run `pulumi refresh` to take note of it"
            )
        if not self.marks and live.version != self.olds["version"]:
            raise Left(
                f"the table {namespace!r} stays: it was written since, by somebody else or by a "
                "`pulumi up` that failed; if nobody keeps it, delete it by hand"
            )


def _left_behind(live: Table, resource: str) -> bool:
    """Whether a write of the same resource, which the state does not know, made it as it is."""
    return (
        live.mark is not None and live.mark.resource == resource and live.mark.is_of(live.entries)
    )


def _meaning(new: Inputs) -> Any:
    return splits.recognise(new.table, new.splits)
