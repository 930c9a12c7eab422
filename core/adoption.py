"""How a candidate becomes the config in force, step by step, and how it is taken back.

    idle --proposed, gate passed--> shadow --as calm as the incumbent--> canary --proven--> idle
      ^                               |                                    |     (promoted)
      |------------- rejected --------+--------- rolled back --------------+

In *shadow* the candidate only decides, and nothing of it is carried out; in the *canary* it runs on
a share of the components that chance picked. The one in force before stays beside it as the *last
good* one, so that taking back needs no search and no history. What is in force is held to what it
did in its canary (`mendel.core.promise`): when it drifts away from that, a person is told, and it
is taken back if the policy says so. A person may promote, roll back and freeze at any time; where
history does not support what the candidate wants to change, a person has to agree before the canary
begins.

Turned down: promoting what did best in replay. What the model likes best is what it is most wrong
about; `benchmarks/adoption.py` measures how often that harms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, structs

from ..errors import ConfigError
from .evidence import Gain, Pairing, Wager, gain_of
from .promise import Promise

Genes = Mapping[str, Any]
Where = Literal["shadow", "canary", "everywhere", "nowhere"]


class AdoptionConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much proof a candidate needs.

    Attributes:
        alpha: chance of a false proof, at the gate and in the canary each.
        tolerance: so much worse an objective may be, as a share.
        shadow_s: how long a candidate only decides.
        alarms: alarms and actions it may wish for beyond twice those of the one in force.
        canary_share: of the components.
        canary_pairs: incidents in the canary, each beside one outside of it, after which it ends
            unproven.
        margin: harm by which the canary may be worse and still be promoted, on a scale where 1 is
            the worst that an incident can be. With 0 it has to be proven better.
        support: observations that make history a support.
        drift: harm beyond what a genome in force has promised that is borne, on the same scale.
        drift_incidents: after which watching for that begins anew.
        on_drift: what is done when it is proven: ``roll_back`` to the one before, or only
            ``alert``.
    """

    alpha: Annotated[float, Meta(gt=0, lt=0.5)] = 0.05
    tolerance: Annotated[float, Meta(ge=0, lt=1)] = 0.02
    shadow_s: Annotated[float, Meta(ge=0)] = 3600.0
    alarms: Annotated[int, Meta(ge=0)] = 3
    canary_share: Annotated[float, Meta(gt=0, lt=1)] = 0.2
    canary_pairs: Annotated[int, Meta(ge=1)] = 200
    margin: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    support: Annotated[int, Meta(ge=0)] = 8
    drift: Annotated[float, Meta(ge=0, lt=1)] = 0.1
    drift_incidents: Annotated[int, Meta(ge=10)] = 100
    on_drift: Literal["roll_back", "alert"] = "roll_back"


class Stage(StrEnum):
    """Where the adoption stands."""

    IDLE = "idle"
    SHADOW = "shadow"
    AWAITING_APPROVAL = "awaiting_approval"
    CANARY = "canary"


class Proposal(Struct, frozen=True, kw_only=True):
    """A candidate, and what speaks for it.

    Attributes:
        genome: its number in the store.
        genes: by name.
        support: fewest observations that history has of anything that it changes.
        incumbent: objectives by held-out incident; the first one is the harm.
        candidate: the same of the candidate.
    """

    genome: int
    genes: Genes
    support: int
    incumbent: Sequence[Sequence[float]]
    candidate: Sequence[Sequence[float]]


class Deploy(Struct, frozen=True):
    """Wish: let a genome run somewhere.

    Attributes:
        genome: its number.
        genes: by name.
        where: ``shadow`` decides only; ``canary`` runs on its share; ``everywhere`` ends both;
            ``nowhere`` does too, so that the one in force is everywhere again.
    """

    genome: int
    genes: Genes
    where: Where


