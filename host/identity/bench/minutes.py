"""What it would say that two records came within minutes on two channels: times are dealt to generated traffic, whose labels tell who is who.

python host/identity/bench/minutes.py TRAFFIC.csv [SHARE [MINUTES [DAYS]]]

SHARE of the records have their person's next one within MINUTES (0.3 and 10); all else falls evenly into DAYS of 600 minutes (365).
"""

import csv
import random
import re
import sys
from collections import Counter, defaultdict

DAY = 600


def identities(row):
    """Phone, address and account, each in one form."""
    digits = re.sub(r"\D", "", row["phone"])
    if len(digits) == 11 and digits.startswith("8"):
        digits = "7" + digits[1:]
    return {it for it in (digits, row["email"].lower(), row["messenger_id"]) if it}


def words(row):
    return frozenset(f"{row['given_name']} {row['surname']} {row['full_name']}".lower().replace("ё", "е").split())


def channel(row):
    if row["messenger_id"]:
        return "messenger"
    return "mail" if row["email"] and not row["phone"] and not row["birth_date"] else "phone or form"


def deal(rows, share, minutes, days):
    """A time for each row, in minutes; the same for the same arguments."""
    dice, times, last = random.Random(1), [], {}
    for row in rows:
        before = last.get(row["cluster_id"])
        soon = before is not None and dice.random() < share
        at = before + dice.random() * minutes if soon else dice.random() * days * DAY
        times.append(at)
        last[row["cluster_id"]] = at
    return times


def kind(one, other, said):
    if not one or not other:
        return "no name in one of them"
    if one == other and len(one) > 1:
        return "the same in full, in at most 3 records" if said[one] <= 3 else "the same in full, in more"
    return "agree in part" if one & other else "differ as written"


def main(path, share="0.3", minutes="10", days="365"):
    with open(path, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    share, minutes, days = float(share), float(minutes), float(days)
    times = deal(rows, share, minutes, days)
    names, known, channels = [words(it) for it in rows], [identities(it) for it in rows], [channel(it) for it in rows]
    said, sizes = Counter(names), Counter(it["cluster_id"] for it in rows)
    true_pairs = sum(it * (it - 1) // 2 for it in sizes.values())
    found = defaultdict(Counter)
    order = sorted(range(len(rows)), key=times.__getitem__)
    for place, one in enumerate(order):
        for other in order[place + 1 :]:
            if times[other] - times[one] > minutes:
                break
            if channels[one] != channels[other] and not known[one] & known[other]:
                same = rows[one]["cluster_id"] == rows[other]["cluster_id"]
                found[kind(names[one], names[other], said)][same] += 1
    print(f"{len(rows) / days:.0f} records a day, {true_pairs} true pairs")
    for name, pairs in sorted(found.items()):
        right, all_pairs = pairs[True], pairs.total()
        print(f"{name:40} {right:6} of {all_pairs:7}  precision {right / all_pairs:.4f}  recall +{right / true_pairs:.4f}")


main(*sys.argv[1:])
