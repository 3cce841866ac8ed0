"""Runs Splink and recordlinkage, as their own tutorials do, over files that `prepare.py` wrote, and prints pairwise precision, recall and F1.

    pip install splink==5.0.0 recordlinkage==0.16 pandas==2.3.3
    python compare.py FILE.csv…

Splink: `u` from random pairs, `m` by expectation-maximisation, blocking rules of its tutorials; at match probability 0.95 without labels, and at the
threshold that is best by the labels. recordlinkage: the comparisons and the sum of its tutorial on deduplication (four of six agree). Both are
measured on all pairs of what hangs together by their links. Ours: `cargo run --release -p patchbay-identity --example bench -- --short FILE.csv…`
"""

import itertools
import sys
import time

import pandas
import recordlinkage
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on


# Of larger files only what takes no labels is tried: by Splink, at its usual threshold.
MANY = 200_000


def truth(frame):
    pairs = set()
    for _, group in frame.groupby("cluster_id"):
        pairs.update(itertools.combinations(sorted(group.record_id), 2))
    return pairs


def joined(links):
    """All pairs of what hangs together by links."""
    group = {}
    for a, b in links:
        one, other = group.setdefault(a, [a]), group.setdefault(b, [b])
        if one is not other:
            one.extend(other)
            for it in other:
                group[it] = one
    return {pair for it in {id(it): it for it in group.values()}.values() for pair in itertools.combinations(sorted(it), 2)}


def figures(found, true):
    right = len(found & true)
    precision = right / len(found) if found else 1.0
    recall = right / len(true)
    return precision, recall, 2 * precision * recall / (precision + recall) if right else 0.0


def show(name, tool, took, found, true):
    print(f"{name:20} {tool:34} P {found[0]:.4f} R {found[1]:.4f} F1 {found[2]:.4f}  {took:6.1f} s", flush=True)


def by_splink(frame, name, true):
    start = time.time()
    frame = frame.drop(columns=["cluster_id"])
    has = set(frame.columns)
    comparisons, rules = [], []
    if {"given_name", "surname"} <= has:
        comparisons += [cl.NameComparison("given_name"), cl.NameComparison("surname")]
        rules.append(block_on("given_name", "surname"))
        rules += [block_on("surname", "birth_date"), block_on("given_name", "birth_date")] if "birth_date" in has else []
    if "full_name" in has:
        comparisons.append(cl.NameComparison("full_name"))
        rules.append(block_on("full_name"))
        rules += [block_on("substr(full_name,1,6)", "birth_date")] if "birth_date" in has else []
    for column in ("phone", "messenger_id"):
        if column in has:
            comparisons.append(cl.ExactMatch(column).configure(term_frequency_adjustments=True))
            rules.append(block_on(column))
    if "birth_date" in has:
        comparisons.append(cl.DateOfBirthComparison("birth_date", input_is_string=True, datetime_format="%Y-%m-%d"))
    for column in ("postcode", "city", "street", "state"):
        if column in has:
            exact = cl.ExactMatch(column).configure(term_frequency_adjustments=True)
            comparisons.append(cl.LevenshteinAtThresholds(column, 2) if column == "street" else exact)
    if "email" in has:
        comparisons.append(cl.EmailComparison("email"))
        rules.append(block_on("email"))
    # Small files can afford to compare whatever has one field in common.
    if len(frame) <= 20000:
        rules += [block_on(it) for it in ("given_name", "surname", "birth_date", "postcode", "street") if it in has]
    if "postcode" in has:
        rules += [block_on("postcode", "birth_date")] if "birth_date" in has else []
        rules.append(block_on("postcode", "surname" if "surname" in has else "substr(full_name,1,2)"))
    if "street" in has:
        rules.append(block_on("street", "postcode"))
    settings = SettingsCreator(
        link_type="dedupe_only", unique_id_column_name="record_id", comparisons=comparisons, blocking_rules_to_generate_predictions=rules
    )
    linker = Linker(DuckDBAPI().register(frame), settings, log_level="ERROR")
    linker.training.estimate_probability_two_random_records_match(rules[:2], recall=0.7)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    linker.training.estimate_parameters_using_expectation_maximisation(rules[0])
    linker.training.estimate_parameters_using_expectation_maximisation(block_on("birth_date") if "birth_date" in has else rules[-1])
    trained = time.time()
    found = linker.inference.predict(threshold_match_probability=0.01).as_pandas_dataframe()
    took = time.time() - start
    print(f"{name:20} splink 5.0.0: training {trained - start:.1f} s, predicting {took + start - trained:.1f} s", flush=True)
    pairs = list(zip(found[["record_id_l", "record_id_r"]].min(axis=1), found[["record_id_l", "record_id_r"]].max(axis=1), found.match_probability))
    at = lambda threshold: figures(joined((a, b) for a, b, p in pairs if p >= threshold), true)
    show(name, "splink 5.0.0 at 0.95", took, at(0.95), true)
    if len(frame) > MANY:
        return
    best = max((at(it) for it in [0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 0.9999]), key=lambda it: it[2])
    show(name, "splink 5.0.0 best by labels", took, best, true)


def by_recordlinkage(frame, name, true):
    if not {"given_name", "surname"} <= set(frame.columns):
        return
    start = time.time()
    table = frame.set_index("record_id")
    indexer = recordlinkage.Index()
    indexer.block(left_on="given_name")
    candidates = indexer.index(table)
    compare = recordlinkage.Compare()
    compare.exact("given_name", "given_name")
    compare.string("surname", "surname", method="jarowinkler", threshold=0.85)
    for column in ("birth_date", "city", "state", "email"):
        if column in table:
            compare.exact(column, column)
    if "street" in table:
        compare.string("street", "street", threshold=0.85)
    features = compare.compute(candidates, table)
    least = 4 if features.shape[1] >= 6 else 3
    found = {tuple(sorted(it)) for it in features[features.sum(axis=1) >= least].index}
    show(name, "recordlinkage 0.16 tutorial", time.time() - start, figures(joined(found), true), true)


for path in sys.argv[1:]:
    frame = pandas.read_csv(path, dtype=str).dropna(axis="columns", how="all")
    if "birth_date" in frame and frame.birth_date.str.fullmatch(r"\d{8}").any():
        date = frame.birth_date
        frame["birth_date"] = date.str[:4] + "-" + date.str[4:6] + "-" + date.str[6:]
    name = path.rsplit("/", 1)[-1]
    true = truth(frame)
    by_splink(frame, name, true)
    if len(frame) <= MANY:
        by_recordlinkage(frame, name, true)
