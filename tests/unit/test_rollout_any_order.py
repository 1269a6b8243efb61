"""A rollout whose processes are killed, and whose updates fail, hang on or come late, in any order.

Whatever happens, the rollout takes no weight that an update of its own wrote for another's, and
never writes less than is in force but 0.
"""

from enum import Enum, auto

from hypothesis import given
from hypothesis import strategies as st

from canary.rollout.events import (
    Begun,
    Event,
    InForce,
    Looked,
    NotDone,
    Resumed,
    Unseen,
    Wish,
    Wished,
)
from canary.rollout.machine import Rollout, replayed
from canary.rollout.phase import Action, End, Look, SetWeight
from canary.rollout.plan import Plan
from tests.unit.test_rollout_machine import FAILING, LIMITS, NOTHING, healthy

PLAN = Plan("world", "world-v1", "world-v2", LIMITS, (1, 5, 10, 100), pauses=(5,))


class Does(Enum):
    """What happens next."""

    WELL = auto()
    """It looks and finds no fault, or writes."""
    INTERVAL = auto()
    """As often as a step needs."""
    NOTHING = auto()
    """It looks and finds no traffic; an update fails before it has written."""
    BADLY = auto()
    """The canary fails; an update fails after it has written."""
    UNSEEN = auto()
    """It cannot look; an update has written, and that cannot be read."""
    PROMOTE = auto()
    FULL = auto()
    KILL = auto()
    """The process, before an update has begun; another one goes on."""
    KILL_LATE = auto()
    """The process; its update goes on with the stack's lock."""
    LANDS = auto()
    """Such an update writes and ends."""


class World:
    """One stack, and its rollout by whichever process."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.rollout = Rollout.of(PLAN)
        self.events: list[Event] = []
        self.table = 0.0
        self.under_way: float | None = None
        """What the update of a process that was killed will write."""
        self.action: Action = Look(0)
        self.take(Begun(self.now, 0))

    def take(self, event: Event) -> None:
        self.events.append(event)
        taken = self.rollout.take(event)
        self.rollout, self.action = taken.rollout, taken.action

    @property
    def ours(self) -> set[float | None]:
        """What a driver takes for this rollout's own."""
        return {self.rollout.weight, self.rollout.wanted, self.rollout.tried}

    def does(self, what: Does) -> None:
        self.now += 10
        if what in (Does.PROMOTE, Does.FULL):
            wish = Wish.FULL if what is Does.FULL else Wish.PROMOTE
            self.take(Wished(self.now, wish, "bob@ws8"))
        elif what is Does.LANDS:
            self.lands()
        elif what in (Does.KILL, Does.KILL_LATE):
            self.is_killed(late=what is Does.KILL_LATE)
        elif isinstance(self.action, SetWeight):
            self.take(self.write(self.action.weight, what))
        else:
            self.look(what)

    def lands(self) -> None:
        if self.under_way is not None:
            self.table, self.under_way = self.under_way, None

    def is_killed(self, *, late: bool) -> None:
        if late and isinstance(self.action, SetWeight) and self.under_way is None:
            self.under_way = self.action.weight
        self.rollout = replayed(PLAN, self.events)
        self.resume()

    def resume(self) -> None:
        if self.rollout.can_resume:
            assert self.rollout.phase.goes_back or self.table in self.ours
            self.take(Resumed(self.now, self.table, "bob@ws8"))

    def write(self, weight: float, what: Does) -> Event:
        if weight:
            assert self.table in self.ours, "it takes its own update for another's"
            assert weight >= self.table, "it goes back, but not to 0"
        if self.under_way is not None:
            return NotDone(self.now, "the stack is locked")
        if what is Does.NOTHING:
            return NotDone(self.now, "the program refuses")
        self.table = weight
        if what is Does.UNSEEN:
            return NotDone(self.now, "the cluster cannot be reached")
        if what is Does.BADLY:
            # As `Stack.write` reports it: a weight that was in force before is no news.
            changes = weight and weight != self.rollout.weight
            return NotDone(self.now, "node-2 does not follow", weight if changes else None)
        return InForce(self.now, weight, 7)

    def look(self, what: Does) -> None:
        going_back = self.rollout.phase.goes_back
        assert going_back or self.table in self.ours, "it takes its own update for another's"
        if self.table == self.rollout.tried != self.rollout.weight and not going_back:
            self.take(NotDone(self.now, "its update did not come to its end here", self.table))
            return
        if what is Does.UNSEEN:
            self.take(Unseen(self.now, "503"))
            return
        strata = {Does.NOTHING: NOTHING, Does.BADLY: FAILING}
        found = strata.get(what, healthy(self.table))
        for _ in range(6 if what is Does.INTERVAL else 1):
            if isinstance(self.action, Look):
                self.now += 10
                self.take(Looked(self.now, (found,)))


@given(st.lists(st.sampled_from(Does), min_size=1, max_size=60))
def test_no_update_of_its_own_is_anothers(happenings: list[Does]) -> None:
    world = World()
    for each in happenings:
        if isinstance(world.action, End):
            world.resume()
        if isinstance(world.action, End):
            break
        world.does(each)
