"""A policy's rules on SUBSCRIBE, for each of its filters. Pure: a packet in, a verdict out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hil.gateway.client import Client
from hil.gateway.policy import Denial, Lowering, Policy, Rule
from hil.gateway.rules import KINDS, What
from hil.wire.mqtt import Subscribe, Subscription, Version

FAILURE_311 = 0x80
"""MQTT 3.1.1 section 3.9.3."""


@dataclass
class Verdict:
    """`kept`: the filters for the broker. `codes`: of the SUBACK, None where the broker's own stands. `ignored`: there
    is no SUBACK at all. `end`: the rule that ends the connection."""

    kept: tuple[Subscription, ...] = ()
    codes: list[int | None] = field(default_factory=list)
    denials: tuple[Denial, ...] = ()
    lowerings: tuple[Lowering, ...] = ()
    ignored: bool = False
    end: tuple[What, Rule] | None = None

    @property
    def unchanged(self) -> bool:
        """Whether the broker may have the SUBSCRIBE as it came."""
        return not (self.denials or self.lowerings)


@dataclass(frozen=True)
class Subscribing:
    """What `policy` says to the SUBSCRIBEs of one client."""

    policy: Policy
    version: Version
    client: Client

    def judge(self, packet: Subscribe, held: set[str], quick: bool) -> Verdict:
        """`held`: the filters of the session, which gets those that are let pass. `quick`: it comes too soon."""
        verdict = Verdict()
        found = [self._judge_packet(packet, quick) for _ in packet.filters]
        kept: list[Subscription] = []
        news: set[str] = set()
        for subscription, denied in zip(packet.filters, found, strict=True):
            what_rule = denied or self._judge_filter(subscription, held | news)
            if what_rule is None:
                lowered = self._lowered(subscription, verdict)
                kept.append(lowered)
                news.add(subscription.filter)
                verdict.codes.append(None)
            else:
                self._deny(verdict, subscription, *what_rule)
        verdict.kept = tuple(kept)
        if verdict.end is None and not verdict.ignored:
            held |= news
        return verdict

    def _judge_packet(self, packet: Subscribe, quick: bool) -> tuple[What, Rule, str] | None:
        rule = self._rule("subscribe_rate")
        if quick:
            return "subscribe_rate", rule, f"more than {rule.limit} SUBSCRIBEs and UNSUBSCRIBEs in {rule.per:g} s"
        rule = self._rule("filters")
        if rule.action != "allow" and rule.limit is not None and len(packet.filters) > rule.limit:
            return "filters", rule, f"a SUBSCRIBE of {len(packet.filters)} filters, at most {rule.limit}"
        rule = self._rule("subscription_identifier")
        if rule.action != "allow" and "subscription_identifier" in packet.properties:
            return "subscription_identifier", rule, "a subscription identifier"
        return None

    def _judge_filter(self, subscription: Subscription, held: set[str]) -> tuple[What, Rule, str] | None:
        rule = self._rule("shared")
        if rule.action != "allow" and subscription.filter.startswith("$share/"):
            return "shared", rule, "a shared subscription"
        denial = self.policy.judge_topic("subscribe", subscription.filter, self.client, self.version)
        if denial is not None:
            return "subscribe", self._rule("subscribe"), denial.rule.removeprefix(f"{self.policy.name}: ")
        rule = self._rule("subscribe_qos")
        if rule.action not in ("allow", "lower") and rule.limit is not None and subscription.qos > rule.limit:
            return "subscribe_qos", rule, f"a subscription of QoS {subscription.qos}, at most {rule.limit}"
        rule = self._rule("subscriptions")
        new = subscription.filter not in held
        if rule.action != "allow" and rule.limit is not None and new and len(held) >= rule.limit:
            return "subscriptions", rule, f"more than {rule.limit} subscriptions in the session"
        return None

    def _lowered(self, subscription: Subscription, verdict: Verdict) -> Subscription:
        rule = self._rule("subscribe_qos")
        if rule.action != "lower" or rule.limit is None or subscription.qos <= rule.limit:
            return subscription
        name = self.policy.name
        words = f"{name}: a subscription of QoS {subscription.qos}, at most {rule.limit}"
        lowering = Lowering("subscribe_qos", subscription.filter, subscription.qos, rule.limit, words, name)
        verdict.lowerings += (lowering,)
        return replace(subscription, qos=rule.limit)

    def _deny(self, verdict: Verdict, subscription: Subscription, what: What, rule: Rule, words: str) -> None:
        verdict.denials += (self.policy.denial(what, rule, words, subscription.filter),)
        if rule.action == "disconnect" and verdict.end is None:
            verdict.end = (what, rule)
        elif rule.action == "ignore":
            verdict.ignored = True
        verdict.codes.append(self._code(what, rule, subscription))

    def _code(self, what: What, rule: Rule, subscription: Subscription) -> int:
        if rule.action == "drop":
            return subscription.qos
        if rule.code is not None and rule.action == "refuse":
            return rule.code
        return KINDS[what].answer if self.version is Version.V5 else FAILURE_311

    def _rule(self, what: What) -> Rule:
        return self.policy.rule(what, self.version)
