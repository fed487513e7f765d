# SPDX-License-Identifier: BSD-3-Clause
"""measures: what the rows must reach, and whether they do."""

import functions

# Row, field, bound, and times what other row's field; None: the bound is in the field's own unit.
AT_LEAST = [
    ("pkt_counter", "mpps", 0.4, "bare_loop"),
    ("ipfix_export", "mpps", 0.45, "bare_loop"),
    ("ipfix_export", "mpps_cpu", 12, "softflowd"),
    ("ipfix_export", "mpps_cpu", 12, "nfpcapd"),
    ("flows_1m", "mpps", 10, None),
    ("dag_rx_64", "mpps", 1 / 1.3, "dag_minimal_64"),
    ("dag_rx_64", "mpps", 40, None),
    ("dag_two_64", "mpps", 1.8, "dag_rx_64"),
    ("dag_faults", "sent", 1e9, None),
    ("filters_1000", "mpps", 80, "naive_filters_1000"),
    ("strings_1000", "mpps", 0.8, "bare_hs_1000"),
    ("strings_hit_1000", "mpps", 0.8, "bare_hs_hit_1000"),
    ("cryptopan_ipv4", "maddr_per_s", 5, None),
    ("cryptopan_ipv6", "maddr_per_s", 1, None),
    ("anonymize_headers", "mpps", 3, None),
    ("anonymize_headers", "mpps_cpu", 10, "traceanon"),
    ("cooking", "mpps", 3, None),
    ("to_buffer_64", "mpps", 5, None),
    ("to_file_dd", "mb_per_s", 0.8, "dd"),
]
AT_MOST = [
    ("dag_faults", "unaccounted", 0, None),
    ("dag_faults", "violations", 0, None),
    ("dag_faults", "failed", 0, None),
    ("filters_1000", "cycles_per_packet", 500, None),
    ("flows_10m", "cycles_per_packet", 2.5, "flows_100k"),
    ("flows_10m", "memory_mb", 1600, None),
    ("connect_among_1000", "connect_ms", 10, None),
    ("connect_pattern_among_1000", "connect_ms", 50, None),
    ("connect_pattern_among_10000", "connect_ms", 500, None),
    ("connect_10000", "connect_s", 5, None),
    *functions.at_most(),
]


def judge(rows):
    """Each measure as (sentence, holds); those whose rows are missing are left out."""
    by_name = {row["name"]: row for row in rows}
    for measures, words, holds in ((AT_LEAST, "at least", float.__ge__), (AT_MOST, "at most", float.__le__)):
        for name, field, bound, other in measures:
            if name not in by_name or field not in by_name[name] or other and other not in by_name:
                continue
            value = float(by_name[name][field])
            if other:
                value /= by_name[other][field]
            what = "%.3g x %s in %s" % (value, other, field) if other else "%.3g %s" % (value, field)
            yield "%s is %s, wanted %s %g" % (name, what, words, bound), holds(value, float(bound))
