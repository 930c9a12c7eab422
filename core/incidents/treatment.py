"""What to do next for one target, and what became of what was done before.

A treatment walks the plan of its target: it finds the next step that may be taken, hears what
plug-ins advise, remembers what was approved, and judges each action when its time is over. It
knows nothing of stages, timers or messages; the incident that owns it does.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

from msgspec import Meta, Struct, structs

from ...bus.messages import Advice, Status
from ..diagnosis.remedies import Step
from ..levels import LEVELS, Abilities, Level
from ..load import ReliefConfig
from ..playbook import Attempt, PlaybookConfig, backoff_s, open_actions
from ..policy import ActionFacts, Denied, NeedsApproval, Ruling
from ..ranking.priors import prior_of
from ..ranking.ranking import Estimate, Remedy
from ..records import Ailment
from .triage import TriageConfig
from .verify import Conclusion, Condition, VerifyConfig, conclude, condition_of

NOTIFY = "notify"  # The action that tells a person; it treats nothing.
# What is run beside the plan and leaves the target itself untouched.
ISOLATE, RELEASE = "isolate", "release"
ASIDE = (ISOLATE, RELEASE, NOTIFY)


class IncidentConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How patient an incident is with the healer itself.

    Attributes:
        consult_s: how long plug-ins may think about a proposed action.
        grace_s: so long after its own timeout an action may stay unanswered before it is asked
            for again; longer than it takes to restart an agent.
        asks: how often that is done before a person is asked.
        held_s: an incident that policy has kept from acting for so long goes to a person.
    """

    consult_s: Annotated[float, Meta(gt=0)] = 1.0
    grace_s: Annotated[float, Meta(gt=0)] = 5.0
    asks: Annotated[int, Meta(ge=0)] = 3
    held_s: Annotated[float, Meta(gt=0)] = 300.0


class Care(Struct, frozen=True, kw_only=True):
    """All that configures the healing of one target.

    Attributes:
        plan: names of the actions to try, in order.
        actions: what is known of each action that the target has.
        parts: the same for each of its replicas and each edge to it, by target.
        incident: patience with the healer.
        triage: how long to look before blaming.
        playbook: attempts, back-off, relapses.
        verify: how an action is judged.
        relief: how load is held back.
        level: how much of what mendel can do is on for it.
        drawn: metrics for which somebody has drawn a line of his own.
    """

    plan: tuple[str, ...]
    actions: Mapping[str, ActionFacts]
    parts: Mapping[str, Mapping[str, ActionFacts]] = {}
    incident: IncidentConfig = IncidentConfig()
    triage: TriageConfig = TriageConfig()
    playbook: PlaybookConfig = PlaybookConfig()
    verify: VerifyConfig = VerifyConfig()
    relief: ReliefConfig = ReliefConfig()
    level: Level = "basic"
    drawn: tuple[str, ...] = ()

    @property
    def chooses(self) -> bool:
        """Whether the next step is chosen by what is seen.

        Levels that do not diagnose walk a plan that somebody wrote as it stands, and that of its
        kind where there is nothing to choose from.
        """
        return self.abilities.diagnoses or bool(self.parts and not self.playbook.plan)

    @property
    def abilities(self) -> Abilities:
        """What its level can do."""
        return LEVELS[self.level]


class Run(Struct, frozen=True):
    """Run this action now."""

    action: ActionFacts


class AskPlugins(Struct, frozen=True):
    """Hear what plug-ins say of this action first."""

    action: ActionFacts


class AskPerson(Struct, frozen=True):
    """A person must say yes to this action first."""

    action: ActionFacts
    reason: str


class Hold(Struct, frozen=True):
    """Policy objects for now; ask again at ``retry_s``."""

    action: ActionFacts
    denied: Denied


class OnlyWatch(Struct, frozen=True):
    """Nothing may be done; this is what would be run."""

    action: str


class GiveUp(Struct, frozen=True):
    """Nothing is left that may be tried."""

    reason: str


Move = Run | AskPlugins | AskPerson | Hold | OnlyWatch | GiveUp

# Brings actions into the order in which they should be tried.
Rank = Callable[[Sequence[str]], Sequence[Estimate]]

# Of the time that an action may take it usually takes this share.
_TIMEOUT_SHARE = 0.25
# A step that helped so often, and the trouble was soon back each time, is not the cure.
_LASTING = 2
# So many of those that were weighed are told of.
_TOLD = 3


