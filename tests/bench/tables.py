# SPDX-License-Identifier: Apache-2.0
"""Rows as tables, for people at a terminal and for Markdown."""

import re

import docs

HEAD = ("what", "median", "", "least to most", "beside it", "goal", "met", "note")
NUMBERS = (1, 3)  # columns that end at the right


def number(value):
    """Three digits that count, at least; thousands apart."""
    for least, form in ((100, ",.0f"), (10, ".1f"), (1, ".2f"), (0.1, ".3f")):
        if abs(value) >= least:
            return format(value, form)
    return format(value, ".3g")


def is_met(row):
    """Whether the goal is met: what the row says, or what its words say, or nothing."""
    met = row.get("met")
    found = re.match(r"(at most|at least|under|over) ([\d,.]*\d)", row.get("goal") or "")
    if met is None and found:
        bound = float(found[2].replace(",", ""))
        met = {"at most": row["value"] <= bound, "at least": row["value"] >= bound,
               "under": row["value"] < bound, "over": row["value"] > bound}[found[1]]
    return "" if met is None else "yes" if met else "no"


def cells(row):
    spread = ""
    if row["min"] != row["max"]:
        spread = f"{number(row['min'])} to {number(row['max'])}"
    return (row["what"], number(row["value"]), row["unit"], spread, row.get("peer") or "",
            row.get("goal") or "", is_met(row), row.get("note") or "")


def lines(rows):
    """Rows in columns, without those columns in which nothing stands; notes stand below."""
    notes = []
    table = [list(HEAD[:-1])]
    for row in map(cells, rows):
        what = row[0]
        if row[-1]:
            if row[-1] not in notes:
                notes.append(row[-1])
            what += f" [{notes.index(row[-1]) + 1}]"
        table.append([what, *row[1:-1]])
    used = [at for at in range(len(HEAD) - 1) if any(row[at] for row in table[1:])]
    wide = {at: max(len(row[at]) for row in table) for at in used}
    for row in table:
        yield "  ".join(row[at].rjust(wide[at]) if at in NUMBERS else row[at].ljust(wide[at])
                        for at in used).rstrip()
    for at, note in enumerate(notes, 1):
        yield f"  [{at}] {note}"


def of_point(point):
    took = f"{point['seconds']:.0f} s"
    if point["seconds"] > point["budget"]:
        took += f", and {point['budget']} s are meant for it"
    return "\n".join([f"{point['name']}: {point['title']} ({took})",
                      *(f"  {line}" for line in lines(point["rows"]))])


def of_facts(facts):
    wide = max(map(len, facts))
    return "\n".join(f"{what.ljust(wide)}  {text}" for what, text in facts.items())


def markdown(head, rows):
    used = [at for at in range(len(head)) if at < 2 or any(row[at] for row in rows)]
    out = ["| " + " | ".join(head[at] for at in used) + " |",
           "|" + "".join("---:|" if at in NUMBERS else "---|" for at in used)]
    out += ["| " + " | ".join(docs.cell(row[at]) for at in used) + " |" for row in rows]
    return "\n".join(out) + "\n"


def write(path, result, whole):
    """Puts the tables behind their marks in a document; the machine's only after a whole run."""
    text = path.read_text(encoding="utf-8")
    if whole:
        text = docs.with_table(text, "benchmark", "machine", markdown(
            ("", ""), list(result["machine"].items())).replace("---:", "---"))
    for point in result["points"]:
        if point["rows"]:
            text = docs.with_table(text, "benchmark", point["name"], markdown(
                HEAD, [cells(row) for row in point["rows"]]))
    path.write_text(text, encoding="utf-8")