class Told(Struct, frozen=True):
    """Wish: tell what was decided, and why.

    Attributes:
        decision: ``shadowed``, ``approval_needed``, ``canaried``, ``promoted``, ``rejected``,
            ``rolled_back``, ``drifted``, ``frozen`` or ``thawed``.
        genome: whose fate.
        reason: in words.
    """

    decision: str
    genome: int
    reason: str


Wish = Deploy | Told


class Standing(Struct, frozen=True, kw_only=True):
    """What is kept of an adoption over a restart: whoever starts again begins the stage again.

    Attributes:
        stage: where it stands.
        incumbent: number of the genome in force; 0 for the configuration as it is written.
        incumbent_genes: its genes.
        last_good: number of the one before.
        last_good_genes: its genes.
        candidate: number of the one on trial; 0 for none.
        candidate_genes: its genes.
        is_frozen: whether a person has stopped all adoption.
        promised: mean harm of an incident that the one in force was promoted with, from 0 to 1;
            ``None`` while nobody knows.
    """

    stage: Stage = Stage.IDLE
    incumbent: int = 0
    incumbent_genes: Genes = {}
    last_good: int = 0
    last_good_genes: Genes = {}
    candidate: int = 0
    candidate_genes: Genes = {}
    is_frozen: bool = False
    promised: float | None = None


