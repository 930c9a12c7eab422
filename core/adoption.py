"""How a candidate becomes the config in force, step by step, and how it is taken back.

    idle --proposed, gate passed--> shadow --as calm as the incumbent--> canary --proven--> idle
      ^                               |                                    |     (promoted)
      |------------- rejected --------+--------- rolled back --------------+

In *shadow* the candidate only decides, and nothing of it is carried out; in the *canary* it runs on
a share of the components that chance picked. The one in force before stays beside it as the *last
good* one, so that taking back needs no search and no history. A person may promote, roll back and
freeze at any time; where history does not support what the candidate wants to change, a person has
to agree before the canary begins.

Turned down: promoting what did best in replay. What the model likes best is what it is most wrong
about; `benchmarks/adoption.py` measures how often that does harm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, structs

from ..errors import ConfigError
from .evidence import Gain, Wager, gain_of

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
    """

    alpha: Annotated[float, Meta(gt=0, lt=0.5)] = 0.05
    tolerance: Annotated[float, Meta(ge=0, lt=1)] = 0.02
    shadow_s: Annotated[float, Meta(ge=0)] = 3600.0
    alarms: Annotated[int, Meta(ge=0)] = 3
    canary_share: Annotated[float, Meta(gt=0, lt=1)] = 0.2
    canary_pairs: Annotated[int, Meta(ge=1)] = 200
    margin: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    support: Annotated[int, Meta(ge=0)] = 8


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
            ``rolled_back``, ``frozen`` or ``thawed``.
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
    """

    stage: Stage = Stage.IDLE
    incumbent: int = 0
    incumbent_genes: Genes = {}
    last_good: int = 0
    last_good_genes: Genes = {}
    candidate: int = 0
    candidate_genes: Genes = {}
    is_frozen: bool = False


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
        self._wishes = [0, 0]
        self._better = Wager(0.5 - config.margin / 2)
        self._worse = Wager(0.5)

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
        return self._end(
            "rejected" if is_shadow else "rolled_back",
            f"{where} it wished for {own} alarms and actions, the one in force for {others}",
        )

    def on_pair(self, control: float, canary: float) -> list[Wish]:
        """An incident under the candidate, beside one of the same cause under the one in force.

        Args:
            control: harm of the latter, from 0 to 1, 1 being the worst that can be.
            canary: harm of the former.
        """
        if self.standing.stage is not Stage.CANARY:
            return []
        gained = 0.5 + (control - canary) / 2
        self._better.take(gained)
        self._worse.take(1.0 - gained)
        pairs, enough = self._better.values, 1.0 / self._config.alpha
        if self._worse.capital >= enough:
            return self._end("rolled_back", f"the canary does more harm, after {pairs} incidents")
        if self._better.capital >= enough:
            proof = "no worse" if self._config.margin else "better"
            return self._promote(f"the canary is proven {proof}, after {pairs} incidents")
        if pairs >= self._config.canary_pairs:
            return self._end("rolled_back", f"nothing is proven after {pairs} incidents")
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
        self.standing = structs.replace(
            self.standing, candidate=genome, candidate_genes=dict(genes)
        )
        return self._promote(f"promoted by {who}")

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
        self.standing = structs.replace(
            standing,
            incumbent=standing.last_good,
            incumbent_genes=standing.last_good_genes,
        )
        return [
            Deploy(standing.last_good, standing.last_good_genes, "everywhere"),
            Told("rolled_back", standing.incumbent, f"by {who}"),
        ]

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
        self._since_s, self._wishes = now_s, [0, 0]
        self._better = Wager(0.5 - self._config.margin / 2)
        self._worse = Wager(0.5)
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

    def _promote(self, reason: str) -> list[Wish]:
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
        )
        return [
            Deploy(standing.candidate, standing.candidate_genes, "everywhere"),
            Told("promoted", standing.candidate, reason),
        ]
