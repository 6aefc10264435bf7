"""The targets of the benchmarks, and the verdict on each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from bench.report import Measure, Table

Verdict = Literal["met", "NOT met", "printed", "not measured"]


@dataclass(frozen=True, slots=True)
class Goal:
    """One target. ``key`` begins with the section that measures it. A number without a limit is only printed."""

    key: str
    what: str
    at_most: float | None = None
    at_least: float | None = None
    unit: str = "x"

    @property
    def section(self) -> str:
        return self.key.partition(".")[0]

    def verdict(self, measure: Measure | None) -> Verdict:
        """Compare a measure with the limit, which itself is allowed."""
        if measure is None:
            return "not measured"
        if self.at_most is None and self.at_least is None:
            return "printed"
        low_enough = self.at_most is None or measure.value <= self.at_most
        high_enough = self.at_least is None or measure.value >= self.at_least
        return "met" if low_enough and high_enough else "NOT met"

    def limit_text(self) -> str:
        if self.at_most is not None:
            return f"at most {self._with_unit(self.at_most)}"
        return "none" if self.at_least is None else f"at least {self._with_unit(self.at_least)}"

    def measured_text(self, measure: Measure | None) -> str:
        if measure is None:
            return ""
        text = self._with_unit(float(f"{measure.value:.3g}"))
        return f"{text} ({measure.at})" if measure.at else text

    def _with_unit(self, value: float) -> str:
        return f"{value:g}{'' if self.unit == 'x' else ' '}{self.unit}"


GOALS = (
    Goal("warm.isolated.p50", "p50 of a warm trivial call, over the two-hop no-op: isolated, forked", at_most=1.6),
    Goal("warm.rewound.p50", "the same: isolated, rewound seat", at_most=1),
    Goal("warm.reused.p50", "the same: reused seat", at_most=1.25),
    Goal("warm.isolated.p99", "p99 of a warm trivial call, over the no-op: isolated, forked", at_most=2),
    Goal("warm.rewound.p99", "the same: isolated, rewound seat", at_most=1.5),
    Goal("warm.reused.p99", "the same: reused seat", at_most=2),
    Goal("warm.isolated.calls_per_s", "calls per second of 8 clients, over the no-op: isolated, forked", at_least=0.5),
    Goal("warm.rewound.calls_per_s", "the same: isolated, rewound seat", at_least=0.75),
    Goal("warm.reused.calls_per_s", "the same: reused seat", at_least=0.8),
    Goal("warm.rewound.calls_per_s_32", "calls per second of 32 clients, over the no-op: rewound seat", at_least=0.6),
    Goal("warm.isolated.leisure", "p50 of one call every 50 ms, over the no-op: isolated, forked"),
    Goal("warm.rewound.leisure", "the same: isolated, rewound seat"),
    Goal("warm.reused.leisure", "the same: reused seat"),
    Goal("size.p50", "warm p50 on a dataset of 4 GB, over a dataset of 1 MB", at_most=1.2),
    Goal("size.run_memory", "memory of one more concurrent trivial run on a dataset of 1 GB", at_most=8, unit="MB"),
    Goal("cold.over_map", "cold first call on 10M edges, over twice (map + build the frame) plus one fork", at_most=1),
    Goal("cold.over_own_map", "the same, if the bare process builds frames over the map as we do"),
    Goal("cold.read_parquet", "pandas.read_parquet of these edges, over the cold call", at_least=20),
    Goal("serialise.speedup", "to_dict('records') + json.dumps of 1M edges, over the whole call", at_least=10),
    Goal("results.over_file", "Parquet of 100 MB through HTTP, over writing it to a local file", at_most=2),
    Goal("results.ingress", "growth of the ingress's private memory during a large result", at_most=64, unit="MB"),
    Goal("upload.over_copy", "upload of 1 GB of Arrow, over copying the file", at_most=3),
    Goal("upload.over_synced", "the same, over a copy that is synced to disk, as an upload is"),
    Goal("upload.ingress", "growth of the ingress's private memory during an upload", at_most=64, unit="MB"),
    Goal("upload.ingress_of_8", "the same, during 8 uploads at once", at_most=64, unit="MB"),
    Goal("runaway.cpu_after", "CPU time used in 2 s after the deadline of three endless loops", at_most=0.1, unit="s"),
    Goal("runaway.next_call", "first call after the three loops, over a warm call before", at_most=2),
    *(
        goal
        for flood, what in (
            ("log-ins", "64 log-ins under made-up names"),
            ("stalled_bodies", "1,001 bodies that do not come"),
            ("sleeping_runs", "16 runs that sleep"),
            ("heavy_runs", "64 runs that compute"),
            ("uploads", "8 uploads that hold parsers"),
            ("long_lists", "4 lists of long rows"),
            ("threads", "3 runs of 63 threads"),
        )
        for goal in (
            Goal(f"fairness.{flood}.p50", f"p50 of another user's calls beside {what}, over quiet", at_most=1.5),
            Goal(f"fairness.{flood}.p99", "the same: p99", at_most=3),
        )
    ),
    Goal("fairness.refused", "calls of the other user that were refused beside these floods", at_most=0, unit="calls"),
    Goal("peers.over_best", "warm p50, over the best peer that isolates less", at_most=1),
    Goal("peers.over_exec", "warm p50, over exec in the server's own process"),
)


def table(measures: Mapping[str, Measure], sections: Iterable[str]) -> Table:
    """Return the table of targets of these sections: limit, measure, verdict."""
    wanted = set(sections)
    goals = [goal for goal in GOALS if goal.section in wanted]
    rows = [
        (goal.what, goal.limit_text(), goal.measured_text(found := measures.get(goal.key)), goal.verdict(found))
        for goal in goals
    ]
    met = sum(row[-1] == "met" for row in rows)
    judged = sum(row[-1] in ("met", "NOT met") for row in rows)
    notes = (f"{met} of {judged} that were measured are met.",)
    return Table("Targets", ("what", "target", "measured", "met"), tuple(rows), notes)
