"""What evolution may change in how incidents are healed, and the task of breeding it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct, structs

from ..core.detect import DEFAULT_THRESHOLDS
from ..core.playbook import DEFAULT_PLANS, PlaybookConfig
from ..core.policy import PolicyConfig
from ..core.ranking import RankingConfig
from ..core.topology import Kind
from ..core.triage import TriageConfig
from ..core.verify import VerifyConfig
from ..core.watch import WatchConfig
from .evaluate import HealingTrial
from .history import History, Means, PastIncident
from .space import Genome, Space
from .task import Task
from .walk import TrialConfig


class HealingGenome(Struct, frozen=True, kw_only=True):
    """All configs that decide about incidents.

    Attributes:
        watch: when something is noticed.
        triage: how long to look before blaming.
        verify: how an action is judged.
        ranking: how experience is weighed.
        playbooks: what is tried, by kind of component.
    """

    watch: WatchConfig = WatchConfig()
    triage: TriageConfig = TriageConfig()
    verify: VerifyConfig = VerifyConfig()
    ranking: RankingConfig = RankingConfig()
    playbooks: dict[Kind, PlaybookConfig] = {}

    def fitting(self, history: History) -> HealingGenome:
        """The same with everything spelled out that a history can tell about.

        Metrics that were read get their default line written down, and kinds that had incidents
        their default plan, less what nobody ever ran: so their genes are there to be searched.
        """
        metrics = {name for each in history.incidents for name in each.metrics}
        lines = {name: line for name, line in DEFAULT_THRESHOLDS.items() if name in metrics}
        kinds = dict.fromkeys(each.ailment.kind for each in history.incidents)
        return structs.replace(
            self,
            watch=structs.replace(self.watch, thresholds=lines | self.watch.thresholds),
            playbooks=self.playbooks | {kind: self._spelled(kind, history) for kind in kinds},
        )

    def _spelled(self, kind: Kind, history: History) -> PlaybookConfig:
        playbook = self.playbooks.get(kind, PlaybookConfig())
        known = history.means.get(kind, {})
        plan = tuple(name for name in playbook.plan or DEFAULT_PLANS[kind] if name in known)
        return structs.replace(playbook, plan=plan)

    def parts(self) -> Genome:
        """The configs by name, as a `Space` has them."""
        shared = {name: getattr(self, name) for name in _SHARED}
        return shared | {f"playbook/{kind}": each for kind, each in self.playbooks.items()}


_SHARED = ("watch", "triage", "verify", "ranking")


class HealingJob(Struct, frozen=True, kw_only=True):
    """What a worker needs to breed a `HealingGenome`.

    Attributes:
        genome: the one in force, spelled out.
        train: incidents to search by; chances are learned from them.
        validation: incidents to choose the winner by.
        hold_out: incidents to measure it by, used once.
        means: see `History`.
        trial: how candidates are judged.
        policy: limits that hold for every candidate.
        known: genes of further candidates to start from, such as the last front.
    """

    genome: HealingGenome
    train: tuple[PastIncident, ...]
    validation: tuple[PastIncident, ...]
    hold_out: tuple[PastIncident, ...]
    means: Mapping[str, Mapping[str, Means]] = {}
    trial: TrialConfig = TrialConfig()
    policy: PolicyConfig = PolicyConfig()
    known: tuple[dict[str, object], ...] = ()


def healing_task(payload: bytes) -> Task:
    """Make the task of a worker.

    Args:
        payload: a `HealingJob` in MessagePack.

    Raises:
        ConfigError: there is no incident in one of the lots.
    """
    job = msgspec.msgpack.decode(payload, type=HealingJob)
    space = Space(job.genome.parts())
    known = History(incidents=job.train, means=job.means)

    def trial(incidents: tuple[PastIncident, ...]) -> HealingTrial:
        return HealingTrial(space, incidents, known, job.trial, job.policy)

    return Task(
        space=space,
        trial=trial(job.train),
        known=[
            space.encode(space.base),
            space.read_what_fits({}),
            *(space.read_what_fits(each) for each in job.known),
        ],
        validate=trial(job.validation).by_incident,
        hold_out=trial(job.hold_out).by_incident,
    )
