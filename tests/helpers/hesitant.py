"""Custom agents for stories of evolution: one whose gene matters, and one without a gene."""

from __future__ import annotations

from typing import Annotated, Any

from mendel import Advice, Agent, AgentConfig, Gene, RecoveryProposed, on
from msgspec import Meta


class Hesitant(Agent[Any]):
    """Forbids the first few things that anybody wants to do about an incident."""

    class Config(AgentConfig, frozen=True, kw_only=True):
        vetoes: Annotated[int, Meta(ge=0), Gene(low=0, high=20)] = 20

    name = "hesitant"

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self._heard: dict[str, int] = {}

    @on(RecoveryProposed)
    def think(self, proposal: RecoveryProposed) -> Advice:
        heard = self._heard[proposal.incident] = self._heard.get(proposal.incident, 0) + 1
        return Advice(veto="too soon" if heard <= self.config.vetoes else "")


class Plain(Agent[Any]):
    """Has a setting, and no gene."""

    class Config(AgentConfig, frozen=True, kw_only=True):
        port: int = 8080

    name = "plain"