class Adoption:
    """Decide what becomes of candidates.

    Args:
        config: how much proof they need.
        standing: where an earlier run came to.
        draw: uniform chance from 0 to 1, for the bootstrap.

    Attributes:
        standing: what is to be kept.
    """

    def __init__(
        self, config: AdoptionConfig, standing: Standing, draw: Callable[[], float]
    ) -> None:
        self.standing = standing
        self._config = config
        self._draw = draw
        self._since_s = 0.0
        self._begin_trial()
        self._hold_to(standing.promised)

    # --- what comes in ------------------------------------------------------------------------

    def begin(self, now_s: float) -> list[Wish]:
        """Take up what an earlier run left: the one in force, and the stage from its beginning."""
        standing = self.standing
        wishes: list[Wish] = []
        if standing.incumbent:
            wishes.append(Deploy(standing.incumbent, standing.incumbent_genes, "everywhere"))
        if standing.stage in (Stage.SHADOW, Stage.CANARY):
            wishes += self._go(standing.stage, "mendel has started again", now_s)
        return wishes

    def propose(self, proposal: Proposal, now_s: float) -> list[Wish]:
        """Put a candidate to the gate; one that is on trial already goes first."""
        standing = self.standing
        if standing.is_frozen or standing.stage is not Stage.IDLE:
            why = "adoption is frozen" if standing.is_frozen else "another candidate is on trial"
            return [Told("rejected", proposal.genome, why)]
        if proposal.genes == standing.incumbent_genes:
            return [Told("rejected", proposal.genome, "nothing better was found")]
        gain = gain_of(proposal.incumbent, proposal.candidate, self._draw, alpha=self._config.alpha)
        refusal = self._refusal(gain)
        if refusal:
            return [Told("rejected", proposal.genome, refusal)]
        self.standing = structs.replace(
            standing, candidate=proposal.genome, candidate_genes=dict(proposal.genes)
        )
        if proposal.support < self._config.support:
            self.standing = structs.replace(self.standing, stage=Stage.AWAITING_APPROVAL)
            reason = (
                f"it gains {gain.mean:.0%} on {len(proposal.incumbent)} held-out incidents, but "
                f"history has only {proposal.support} observations of what it changes"
            )
            return [Told("approval_needed", proposal.genome, reason)]
        reason = f"gains {gain.mean:.0%} of the harm on held-out incidents, {gain.low:.0%} at least"
        return self._go(Stage.SHADOW, reason, now_s)

    def approve(self, who: str, now_s: float) -> list[Wish]:
        """A person agrees to a candidate that history does not support.

        Raises:
            ConfigError: nothing waits for that.
        """
        if self.standing.stage is not Stage.AWAITING_APPROVAL:
            raise ConfigError("no genome waits for approval")
        return self._go(Stage.SHADOW, f"approved by {who}", now_s)

    def on_wish(self, *, by_candidate: bool) -> list[Wish]:
        """An alarm or an action, of the candidate or of the one in force."""
        stage, share = self.standing.stage, self._config.canary_share
        if stage not in (Stage.SHADOW, Stage.CANARY):
            return []
        self._wishes[by_candidate] += 1
        others, own = self._wishes
        # A canary has so many times fewer components to wish for.
        fewer = share / (1.0 - share) if stage is Stage.CANARY else 1.0
        if own <= 2 * others * fewer + self._config.alarms:
            return []
        is_shadow = stage is Stage.SHADOW
        where = "in shadow" if is_shadow else f"on {share:.0%} of the components"
        reason = f"{where} it wished for {own} alarms and actions, the one in force for {others}"
        return self._end("rejected" if is_shadow else "rolled_back", reason)

    def on_incident(self, harm: float, *, cause: str, is_canary: bool) -> list[Wish]:
        """An incident is over: it speaks for or against the canary, or what is in force.

        Args:
            harm: from 0 to 1, 1 being the worst that can be.
            cause: as far as it is known.
            is_canary: whether it was healed by the candidate.
        """
        wishes: list[Wish] = []
        if self.standing.stage is Stage.CANARY:
            pair = self._pairing.take(cause, harm, is_canary=is_canary)
            wishes = self._on_pair(*pair) if pair is not None else []
        if wishes or is_canary:
            return wishes
        broken = self._promise.take(harm)
        promised = self._promise.harm
        if self.standing.incumbent and self.standing.promised != promised:
            self.standing = structs.replace(self.standing, promised=promised)
        return self._drifted(broken) if broken and self.standing.incumbent else []

    def _on_pair(self, control: float, canary: float) -> list[Wish]:
        """An incident under the candidate, beside one under the one in force."""
        gained = 0.5 + (control - canary) / 2
        self._better.take(gained)
        self._worse.take(1.0 - gained)
        self._canary_harm += canary
        pairs, enough = self._better.values, 1.0 / self._config.alpha
        told = f"{pairs} incidents, {self._pairing.alike} beside one of the same cause"
        if self._worse.capital >= enough:
            return self._end("rolled_back", f"the canary does more harm, after {told}")
        if self._better.capital >= enough:
            proof = f"proven {'no worse' if self._config.margin else 'better'}, after {told}"
            return self._promote(f"the canary is {proof}", self._canary_harm / pairs)
        if pairs >= self._config.canary_pairs:
            return self._end("rolled_back", f"nothing is proven after {told}")
        return []

    def on_time(self, now_s: float) -> list[Wish]:
        """The shadow may be over."""
        if self.standing.stage is not Stage.SHADOW or now_s < self._since_s + self._config.shadow_s:
            return []
        others, own = self._wishes
        reason = f"in shadow it wished for {own} alarms and actions, the one in force for {others}"
        return self._go(Stage.CANARY, reason, now_s)

    def promote(self, genome: int, genes: Genes, who: str) -> list[Wish]:
        """A person puts a genome in force, without further proof.

        Raises:
            ConfigError: it is in force.
        """
        if genome == self.standing.incumbent:
            raise ConfigError(f"genome {genome} is in force already")
        own = dict(genes)
        self.standing = structs.replace(self.standing, candidate=genome, candidate_genes=own)
        # Nothing has proven it: it is held to what was usual before it.
        return self._promote(f"promoted by {who}", self._promise.seen)

    def roll_back(self, who: str) -> list[Wish]:
        """A person takes back the candidate on trial, or else the last promotion.

        Raises:
            ConfigError: there is neither.
        """
        standing = self.standing
        if standing.stage is not Stage.IDLE:
            return self._end("rolled_back", f"by {who}")
        if standing.incumbent == standing.last_good:
            raise ConfigError("there is nothing to roll back to")
        return self._go_back(f"by {who}")

    def freeze(self, who: str, *, frozen: bool) -> list[Wish]:
        """A person stops all adoption, or allows it again; what is on trial ends."""
        wishes = [] if self.standing.stage is Stage.IDLE else self._end("rolled_back", f"by {who}")
        self.standing = structs.replace(self.standing, is_frozen=frozen)
        return [*wishes, Told("frozen" if frozen else "thawed", 0, f"by {who}")]

    # --- inside -------------------------------------------------------------------------------

    def _refusal(self, gain: Gain) -> str:
        if gain.low <= 0.0:
            return (
                f"on held-out incidents it gains {gain.mean:.1%}, which may be chance "
                f"(at least {gain.low:.1%})"
            )
        if gain.worst > self._config.tolerance:
            return f"another objective gets worse by {gain.worst:.1%}"
        return ""

    def _go(self, stage: Stage, reason: str, now_s: float) -> list[Wish]:
        standing = self.standing = structs.replace(self.standing, stage=stage)
        self._since_s = now_s
        self._begin_trial()
        where: Where = "shadow" if stage is Stage.SHADOW else "canary"
        decision = "shadowed" if stage is Stage.SHADOW else "canaried"
        return [
            Deploy(standing.candidate, standing.candidate_genes, where),
            Told(decision, standing.candidate, reason),
        ]

    def _end(self, decision: str, reason: str) -> list[Wish]:
        standing = self.standing
        self.standing = structs.replace(standing, stage=Stage.IDLE, candidate=0, candidate_genes={})
        return [
            Deploy(standing.incumbent, standing.incumbent_genes, "nowhere"),
            Told(decision, standing.candidate, reason),
        ]

    def _begin_trial(self) -> None:
        self._wishes = [0, 0]
        self._pairing, self._canary_harm = Pairing(), 0.0
        self._better = Wager(0.5 - self._config.margin / 2)
        self._worse = Wager(0.5)

    def _hold_to(self, promised: float | None) -> None:
        margin, alpha = self._config.drift, self._config.alpha
        lasts = self._config.drift_incidents
        self._promise = Promise(promised, margin=margin, alpha=alpha, lasts=lasts)

    def _drifted(self, broken: str) -> list[Wish]:
        standing = self.standing
        wishes: list[Wish] = [Told("drifted", standing.incumbent, broken)]
        can_go_back = standing.incumbent != standing.last_good
        if self._config.on_drift == "alert" or standing.is_frozen or not can_go_back:
            return wishes
        if standing.stage is not Stage.IDLE:  # What was tried was compared with what has drifted.
            wishes += self._end("rolled_back", "what it was compared with has drifted")
        return wishes + self._go_back("it has drifted away from what it promised")

    def _go_back(self, reason: str) -> list[Wish]:
        standing = self.standing
        self.standing = structs.replace(
            standing,
            incumbent=standing.last_good,
            incumbent_genes=standing.last_good_genes,
            promised=None,
        )
        self._hold_to(None)
        return [
            Deploy(standing.last_good, standing.last_good_genes, "everywhere"),
            Told("rolled_back", standing.incumbent, reason),
        ]

    def _promote(self, reason: str, promised: float | None) -> list[Wish]:
        self._hold_to(promised)
        standing = self.standing
        self.standing = structs.replace(
            standing,
            stage=Stage.IDLE,
            incumbent=standing.candidate,
            incumbent_genes=standing.candidate_genes,
            last_good=standing.incumbent,
            last_good_genes=standing.incumbent_genes,
            candidate=0,
            candidate_genes={},
            promised=promised,
        )
        return [
            Deploy(standing.candidate, standing.candidate_genes, "everywhere"),
            Told("promoted", standing.candidate, reason),
        ]
