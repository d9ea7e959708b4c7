#!/usr/bin/env python3
"""Helps run to measure.

    measure.py cpu PID ...      prints the processor seconds of these processes and of all that they started
    measure.py others PID       prints the processor seconds, since the machine's start, of all but this process and its tree
    measure.py table TURNS      prints the turns, a JSON object in each line, as a Markdown table
"""

import json
import os
import statistics
import sys
from pathlib import Path


def cpu(roots):
    """Returns the processor seconds of process trees, with children that have ended."""
    ticks, children = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        pid = int(path.parent.name)
        # The times of a process itself, and of its children that ended.
        ticks[pid] = sum(map(int, fields[11:15]))
        children.setdefault(int(fields[1]), []).append(pid)
    seen, waiting = set(), list(roots)
    while waiting:
        pid = waiting.pop()
        if pid in ticks and pid not in seen:
            seen.add(pid)
            waiting += children.get(pid, [])
    return sum(ticks[pid] for pid in seen) / os.sysconf("SC_CLK_TCK")


def others(root):
    """Returns the processor seconds of everything but the tree of a process."""
    user, nice, system, _idle, _wait, irq, softirq = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK") - cpu([root])


COLUMNS = {
    "accepted/s": lambda turn: turn["accepted"] / turn["seconds"],
    # Requests under way when the load ends may be processed, but count as accepted nowhere.
    "accepted and processed/s, under load": lambda turn: min(turn["processed_under_load"], turn["accepted"]) / turn["load_seconds"],
    "processed/s, with the rest afterwards": lambda turn: turn["processed"] / turn["all_seconds"],
    "processor seconds per 10,000 processed": lambda turn: turn["cpu_seconds"] / turn["processed"] * 10_000,
    "answers, 99 % within": lambda turn: turn["p99_ms"],
}


def show(column, values):
    """Returns the median, and the range if there are several turns."""
    digits = 1 if column.startswith("processor") else 0
    unit = " ms" if column.startswith("answers") else ""
    text = f"{statistics.median(values):,.{digits}f}{unit}"
    low, high = (f"{value:,.{digits}f}" for value in (min(values), max(values)))
    return text if low == high else f"{text} ({low} to {high})"


def table(turns):
    """Yields the lines of the table, what else the machine did, and a line for each turn that lost or refused events."""
    names = list(dict.fromkeys(turn["contestant"] for turn in turns))
    yield "| | stores in | a 200 promises | " + " | ".join(COLUMNS) + " |"
    yield "|" + "---|" * (3 + len(COLUMNS))
    for name in names:
        of_it = [turn for turn in turns if turn["contestant"] == name]
        cells = [show(column, [figure(turn) for turn in of_it]) for column, figure in COLUMNS.items()]
        yield "| " + " | ".join([of_it[0]["name"], of_it[0]["stores"], of_it[0]["promise"], *cells]) + " |"
    yield ""
    shares = [turn["others_seconds"] / turn["all_seconds"] for turn in turns]
    yield f"- Other programs of the machine used {statistics.median(shares):.2f} cores in the median turn, {max(shares):.2f} at most."
    for turn in turns:
        who = f"{turn['name']} on {turn['stores']}"
        if turn["refused"] or turn["broken"]:
            yield f"- {who} refused {turn['refused']:,} requests, and {turn['broken']:,} broke or timed out."
        lost = turn["accepted"] - turn["processed"]
        if lost > 0:
            yield f"- {who} had not processed {lost:,} accepted events when the turn ended."
        # Requests under way when the load ended are processed too, and no more than these.
        if -lost > turn["connections"] + turn["broken"]:
            yield f"- {who} processed {-lost:,} events more than it accepted: the figures are wrong."


def main(arguments):
    match arguments:
        case ["cpu", *pids]:
            print(cpu(map(int, pids)))
        case ["others", pid]:
            print(others(int(pid)))
        case ["table", path]:
            print("\n".join(table([json.loads(line) for line in open(path)])))
        case _:
            sys.exit(__doc__)


main(sys.argv[1:])