class Treatment:
    """Decide the next step for one target.

    Args:
        target: whose treatment.
        care: its configuration.
        past: attempts of an incident that this one is a relapse of.

    Attributes:
        attempts: what was tried, the present action included.
        ran: names of all actions that were started, in order.
        action: the one that was chosen last.
        is_preparing: whether that one only prepares the step of the plan (``drain``).
        is_undoing: whether that one takes back what made things worse.
        choice: why it was taken before others; empty unless experience had a say.
    """

    def __init__(self, target: str, care: Care, past: Sequence[Attempt] = ()) -> None:
        self.target = target
        self.care = care
        self.attempts: list[Attempt] = list(past)
        self.ran: list[str] = []
        self.action = ""
        self.is_preparing = False
        self.is_undoing = False
        self.choice = ""
        self._preparations: deque[str] = deque()
        self._step = ""
        self._consulted = False
        self._approved: set[str] = set()
        self._before = Condition()
        self._ill: tuple[str, ...] = ()
        self._prescribed: dict[str, Step] | None = None
        self._not_run = 0

    @property
    def was_applied(self) -> bool:
        """Whether anything was done to the target, beyond telling a person."""
        return sum(name != NOTIFY for name in self.ran) > self._not_run

    def was_not_run(self) -> None:
        """The last action was started, but nobody carried it out."""
        self._not_run += 1

    def next_move(
        self, rule: Callable[[ActionFacts], Ruling], *, observes: bool, rank: Rank | None = None
    ) -> Move:
        """Find the next step that may be taken; steps that never may are left out.

        Args:
            rule: the policy's word on an action.
            observes: nothing may be done to the target, only watched.
            rank: what experience says of the steps that are open, where the level asks for it.
        """
        config = self.care.playbook
        if sum(each.verdict == "helped" for each in self.attempts) > config.relapses:
            often = f"was healed {config.relapses + 1} times and fell ill again each time"
            return GiveUp(f"{self.target} {often}")
        while name := self._next_name(rank):
            facts = self.facts_of(name)
            if observes and facts is not None:
                return OnlyWatch(name)
            ruling = None if facts is None else rule(facts)
            if facts is None or (isinstance(ruling, Denied) and ruling.retry_s == math.inf):
                self._leave_out(name)
                continue
            self.action = name
            match ruling:
                case Denied():
                    return Hold(facts, ruling)
                case NeedsApproval(reason) if name not in self._approved:
                    return AskPerson(facts, reason)
            return Run(facts) if self._consulted else AskPlugins(facts)
        return GiveUp("nothing is left to try")

    def hear(self, advice: Sequence[Advice]) -> str:
        """Take the plug-ins' advice on the step.

        Returns:
            The vetoes in words; empty when the step may go on.
        """
        vetoes = [each.veto for each in advice if each.veto]
        if vetoes:
            self._leave_out(self._step)
            return "; ".join(vetoes)
        self._consulted = True
        step = (self._prescribed or {}).get(self._step)
        first = step.before if step is not None else ()
        before = (name for each in advice for name in each.before if name != self._step)
        self._preparations = deque(dict.fromkeys((*before, *first)))
        return ""

    def prescribe(self, steps: Sequence[Step]) -> None:
        """Choose among these from here on, in their order; the plan has no say any more."""
        self._prescribed = {step.key: step for step in steps}
        if self._step and not self._consulted and self._step not in self._prescribed:
            self._forget_step()  # What was about to be proposed is not what is needed any more.

    def follow_plan(self) -> None:
        """Nothing is prescribed: the plan of the target is walked."""
        self._prescribed = None

    @property
    def has_begun(self) -> bool:
        """Whether a step was chosen and is under way: its preparations run, or plug-ins agreed."""
        return self._consulted or bool(self._preparations)

    def was_ill(self, part: str) -> bool:
        """Whether a replica or an edge was in alarm when the last action was chosen."""
        return any(name.startswith(f"{part}: ") for name in self._ill)

    def facts_of(self, key: str) -> ActionFacts | None:
        """What is known of a step: of an action of the target, or one on a part (``drain a/1``)."""
        if self._prescribed is not None and key in self._prescribed:
            return self._prescribed[key].facts
        name, _, target = key.partition(" ")
        if not target:
            return self.care.actions.get(name)
        facts = self.care.parts.get(target, {}).get(name) or self.care.actions.get(name)
        return None if facts is None else structs.replace(facts, target=target)

    def approve(self) -> None:
        """A person said yes to the action that was chosen last."""
        self._approved.add(self.action)

    def start(self, scores: Mapping[str, float]) -> int:
        """The action that was chosen last begins.

        Args:
            scores: of the metrics in alarm, for comparison afterwards.

        Returns:
            Number of this execution in the incident, from 1.
        """
        if self.is_preparing:
            self._preparations.popleft()
        else:
            if not self.is_undoing:
                self._before = condition_of(scores)
                self._ill = tuple(scores)
                self.attempts.append(Attempt(self.action))
            self._forget_step()
        return self.count(self.action)

    def count(self, action: str) -> int:
        """Note that an action is started; returns its number in the incident."""
        self.ran.append(action)
        return len(self.ran)

    def conclude(self, status: Status, scores: Mapping[str, float]) -> Conclusion:
        """Judge the last action now that its effect has had time to show."""
        return conclude(status, self._before, condition_of(scores), self.care.verify)

    def mark(self, verdict: str) -> bool:
        """Say what the last attempt led to, unless that is known already.

        Returns:
            Whether it was not.
        """
        if not self.attempts or self.attempts[-1].verdict:
            return False
        self.attempts[-1] = Attempt(self.attempts[-1].action, verdict)
        return True

    def remedies(self, names: Sequence[str], ailment: Ailment) -> Sequence[Remedy]:
        """Actions of the target as remedies of what it suffers from."""
        return [self._remedy(name, ailment) for name in names]

    def _remedy(self, name: str, ailment: Ailment) -> Remedy:
        facts = self.facts_of(name) or ActionFacts(name=name)
        takes_s = _TIMEOUT_SHARE * facts.timeout_s + facts.settle_s
        # One that helped is among them only in a relapse, and then it did not for long.
        in_vain = (each for each in self.attempts if each.verdict not in ("", "refused"))
        return Remedy(
            action=name,
            prior=self._prior_of(name, facts, ailment),
            takes_s=takes_s,
            deadline_s=takes_s + self.care.verify.window_s,
            disruptive=facts.disruptive,
            refuted=sum(each.action == name for each in in_vain),
        )

    def _prior_of(self, name: str, facts: ActionFacts, ailment: Ailment) -> float:
        step = (self._prescribed or {}).get(name)
        return step.prior if step else prior_of(facts.name, ailment.kind, ailment.cause)

    def take_back(self) -> bool:
        """Make the action that undoes the last one the next step, and the only one left.

        Returns:
            Whether there is such an action.
        """
        facts = self.facts_of(self.action)
        if facts is None or not facts.undo:
            return False
        undo = f"{facts.undo} {facts.target}" if facts.target else facts.undo
        if self.facts_of(undo) is None:
            return False
        self._step, self._consulted, self.is_undoing = undo, True, True
        return True

    def take_up(self, attempts: Sequence[Attempt], ran: Sequence[str], running: str) -> None:
        """Go on where an earlier run of mendel stopped.

        Args:
            attempts: what was tried.
            ran: names of all actions that were started, in order.
            running: name of the action that was under way, or empty.
        """
        self.attempts, self.ran = list(attempts), list(ran)
        self.action = running or (ran[-1] if ran else "")
        if running:
            # An action without a verdict is the step itself; after a bad one only its undoing runs.
            verdict = attempts[-1].verdict if attempts else "none yet"
            self.is_undoing = verdict == "worse"
            self.is_preparing = verdict not in ("", "worse")

    @property
    def refuted(self) -> str:
        """Name of the last step of the plan that was run, or empty."""
        return self.attempts[-1].action if self.attempts else ""

    def pause_s(self) -> float:
        """How long to wait before the next attempt."""
        return backoff_s(self.attempts, self.care.playbook)

    def start_over(self) -> None:
        """Forget what was tried: a person wants the plan walked from its start."""
        self.attempts.clear()
        self.is_undoing = False
        self._forget_step()
        self._preparations.clear()

    def _next_name(self, rank: Rank | None) -> str:
        self.is_preparing = bool(self._preparations)
        if self._preparations:
            return self._preparations[0]
        if not self._step and not self.is_undoing:
            self._step = self._pick(rank)
        return self._step

    def _pick(self, rank: Rank | None) -> str:
        """The step that is due: the first that is open, or the best of these by experience."""
        names = self._open()
        self.choice = ""
        if not self.care.abilities.ranks or rank is None or len(names) < 2:
            return next(iter(names), "")
        ranked = rank(names)
        if any(each.tries for each in ranked):
            self.choice = "; ".join(each.words for each in ranked[:_TOLD])
        return ranked[0].action

    def _open(self) -> Sequence[str]:
        playbook = self.care.playbook
        # What was refuted is not repeated: a diagnosis has something else, or a person has.
        once = structs.replace(playbook, attempts=1)
        if self._prescribed is None:
            how = once if self.care.chooses and not playbook.plan else playbook
            return open_actions(self.care.plan, self.attempts, how)
        steps = open_actions(tuple(self._prescribed), self.attempts, once)
        # What helped and did not last comes after what was not tried, and not a third time.
        tries = Counter(each.action for each in self.attempts if each.verdict == "helped")
        return sorted((each for each in steps if tries[each] < _LASTING), key=tries.__getitem__)

    def _leave_out(self, name: str) -> None:
        if self.is_preparing:
            self._preparations.popleft()
        else:
            self.attempts.append(Attempt(name, "refused"))
            self._forget_step()

    def _forget_step(self) -> None:
        self._step = ""
        self._consulted = False
        self._approved.clear()
