"""The genome agent: breeds while nothing is wrong, and leads what was bred through its adoption.

It begins a search when enough new incidents have been closed, when its time has come, or when a
person asks. The search runs in a process of its own (`mendel.genome.breeder`), rests while an
incident is open, and is gone on with where it was when that process, this agent or mendel has died:
every generation is in the journal before it is told. What to do with the result is decided by
`mendel.core.adoption`; carrying that out is handed in, because only the runtime can reconfigure.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import structs

from ..agents.agent import Agent, Timer, on
from ..bus.messages import (
    ActionStarted,
    AnomalyDetected,
    ConfigChanged,
    EvolutionSteered,
    GenerationBred,
    GenomeDecided,
    IncidentClosed,
    IncidentDiagnosed,
    IncidentOpened,
    ResourcesChanged,
    SearchEnded,
    ShadowDecided,
    SteerEvolution,
)
from ..core.adoption import Adoption, Deploy, Proposal, Standing, Told, Wish
from ..core.evidence import gain_of
from ..core.records import AdoptionRecord, GenomeRecord, SearchRecord
from ..errors import ConfigError, MendelError, WorkerLost
from .farm import EvolveConfig, Farm

if TYPE_CHECKING:
    from .task import Advanced, Bred

# A worker that has died so often in one search will do so again.
_LIVES = 3
_WAIT_S = 5.0
# How long the shadow or the schedule may be overdue before it is looked at.
_LOOK_S = 1.0
# An incident of five minutes is half as bad as one can be.
_HALF_S = 300.0
# Open incidents whose cause is remembered; of one more than that it is not known.
_CAUSES_MAX = 10_000


class GenomeService(Agent[EvolveConfig]):
    """Breed and adopt.

    Args:
        config: when and how.
        farm: what it cannot do itself.
    """

    Config = EvolveConfig
    name = "genome"

    def __init__(self, config: EvolveConfig, farm: Farm) -> None:
        super().__init__(config)
        self._farm = farm
        self._open: set[str] = set()
        self._new = 0
        self._is_short = False
        self._begun_s = 0.0
        self._worker: Any = None
        self._is_searching = False
        self._causes: dict[str, str] = {}

    async def on_start(self) -> None:
        """Take up what an earlier life or run left."""
        known = self.journal.breeding()
        standing = known.adoption.standing if known.adoption is not None else Standing()
        rng = random.Random(self.config.seed)  # noqa: S311  Resampling is no secret.
        self._adoption = Adoption(self.config.adoption, standing, rng.random)
        self._begun_s = self.now_s
        await self._carry_out(self._adoption.begin(self.now_s))
        if known.search is not None and not known.search.is_over and self.config.mode != "off":
            self._begin(known.search)
        self.start_timer("look", self.now_s + _LOOK_S)

    # --- what it hears ------------------------------------------------------------------------

    @on(IncidentOpened)
    def rest(self, message: IncidentOpened) -> None:
        """Healing comes first."""
        self._open.add(message.incident)
        self._pace()

    @on(ResourcesChanged)
    def yield_to_others(self, message: ResourcesChanged) -> None:
        """Evolution is the first thing that mendel does without."""
        self._is_short = not message.evolves
        self._pace()

    def _pace(self) -> None:
        if self._worker is None:
            return
        if self._open or self._is_short:
            self._worker.pause()
        else:
            self._worker.resume()

    @on(IncidentDiagnosed)
    def remember(self, message: IncidentDiagnosed) -> None:
        """What an incident is compared by."""
        if message.incident in self._open and len(self._causes) < _CAUSES_MAX:
            self._causes[message.incident] = message.cause

    @on(IncidentClosed)
    async def go_on(self, message: IncidentClosed) -> None:
        """Another incident to learn from, and perhaps to judge a canary by."""
        self._open.discard(message.incident)
        cause = self._causes.pop(message.incident, "")
        self._pace()
        if message.outcome in ("attributed", "dismissed"):
            return
        self._new += 1
        await self._judge(message, cause)
        if self.config.mode != "off" and self._new >= self.config.new_incidents:
            self._begin()

    @on(AnomalyDetected)
    async def on_alarm(self, message: AnomalyDetected) -> None:
        """An alarm counts for or against a canary."""
        await self._count(message.target)

    @on(ShadowDecided)
    async def on_shadow(self, _: ShadowDecided) -> None:
        """What the candidate would have done."""
        await self._carry_out(self._adoption.on_wish(by_candidate=True))

    @on(ActionStarted)
    async def on_action(self, message: ActionStarted) -> None:
        """So does an action."""
        await self._count(message.target)

    @on(ConfigChanged)
    async def lay_over(self, message: ConfigChanged) -> None:
        """What a person writes holds; what was bred is laid over it again, if it still fits."""
        if message.who == self.name:
            return
        self._farm.rewritten(message.source)
        if message.source:
            await self._carry_out(self._adoption.begin(self.now_s))

    async def on_timer(self, timer: Timer) -> None:
        """Look whether something is due."""
        await self._carry_out(self._adoption.on_time(self.now_s))
        is_due = self.now_s - self._begun_s >= self.config.every_s
        if is_due and self._new and self.config.mode != "off":
            self._begin()
        self.start_timer("look", self.now_s + _LOOK_S)

    @on(SteerEvolution)
    async def steer(self, message: SteerEvolution) -> EvolutionSteered:
        """Do what a person wants, or say why not."""
        try:
            return EvolutionSteered(accepted=True, reason=await self._obey(message))
        except MendelError as error:
            return EvolutionSteered(accepted=False, reason=str(error))

    # --- people -------------------------------------------------------------------------------

    async def _obey(self, message: SteerEvolution) -> str:
        adoption, who = self._adoption, message.who
        match message.wish:
            case "evolve":
                if self._is_searching or adoption.standing.is_frozen:
                    why = "a search is under way already" if self._is_searching else "it is frozen"
                    raise ConfigError(f"no search can begin: {why}")
                self._begin()
                return "a search has begun; its end is an event: mendel events search.>"
            case "promote":
                genes = self._genome(message.genome).genes
                self._farm.check(genes)
                await self._carry_out(adoption.promote(message.genome, genes, who))
            case "import":
                return await self._import(message)
            case "roll_back":
                await self._carry_out(adoption.roll_back(who))
            case "approve":
                await self._carry_out(adoption.approve(who, self.now_s))
            case "freeze" | "thaw":
                frozen = message.wish == "freeze"
                await self._carry_out(adoption.freeze(who, frozen=frozen))
            case _:
                raise ConfigError(f"evolution knows no wish {message.wish!r}")
        return f"genome {self._adoption.standing.incumbent} is in force"

    async def _import(self, message: SteerEvolution) -> str:
        self._farm.check(message.genes)
        record = GenomeRecord(
            genome=self._next_number(),
            parent=self._adoption.standing.incumbent,
            origin=message.who,
            signature="",
            genes=message.genes,
        )
        await self.journal.commit(record)
        return f"it is genome {record.genome} now; promote it to put it in force"

    def _genome(self, number: int) -> GenomeRecord:
        genomes = {each.genome: each for each in self.journal.breeding().genomes}
        if number not in genomes:
            known = ", ".join(map(str, genomes)) or "none"
            raise ConfigError(f"there is no genome {number}; there are: {known}")
        return genomes[number]

    def _next_number(self) -> int:
        return max((each.genome for each in self.journal.breeding().genomes), default=0) + 1

    # --- searching ----------------------------------------------------------------------------

    def _begin(self, left: SearchRecord | None = None) -> None:
        if self._is_searching or self._adoption.standing.is_frozen:
            return
        self._is_searching = True
        self._new, self._begun_s = 0, self.now_s
        last = self.journal.breeding().search
        number = left.search if left is not None else (last.search if last is not None else 0) + 1
        self.spawn(self._search(number, left), name=f"search {number}")

    async def _search(self, number: int, left: SearchRecord | None) -> None:
        """One search, with as many lives of its process as it is granted."""
        reason = ""
        try:
            for _ in range(_LIVES):
                try:
                    await self._breed(number, left)
                    return
                except WorkerLost as error:
                    reason = str(error)
                    left = self._kept(number)
            await self._end_search(number, 0, f"given up: {reason}")
        except MendelError as error:
            await self._end_search(number, 0, str(error))
        finally:
            self._is_searching = False

    def _kept(self, number: int) -> SearchRecord | None:
        kept = self.journal.breeding().search
        return kept if kept is not None and kept.search == number else None

    async def _breed(self, number: int, left: SearchRecord | None) -> None:
        left_state = left.state if left is not None else None
        known = [each.genes for each in reversed(self.journal.breeding().genomes)]
        job = await self._farm.job(self.config, self.config.seed + number, known, left_state)
        from .breeder import Worker  # Loaded by now, with all that is about numbers.
        from .task import Advanced, Failed

        async with Worker(job) as worker:
            self._worker = worker
            try:
                self._pace()
                while isinstance(report := await worker.report(), Advanced):
                    await self._keep(number, report)
            finally:
                self._worker = None
        if isinstance(report, Failed):
            raise ConfigError(report.reason)
        await self._found(number, report)

    async def _keep(self, number: int, report: Advanced) -> None:
        state, total = report.state, self.config.generations
        record = SearchRecord(
            search=number,
            generation=state.generation,
            generations=total,
            evaluations=state.evaluations,
            hypervolume=state.hypervolume,
            is_over=False,
            state=msgspec.to_builtins(state),
        )
        await self.journal.commit(record)
        left_s = report.wall_s / max(state.generation, 1) * max(total - state.generation, 0)
        self.publish(
            GenerationBred(
                search=number,
                generation=state.generation,
                generations=total,
                evaluations=state.evaluations,
                hypervolume=state.hypervolume,
                knee=report.knee,
                left_s=left_s,
            )
        )

    async def _found(self, number: int, bred: Bred) -> None:
        if bred.winner == bred.incumbent:
            await self._end_search(number, 0, "nothing better than the genome in force was found")
            return
        exam, rng = bred.hold_out, random.Random(number)  # noqa: S311  Likewise no secret.
        gain = gain_of(exam.incumbent, exam.candidate, rng.random)
        genes = {
            name: value for name, value in bred.winner.items() if bred.incumbent.get(name) != value
        }
        standing = self._adoption.standing
        record = GenomeRecord(
            genome=self._next_number(),
            parent=standing.incumbent,
            origin="bred",
            signature=bred.state.signature,
            # What the one in force has changed already stays part of what follows it.
            genes={**standing.incumbent_genes, **genes},
            support=bred.support,
            gain=gain.mean,
            gain_low=gain.low,
        )
        await self.journal.commit(record)
        reason = f"it saves {gain.mean:.0%} of the harm of held-out incidents"
        if bred.rehearsal is not None:
            closed = gain_of(bred.rehearsal.incumbent, bred.rehearsal.candidate, rng.random)
            reason += (
                f", and {closed.mean:.0%} of it in {len(bred.rehearsal.candidate)} simulated "
                "troubles of these components"
            )
        await self._end_search(number, record.genome, reason)
        support = bred.support if self.config.mode == "auto" else 0
        proposal = Proposal(
            genome=record.genome,
            genes=record.genes,
            support=support,
            incumbent=exam.incumbent,
            candidate=exam.candidate,
        )
        await self._carry_out(self._adoption.propose(proposal, self.now_s))

    async def _end_search(self, number: int, genome: int, reason: str) -> None:
        kept = self._kept(number)
        if kept is not None:
            await self.journal.commit(structs.replace(kept, is_over=True))
        self.publish(SearchEnded(search=number, genome=genome, reason=reason, ended_s=self.now_s))

    # --- adopting -----------------------------------------------------------------------------

    async def _count(self, target: str) -> None:
        by_candidate = self._farm.is_canary(target)
        await self._carry_out(self._adoption.on_wish(by_candidate=by_candidate))

    async def _judge(self, message: IncidentClosed, cause: str) -> None:
        lasted_s = max(message.closed_s - message.onset_s, 0.0)
        harm, is_canary = lasted_s / (lasted_s + _HALF_S), self._farm.is_canary(message.target)
        await self._carry_out(self._adoption.on_incident(harm, cause=cause, is_canary=is_canary))

    async def _carry_out(self, wishes: Sequence[Wish]) -> None:
        """Do what adoption wishes, and write down how it stands; a refusal ends a trial."""
        share = self.config.adoption.canary_share
        for wish in wishes:
            if isinstance(wish, Deploy):
                try:
                    await self._farm.deploy(wish.genes, wish.where, share)
                except MendelError as error:
                    await self._withdraw(wish, str(error))
                    return
            else:
                await self._tell(wish)

    async def _withdraw(self, deploy: Deploy, reason: str) -> None:
        """A genome that the configuration no longer takes is taken back, and so is its trial."""
        self._adoption = Adoption(
            self.config.adoption,
            structs.replace(Standing(), is_frozen=self._adoption.standing.is_frozen),
            random.Random(self.config.seed).random,  # noqa: S311  Resampling is no secret.
        )
        await self._farm.deploy({}, "everywhere", 0.0)
        await self._tell(Told("rolled_back", deploy.genome, f"it does not fit any more: {reason}"))

    async def _tell(self, told: Told) -> None:
        record = AdoptionRecord(
            decision=told.decision,
            genome=told.genome,
            reason=told.reason,
            standing=self._adoption.standing,
        )
        await self.journal.commit(record)
        self.publish(
            GenomeDecided(
                decision=told.decision,
                genome=told.genome,
                reason=told.reason,
                decided_s=self.now_s,
            )
        )
