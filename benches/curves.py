"""Prints docs/performance.md from the results that benches/curves left in a folder."""

import json
import sys
from pathlib import Path

STORES = {"sqlite": "SQLite", "postgres": "PostgreSQL with Redis"}
folder = Path(sys.argv[1])


def result(store, name):
    file = folder / f"{store}-{name}.json"
    return json.loads(file.read_text()) if file.exists() else None


def image(store, name, plot, text):
    return f"![{text}](images/{folder.name}/{store}-{name}-{plot}.svg)\n"


def mebibytes(value):
    return "-" if value is None else f"{value / 2**20:,.0f}"


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def curve(store, name, what):
    found = result(store, name)
    if not found:
        return
    rows = [
        [f"{point['value']:,}", f"{point['capacity']['perSecond']:,.0f}", mebibytes(point["memoryBytes"])]
        for point in found["curve"]["points"]
    ]
    print(f"### By {what.lower()}\n")
    print(table([what, "capacity, events/s", "highest memory, MiB"], rows))
    print(image(store, name, "rate", f"Capacity by {what.lower()}"))
    print(image(store, name, "memory", f"Memory by {what.lower()}"))


def load(store):
    found = result(store, "load")
    if not found:
        return
    overload = found["overload"]
    first, last = overload["capacity"]["perSecond"], overload["capacityAfter"]["perSecond"]
    shown = lambda value, form: "-" if value is None else format(value, form)
    rows = [
        [
            f"{step['multiple']:g}x",
            f"{step['offeredPerSecond']:,.0f}",
            f"{step['acceptedPerSecond']:,.0f}",
            f"{step['goodputPerSecond']:,.0f} ({step['goodputToCapacity']:.2f})",
            f"{step['refusedShare'] * 100:.1f} %",
            shown(step["latencyMs"][2], ".1f"),
            shown(step["backlogSeconds"], ".1f"),
            mebibytes(step["memoryBytes"]),
        ]
        for step in overload["steps"]
    ]
    print("### By offered load\n")
    print(
        f"{found['controllers']:,} controllers with a skew of {found['zipf']:g}, {overload['seconds']} s for each load. The "
        f"capacity was {first:,.0f} events/s at the beginning and {last:,.0f} events/s at the end, with the grown store.\n"
    )
    head = ["load", "offered/s", "accepted/s", "processed/s (of capacity)", "refused", "p99 ms", "backlog, s", "memory, MiB"]
    print(table(head, rows))
    for finding in overload["findings"]:
        print(f"- {finding}.\n")
    print(image(store, "load", "goodput", "Goodput by offered load"))
    print(image(store, "load", "latency", "Latency by offered load"))
    print(image(store, "load", "memory", "Memory by offered load"))


def machine(found):
    about = found["machine"]
    parts = [f"{about['cores']} cores", about["processor"], about["memoryBytes"] and f"{about['memoryBytes'] >> 20:,} MiB"]
    parts += [about["kernel"], about["disk"], f"Conduit {found['version'] or 'of an unknown version'}"]
    return "; ".join(part for part in parts if part)


print("# Performance\n")
print("`benches/curves` measures these figures and writes this page. Each server begins with an empty database. The sender of the")
print("load runs on the same machine. The capacity is the highest steady rate with a flat backlog. Memory and processor time are")
print("those of Conduit, without the database. [Tuning](operations.md#tuning) explains how to measure your own machine.\n")
for store, name in STORES.items():
    results = [found for found in (result(store, kind) for kind in ("controllers", "subjects", "load")) if found]
    if not results:
        continue
    print(f"## {name}\n")
    print(f"Measured on {results[-1]['measuredAt'][:10]}: {machine(results[-1])}.\n")
    curve(store, "controllers", "Controllers")
    curve(store, "subjects", "Stored data subjects")
    load(store)
