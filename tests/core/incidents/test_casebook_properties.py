"""What holds for a casebook whatever happens, in whatever order."""

from collections import Counter

from clinic import Clinic, a_care
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from mendel.bus.messages import Advice, RunAction, Status
from mendel.core.incidents.casefile import Stage
from mendel.core.playbook import PlaybookConfig
from mendel.core.policy import Mode, PolicyConfig

# A chain, a fork, and two that need each other.
ESTATE: dict[str, tuple[str, ...]] = {
    "db": (),
    "cart": ("db",),
    "web": ("cart", "db"),
    "left": ("right", "db"),
    "right": ("left",),
}
NAMES = st.sampled_from(list(ESTATE))
TREATED = set(Stage) - {Stage.TRIAGE, Stage.ATTRIBUTED}


class AnyCourseOfEvents(RuleBasedStateMachine):
    """Faults, cures, people, plug-ins, time and restarts of mendel, at random."""

    @initialize(
        mode=st.sampled_from(["act", "act", "act", "recommend", "observe"]),
        actions=st.integers(2, 12),
        attempts=st.integers(1, 2),
    )
    def begin(self, mode: Mode, actions: int, attempts: int) -> None:
        policy = PolicyConfig(
            mode=mode,
            component_actions=actions,
            estate_actions=2 * actions,
            blast_share=0.5,
            approve=("replace",),
        )
        playbook = PlaybookConfig(attempts=attempts, relapses=2)
        care = a_care("roll_forward", "restart", "replace", undo="roll_back", playbook=playbook)
        self.clinic = Clinic(ESTATE, care=care, policy=policy)
        self.opened: Counter[str] = Counter()
        self.closed: Counter[str] = Counter()
        self.sent: dict[str, RunAction] = {}
        self.last: dict[str, str] = {}
        self.treated: set[str] = set()
        self.clinic.on_step = self._check

    @rule(name=NAMES, metric=st.sampled_from(["ok", "answered", "load"]), score=st.floats(1, 9))
    def fall_ill(self, name: str, metric: str, score: float) -> None:
        self.clinic.sick(name, metric, score=score)

    @rule(name=NAMES)
    def crash(self, name: str) -> None:
        self.clinic.crash(name)

    @rule(name=NAMES, status=st.sampled_from([Status.SUSPECT, Status.UNKNOWN, Status.HEALTHY]))
    def clear(self, name: str, status: Status) -> None:
        self.clinic.clear(name, status)

    @rule(name=NAMES)
    def recover(self, name: str) -> None:
        self.clinic.well(name)

    @precondition(lambda self: self.clinic.running)
    @rule(
        data=st.data(),
        outcome=st.sampled_from(
            ["succeeded", "succeeded", "succeeded", "failed", "timed_out", "not_run", "unknown"]
        ),
    )
    def end_an_action(self, data: st.DataObject, outcome: str) -> None:
        self.clinic.finish(data.draw(st.sampled_from(list(self.clinic.running))), outcome)

    @rule(seconds=st.sampled_from([0.0, 0.3, 1.0, 3.0, 5.0, 16.0, 60.0, 400.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.clinic.wait(seconds)

    @rule(
        advice=st.sampled_from([None, (), (Advice(veto="no"),), (Advice(before=("drain",)),)]),
    )
    def teach_plug_ins(self, advice: tuple[Advice, ...] | None) -> None:
        self.clinic.advice = advice

    @rule(name=st.one_of(NAMES, st.just("*")), duration_s=st.sampled_from([0.0, 5.0, 100.0]))
    def pause(self, name: str, duration_s: float) -> None:
        self.clinic.pause(duration_s, name)

    @rule(name=st.one_of(NAMES, st.just("*")))
    def resume(self, name: str) -> None:
        self.clinic.resume(name)

    @precondition(lambda self: self.clinic.approvals)
    @rule(data=st.data())
    def approve(self, data: st.DataObject) -> None:
        self.clinic.approve(data.draw(st.sampled_from(self.clinic.approvals)).approval)

    @rule()
    def kill_and_start_mendel(self) -> None:
        before = self.clinic
        intents = [before.intent_of(target) for target in before.running]
        self.clinic = before.successor(*intents)
        self.clinic.on_step = self._check
        self.clinic.begin()

    def teardown(self) -> None:
        """When all is well again, nothing stays open, isolated or timed."""
        for target in ESTATE:
            while target in self.clinic.running:
                self.clinic.finish(target)
            self.clinic.clear(target)
            self.clinic.well(target)
        assert (self.clinic.book.incidents, self.clinic.isolated) == ({}, [])
        assert self.clinic.timers == {}

    def _check(self) -> None:
        clinic = self.clinic
        still_treated = self.treated & self._treated()
        for command in clinic.sent:
            self._check_command(command, still_treated)
        self.opened.update(name for _, name in clinic.opened)
        self.closed.update(clinic.ended)
        for each in (clinic.sent, clinic.opened, clinic.ended):
            each.clear()
        standing = Counter(each.name for each in clinic.book.incidents.values())
        assert self.opened == self.closed + standing
        assert set(self.opened.values()) <= {1}
        assert set(clinic.isolated) <= set(clinic.book.incidents)
        self.treated = self._treated()

    def _check_command(self, command: RunAction, still_treated: set[str]) -> None:
        first = self.sent.setdefault(command.intent, command)
        assert first == command, "an intent stands for one execution only"
        if command.action == "notify" or first is not command:
            return
        below = still_treated.intersection(self.clinic.book.topology.below(command.target))
        own = "alive" in self.clinic.alarms[command.target]
        prepared = self.last.get(command.target) == "drain"
        assert own or prepared or not below, f"{command} while {below} is treated"
        self.last[command.target] = command.action

    def _treated(self) -> set[str]:
        incidents = self.clinic.book.incidents.items()
        return {target for target, each in incidents if each.stage in TREATED}


AnyCourseOfEvents.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
test_any_course_of_events = AnyCourseOfEvents.TestCase
