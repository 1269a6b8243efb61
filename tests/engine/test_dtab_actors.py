"""Random sequences of what several people do to one table, against a model: no update is lost.

Three stacks manage the same table, each with its own state, and somebody writes to namerd by hand.
The model knows what namerd serves and what each stack has seen of it.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dynamic.dtab import DtabProvider
from tests.engine.conftest import WAITS_ALONE
from tests.engine.tables import dtab, text
from tests.harness.faults import FaultProxy, fault_proxy, lost_answer, lost_request
from tests.harness.namerd import Namerd
from tests.provider_host import CallError, ProviderHost, Stack, provider_host

pytestmark = pytest.mark.long

WEIGHTS = st.sampled_from([0, 10, 20, 50, 99, 100])
ACTORS = st.integers(0, 2)
HANDS = st.sampled_from(["/by-hand=>/one", "/by-hand=>/two", text(10), text(33)])


def attempt(act: Callable[[], Any]) -> Any:
    """What it gives, or what its error says."""
    try:
        return act()
    except CallError as error:
        return str(error)


class Actors(RuleBasedStateMachine):
    """One table, three stacks and a hand."""

    hosts: list[ProviderHost]
    namerd: Namerd
    proxy: FaultProxy

    @initialize()
    def begin(self) -> None:
        self.proxy.clear()
        if self.namerd.get("internal") is not None:
            self.namerd.delete("internal")
        self.live: str | None = None
        self.stacks = [Stack(host, DtabProvider()) for host in self.hosts]
        self.seen: list[str | None] = [None, None, None]
        for actor in range(3):
            self.up(actor, 10, adopt=actor > 0)  # the first creates the table, the others adopt it

    @rule(actor=ACTORS, weight=WEIGHTS, adopt=st.booleans())
    def up(self, actor: int, weight: int, adopt: bool) -> None:
        stack, wanted = self.stacks[actor], text(weight)
        recorded, seen = stack.state is not None, self.seen[actor]
        said = attempt(lambda: stack.up(dtab(self.proxy.url, weight, adopt=adopt)))
        if said == "same":
            assert seen == wanted  # it did not ask what is served
        elif said in ("create", "update"):
            assert not self.may_refuse(recorded, seen, adopt, wanted)
            self.live = self.seen[actor] = wanted
        else:
            assert "somebody else" in said or "exists already" in said
            assert self.may_refuse(recorded, seen, adopt, wanted)
        assert self.namerd.get("internal") == self.live

    def may_refuse(self, recorded: bool, seen: str | None, adopt: bool, wanted: str) -> bool:
        """Whether somebody's table would be lost unseen, or get a second owner unasked."""
        if self.live is None:
            return False
        return self.live not in (seen, wanted) if recorded else not adopt

    @rule(actor=ACTORS)
    def refresh(self, actor: int) -> None:
        if self.stacks[actor].state is None:
            return
        step = self.stacks[actor].refresh()
        assert step == ("gone" if self.live is None else "read")
        self.seen[actor] = self.live

    @rule(actor=ACTORS)
    def destroy(self, actor: int) -> None:
        stack = self.stacks[actor]
        if stack.state is None:
            return
        left = self.live is not None and self.was_written_since(stack)
        said = attempt(stack.destroy)
        if said is None:
            assert self.live in (None, self.seen[actor])
            self.seen[actor] = None
            if not left:
                self.live = None
        else:
            assert "is not deleted" in said
            assert self.live not in (None, self.seen[actor])
        assert self.namerd.get("internal") == self.live

    def was_written_since(self, stack: Stack) -> bool:
        """Whether the table may have another owner by now, who declares the same."""
        assert stack.state is not None
        return bool(stack.state.outputs["version"] != self.namerd.version("internal"))

    @rule(table=HANDS)
    def write_by_hand(self, table: str) -> None:
        self.namerd.put("internal", table)
        self.live = table

    @precondition(lambda self: self.live is not None)
    @rule()
    def delete_by_hand(self) -> None:
        self.namerd.delete("internal")
        self.live = None

    @rule(method=st.sampled_from(["PUT", "POST", "DELETE"]), times=st.integers(1, 2))
    def lose_the_next_answers(self, method: str, times: int) -> None:
        self.proxy.clear()
        self.proxy.on(method, "/api/1/dtabs/", lost_answer, times)

    @rule(method=st.sampled_from(["GET", "PUT", "POST", "DELETE"]))
    def lose_the_next_request(self, method: str) -> None:
        self.proxy.clear()
        self.proxy.on(method, "/api/1/dtabs/", lost_request)


@pytest.fixture
def machine(
    shared_namerd: Namerd, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[type[Actors]]:
    """Each stack on a machine of its own; few attempts, as each conflict takes all of them."""

    def elsewhere(name: str) -> AbstractContextManager[ProviderHost]:
        home = str(tmp_path_factory.mktemp(name))
        return provider_host(module=WAITS_ALONE, PULUMI_HOME=home, LINKERD_CANARY_PATIENCE="0.05")

    with (
        fault_proxy(shared_namerd.url) as proxy,
        elsewhere("first") as first,
        elsewhere("second") as second,
        elsewhere("third") as third,
    ):
        found: Any = type("Actors", (Actors,), {})
        found.hosts, found.namerd, found.proxy = [first, second, third], shared_namerd, proxy
        yield found


def test_no_update_is_lost(machine: type[Actors]) -> None:
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=30, stateful_step_count=30, suppress_health_check=slow),
    )
