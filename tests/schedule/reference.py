#!/usr/bin/env python3
"""Makes instants.tsv: what cronsim (PyPI, the Debian cron rules) answers for 500 random patterns in 6 zones.

    python3 -m venv v && v/bin/pip install cronsim==2.8 && v/bin/python reference.py > instants.tsv

Each line: pattern, zone, start (UTC), the next 6 instants (UTC seconds since the epoch), or nothing for a dead one.
Half of the starts lie shortly before a change of the zone's clocks, the others anywhere in the year.
"""
import itertools
import random
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

ZONES = ["America/New_York", "America/Sao_Paulo", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]
dice = random.Random(20261122)


def changes(zone):
    at = datetime(2026, 1, 1, tzinfo=timezone.utc)
    found = []
    while at.year == 2026:
        later = at + timedelta(hours=1)
        if at.astimezone(zone).utcoffset() != later.astimezone(zone).utcoffset():
            found.append(later)
        at = later
    return found


def field(low, high, wild):
    kind = dice.random()
    if kind < wild:
        return "*"
    if kind < wild + 0.12:
        return "*/%d" % dice.choice([2, 3, 5, 7, 10, 15, 20, 30])
    if kind < wild + 0.24:
        first = dice.randint(low, high)
        return "%d-%d" % (first, dice.randint(first, high))
    if kind < wild + 0.4:
        return ",".join(str(n) for n in sorted(dice.sample(range(low, high + 1), 3)))
    return str(dice.randint(low, high))


def pattern(near):
    hours = field(0, 4, 0.3) if near else field(0, 23, 0.4)
    # A star step in a day field changes how the two day fields combine in Vixie's cron; kept out, see cron.rs.
    day, weekday = dice.choice([("*", "*"), ("*", "*"), ("*", str(dice.randint(0, 6))), (str(dice.randint(1, 31)), "*"),
                                (str(dice.randint(1, 31)), str(dice.randint(0, 6)))])
    return " ".join([field(0, 59, 0.2), hours, day, field(1, 12, 0.85) if dice.random() < 0.3 else "*", weekday])


for number in range(500):
    name = ZONES[number % len(ZONES)]
    zone = ZoneInfo(name)
    shifts = changes(zone)
    near = number % 2 == 0 and shifts
    if near:
        start = dice.choice(shifts) - timedelta(minutes=dice.randint(1, 300))
        text = pattern(True)
    else:
        start = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(minutes=dice.randint(0, 525000))
        text = pattern(False)
    try:
        found = [str(int(at.timestamp())) for at in itertools.islice(CronSim(text, start.astimezone(zone)), 6)]
    except CronSimError:
        found = []
    print(text, name, int(start.timestamp()), " ".join(found), sep="\t")
