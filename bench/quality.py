"""Retrieval quality over the samples and the judged queries: the tables of docs/quality.md.

python -m bench.quality             all tables
python -m bench.quality vectors …   those named
"""

import sys
from collections.abc import Callable
from typing import Final

from bench.quality_answered import answered_table, curve_table
from bench.quality_calibration import calibration_table
from bench.quality_corpus import Part, unmatched
from bench.quality_fresh import fresh_table
from bench.quality_fusion import context_table, depth_table, digits_table, fusion_table, queries_table
from bench.quality_recipes import languages_table, units_table, vectors_table
from bench.quality_setting import Setting

TABLES: Final[dict[str, Callable[[Setting], str]]] = {
    "fresh": fresh_table,
    "vectors": vectors_table,
    "languages": languages_table,
    "units": units_table,
    "fusion": fusion_table,
    "depth": depth_table,
    "context": context_table,
    "digits": digits_table,
    "queries": queries_table,
    "answered": answered_table,
    "curve": curve_table,
    "calibration": calibration_table,
}


def main() -> None:
    chosen = sys.argv[1:] or list(TABLES)
    if unknown := set(chosen) - set(TABLES):
        sys.exit(f"no such table: {', '.join(sorted(unknown))}; the tables are {', '.join(TABLES)}")
    setting = Setting.read()
    for line in unmatched(setting.queries):
        print(f"no unit matches: {line}", file=sys.stderr)
    print(f"{len(setting.corpus.documents)} documents, {len(setting.corpus.units)} units")
    for part in Part:
        answerable = [query.judgement.answerable for query in setting.queries if query.part is part]
        print(f"{part}: {sum(answerable)} answerable and {answerable.count(False)} unanswerable queries")
    print()
    for name in chosen:
        print(f"## {name}\n\n{TABLES[name](setting)}\n", flush=True)


if __name__ == "__main__":
    main()
