"""Examples for the help of every command: what is typed, and what it is good for.

They stand below ``--help`` and in the reference. The tests let each be parsed by the very commands
they belong to, so an example of an option that is gone fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cyclopts import App

Examples = tuple[tuple[str, str], ...]

EXAMPLES: Mapping[str, Examples] = {
    "demo": (
        ("mendel demo", "a minute of faults, on the page and in the terminal"),
        ("mendel demo --headless --duration 30 --seed 7 --output json", "for a program"),
    ),
    "init": (
        ("mendel init", "write mendel.toml from what listens on this machine"),
        ("mendel init shop.toml --blank", "an example to start from, without looking"),
        ("mendel init --from Procfile", "from the processes of a Procfile"),
        ("mendel init --from /etc/systemd/system/shop.service", "from a unit of systemd"),
    ),
    "check": (
        ("mendel check", "all mistakes in mendel.toml at once"),
        ("mendel check prod.toml --explain policy", "where the values of [policy] come from"),
        ("mendel check --level full", "what each component would gain and lose"),
    ),
    "run": (
        ("mendel run --mode observe", "only watch, and say what would be done"),
        ("mendel run --mode recommend", "ask a person before each action"),
        ("mendel run shop.toml --record shop.jsonl.gz", "heal, and write down what is seen"),
    ),
    "doctor": (
        ("mendel doctor", "is this machine fit to run mendel?"),
        ("mendel doctor shop.toml", "and has it what this configuration needs?"),
    ),
    "status": (
        ("mendel status", "every component; exit code 1 when one is sick"),
        ("mendel status --since 7d", "how well healing went in a week"),
        ("mendel status --resources", "what mendel itself uses"),
    ),
    "top": (("mendel top", "the sickest first, redrawn in place"),),
    "events": (
        ("mendel events -f", "what happens, until Ctrl-C"),
        ("mendel events --pattern '*.*.cart' -n 100", "the last hundred about one component"),
        ("mendel events -f --output jsonl", "for a program"),
    ),
    "pause": (
        ("mendel pause cart --for 10m --reason 'new disk'", "hands off one component"),
        ("mendel pause '*' --for 1h", "hands off everything"),
    ),
    "resume": (("mendel resume cart", "before the pause is over"),),
    "deployed": (
        ("mendel deployed cart --version 1.4", "in the last line of a deployment"),
        ("mendel deployed cart --version 1.4 --ago 2m", "told late"),
    ),
    "level": (
        ("mendel level", "the level of each, and the one its traits speak for"),
        ("mendel level cart advanced --reason 'it got busy'", "change it now"),
    ),
    "approve": (("mendel approve 1-1.restart", "with the identifier that `mendel status` shows"),),
    "stop": (("mendel stop", "in order, within two seconds"),),
    "reload": (("mendel reload --reason 'more orders'", "wholly, or not at all"),),
    "config history": (("mendel config history", "what held, since when, and who put it there"),),
    "config show": (("mendel config show 3", "the third one, as it was written"),),
    "config diff": (("mendel config diff 3 4", "what changed between two"),),
    "config rollback": (
        ("mendel config rollback 3 --reason 'too many alarms'", "the file stays as it is"),
    ),
    "agents list": (("mendel agents list", "state, mailbox, restarts, last error"),),
    "agents new": (("mendel agents new drain-first", "a package with a test that passes"),),
    "agents test": (
        ("mendel agents test drain_first:DrainFirst", "the contract that all agents keep"),
    ),
    "incidents list": (
        ("mendel incidents list --open", "what is being worked on"),
        ("mendel incidents list --component cart --output json", "for a program"),
    ),
    "incidents show": (("mendel incidents show 1-1", "every step and reading"),),
    "incidents explain": (("mendel incidents explain 1-1", "the same as a story"),),
    "incidents verify": (("mendel incidents verify", "has anybody changed the record?"),),
    "audit": (("mendel audit -n 20", "who did what, and why"),),
    "audit verify": (("mendel audit verify", "does each line fit the one before it?"),),
    "genome list": (("mendel genome list", "what was bred, and what is in force"),),
    "genome show": (("mendel genome show 3", "what it changes and what it gained"),),
    "genome diff": (("mendel genome diff 3", "against what is in force"),),
    "genome front": (("mendel genome front", "the best compromises of the newest search"),),
    "genome promote": (("mendel genome promote 3", "put it in force"),),
    "genome rollback": (("mendel genome rollback", "back to the one before"),),
    "genome approve": (("mendel genome approve", "let the one that waits go on"),),
    "genome freeze": (
        ("mendel genome freeze", "nothing is bred or put in force any more"),
        ("mendel genome freeze --thaw", "and again it is"),
    ),
    "genome export": (("mendel genome export 3 genome.json", "for another machine"),),
    "genome import": (("mendel genome import genome.json", "not in force before it is promoted"),),
    "genome evolve": (
        ("mendel genome evolve", "ask a running system to begin a search"),
        ("mendel genome evolve shop.toml --history .mendel/store.db --export better.json", "here"),
    ),
    "record info": (("mendel record info shop.jsonl.gz", "what is in it, and is it whole?"),),
    "record import": (
        ("mendel record import prometheus metrics.txt -o shop.jsonl.gz", "from what was scraped"),
        ("mendel record import csv latency.csv -o shop.jsonl.gz", "from a table"),
    ),
    "replay": (
        ("mendel replay shop.jsonl.gz --config mendel.toml", "would it decide the same?"),
        ("mendel replay crash --level basic,advanced,full", "levels side by side"),
        ("mendel replay crash --report crash.html", "its course as a page"),
    ),
    "scenarios list": (("mendel scenarios list", "those that ship"),),
    "scenarios show": (("mendel scenarios show crash", "its text"),),
    "scenarios new": (("mendel scenarios new full-disk", "a scenario of your own to start from"),),
    "drill": (
        ("mendel drill crash --config mendel.toml --target cart", "break it, see it healed"),
        ("mendel drill slow --yes", "on the services of the demo, without asking"),
    ),
    "schema config": (
        ("mendel schema config > mendel.schema.json", "for `#:schema ./mendel.schema.json`"),
    ),
    "schema event": (("mendel schema event > event.json", "what `mendel events` tells"),),
    "schema openapi": (("mendel schema openapi > openapi.json", "for generators of clients"),),
    "schema asyncapi": (("mendel schema asyncapi > asyncapi.json", "subjects and messages"),),
    "schema answer": (
        ("mendel schema answer status", "of what `mendel status --output json` writes"),
    ),
    "completion": (
        ("mendel completion --install", "for the shell you are in"),
        ("mendel completion bash > /etc/bash_completion.d/mendel", "for everybody"),
    ),
    "telemetry alerts": (("mendel telemetry alerts > mendel.rules.yml", "rules for Prometheus"),),
    "telemetry dashboard": (("mendel telemetry dashboard > mendel.json", "to import to Grafana"),),
    "web link": (("mendel web link", "with the token that allows changes"),),
    "web token": (("mendel web token", "for Authorization: Bearer TOKEN"),),
}


def commands(app: App, above: tuple[str, ...] = ()) -> Iterator[tuple[str, App]]:
    """Every command that does something, by the words that it is called with."""
    for word in app:
        inner = app[word]
        if word.startswith("-"):
            continue
        if inner.default_command is not None:
            yield " ".join((*above, word)), inner
        yield from commands(inner, (*above, word))


def add_examples(app: App) -> None:
    """Put its examples below the help of each command."""
    for words, command in commands(app):
        if words in EXAMPLES:
            command.help_epilogue = _epilogue(EXAMPLES[words])


def _epilogue(examples: Examples) -> str:
    lines = (f"  {typed}\n      {told}" for typed, told in examples)
    return "\n".join(("Examples:", *lines))
