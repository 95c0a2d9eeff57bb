"""How good is a search? Judgements in, runs against them, figures out; pure, and nothing here asks a service.

judgements.py   what should be found: files that people write
matching.py     which result is which expectation
metrics.py      a ranking → nDCG@10, MRR@10, recall@k, hit@1
summary.py      a run → figures by query, by tag and overall
comparison.py   two runs → differences, and how likely chance makes them
trec.py         qrels and run files for other tools
"""
