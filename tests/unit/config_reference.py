#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""config_reference: config/schema.json and docs/configuration.md say what the daemon checks.

usage: config_reference.py PROGRAM [--update]

PROGRAM is build/tests/unit/config_reference. With --update both files are written anew. The samples
in config/ and many broken variants of them are judged by the schema and by the daemon's loader: they
must agree.
"""
import copy
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "config" / "schema.json"
PAGE = ROOT / "docs" / "configuration.md"
BEGIN, END = "<!-- reference -->\n", "<!-- end of reference -->"
WRONG = [None, True, 3, -1, 10 ** 12, 1.5, "", "x" * 5000, "!", [], {}, [[]], [3], {"a": 1}]


def run(program, *args):
    return subprocess.run([program, *args], stdout=subprocess.PIPE, check=False, text=True)


def page_with(reference):
    text = PAGE.read_text()
    head, rest = text.split(BEGIN)
    return head + BEGIN + "\n" + reference + END + rest.split(END)[1]


def variants(node, schema):
    """Broken variants: (function that breaks a copy, words) for each place of a configuration."""
    found = []

    def walk(part, path):
        if isinstance(part, dict):
            found.append((path, "unknown", None))
            for key in part:
                found.append((path, "remove", key))
                for wrong in WRONG:
                    found.append((path, "replace", (key, wrong)))
                walk(part[key], path + [key])
        elif isinstance(part, list):
            for i, element in enumerate(part):
                for wrong in WRONG:
                    found.append((path, "replace", (i, wrong)))
                walk(element, path + [i])

    walk(node, [])
    return found


def broken(config, path, how, what):
    config = copy.deepcopy(config)
    part = config
    for step in path:
        part = part[step]
    if how == "unknown":
        part["colour"] = "red"
    elif how == "remove":
        del part[what]
    else:
        part[what[0]] = what[1]
    return config


def schema_knows(config):
    """Whether the schema can judge it: references between names are beyond any schema."""
    try:
        names = [device["name"] for device in config["devices"]]
        flows = config.get("flows", []) + config.get("netflow", [])
        return (len(set(names)) == len(names)
                and all(flow.get("device") in names for flow in flows))
    except (KeyError, TypeError, AttributeError):
        return True


def agree(program, schema):
    try:
        import jsonschema
    except ImportError:
        print("no jsonschema for Python: install python3-jsonschema")
        return 77
    # the daemon's integers are 3, not 3.0
    types = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, v: isinstance(v, int) and not isinstance(v, bool))
    validator = jsonschema.validators.extend(
        jsonschema.Draft202012Validator, type_checker=types)(schema)
    samples = [json.loads(file.read_text()) for file in sorted(SCHEMA.parent.glob("*.json"))
               if file != SCHEMA]
    full = {
        "description": "every key",
        "eal": {"lcores": "0-1", "memory_mb": 64, "hugepages": "off", "args": ["-v"]},
        "control": {"socket": "/tmp/s", "mode": "0600", "administrators": ["a"], "readers": ["b"],
                    "max_clients": 3, "max_flows_per_client": 3, "max_calls_per_client": 3,
                    "max_line_bytes": 4096},
        "explain": {"sample_batches": 3},
        "devices": [{"name": "t", "trace": "t.pcap", "queues": 2, "burst": 3, "rx_descriptors": 64,
                     "snaplen": 64, "buffers": 3, "tunnels": ["gre"], "idle": "poll",
                     "pace": "x2", "loop": 3}],
        "flows": [{"name": "f", "device": "t", "functions": [["A", "b", 3, {"c": 4}]]}],
        "netflow": [{"name": "n", "device": "t", "active_timeout_s": 3, "inactive_timeout_s": 3,
                     "cache_entries": 4096,
                     "exporters": [{"protocol": "ipfix", "transport": "udp", "host": "h",
                                    "port": 1, "source": "s", "observation_domain": 1,
                                    "template_interval_s": 1, "template_packets": 1, "mtu": 512,
                                    "max_records_per_s": 1, "queue_messages": 16}]}],
    }
    assert len(samples) >= 4, "config/ has lost its samples"
    configs = []
    for sample in [full, *samples]:
        configs.append((sample, True))
        configs += [(broken(sample, *v), None) for v in variants(sample, schema)]
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for i, (config, _) in enumerate(configs):
            files.append("%s/%d.json" % (folder, i))
            pathlib.Path(files[-1]).write_text(json.dumps(config))
        said = run(program, "load", *files).stdout.splitlines()
        fine = {line.split(":")[0] for line in said if ": fine: " in line}
    wrong = refused = 0
    for file, (config, expected) in zip(files, configs):
        loads, valid = file in fine, validator.is_valid(config)
        refused += not loads
        if expected and not (loads and valid):
            print("a good one is refused:", json.dumps(config)[:300])
            wrong += 1
        elif loads != valid and schema_knows(config):
            print("loader says %s, schema says %s: %s" % (loads, valid, json.dumps(config)[:600]))
            print("   ", [line for line in said if line.startswith(file)][:3])
            wrong += 1
    print("%d configurations, %d refused, %d judged differently" % (len(configs), refused, wrong))
    return 1 if wrong or refused < 100 else 0


def main():
    program = sys.argv[1]
    schema = run(program, "schema").stdout
    page = page_with(run(program, "reference").stdout)
    if "--update" in sys.argv:
        SCHEMA.write_text(schema)
        PAGE.write_text(page)
        return 0
    status = 0
    for file, text in ((SCHEMA, schema), (PAGE, page)):
        if file.read_text() != text:
            print("%s is behind: run tests/unit/config_reference.py %s --update"
                  % (file.relative_to(ROOT), program))
            status = 1
    return status or agree(program, json.loads(schema))


if __name__ == "__main__":
    sys.exit(main())
