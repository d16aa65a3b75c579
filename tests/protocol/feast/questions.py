"""The questions that Feast's feature server and ours are both asked: method by method, path and body. No imports but Python's."""

G = "/get-online-features"
DRIVER = [f"driver_stats:{name}" for name in ("conv", "trips", "ok", "name", "blob", "seen")]
BOTH = ["driver_stats:conv", "shop_stats:conv"]
ONE_OF_EACH = {"shop": ["x"], "driver_id": [1]}
TIMES = {"start_ts": "2026-01-01T00:00:00", "end_ts": "2026-01-03T00:00:00"}
WRITTEN = {"shop": ["z"], "conv": [1.0], "size": [5], "event_timestamp": ["2026-01-02T00:00:00"], "created": [None]}


def ask(features, entities, **options):
    return G, {"features": features, "entities": entities, **options}


def service(name, **options):
    return G, {"feature_service": name, "entities": ONE_OF_EACH, **options}


QUESTIONS = {
    "every type": ask(DRIVER, {"driver_id": [1, 2, 9]}),
    "a float32": ask(["driver_stats:f32"], {"driver_id": [1]}),
    "floats that aren't finite": ask(["driver_stats:f32"], {"driver_id": [3]}),
    "two views and a column that nobody knows": ask(
        ["driver_stats:trips", "shop_stats:size", "driver_stats:name"], {"shop": ["x", "q"], "driver_id": [1, 2], "junk": [1, 2]}
    ),
    "full names": ask(BOTH, ONE_OF_EACH, full_feature_names=True),
    "a name twice": ask(BOTH, ONE_OF_EACH),
    "a reference twice": ask(["driver_stats:conv"] * 2, {"driver_id": [1]}),
    "a service": service("svc"),
    "a service with full names": service("svc", full_feature_names=True),
    "a service and its views": service("svc", include_feature_view_version_metadata=True),
    "an unknown service": service("nope"),
    "an unknown view": ask(["nope:x"], {"driver_id": [1]}),
    "an unknown feature": ask(["driver_stats:nope"], {"driver_id": [1]}),
    "no view": ask(["conv"], {"driver_id": [1]}),
    "no such key": ask(["driver_stats:conv"], {"nope": [1]}),
    "a null key": ask(["driver_stats:conv"], {"driver_id": [None]}),
    "a key as text": ask(["driver_stats:conv"], {"driver_id": ["1"]}),
    "a key as float": ask(["driver_stats:conv"], {"driver_id": [1.0]}),
    "a key that is no number": ask(["driver_stats:conv"], {"driver_id": ["x"]}),
    "a text key as number": ask(["shop_stats:size"], {"shop": [5]}),
    "a key that isn't a list": ask(["driver_stats:conv"], {"driver_id": 1}),
    "keys of several lengths": ask(["driver_stats:trips", "shop_stats:size"], {"shop": ["x", "y"], "driver_id": [1]}),
    "features as text": ask("driver_stats:trips", {"driver_id": [1]}),
    "a reference that is no text": ask([5], {"driver_id": [1]}),
    "no features": (G, {"entities": {"driver_id": [1]}}),
    "no entities": (G, {"features": ["driver_stats:trips"]}),
    "a list": (G, []),
    "no JSON": (G, "{bad"),
    "nothing": (G, ""),
    "a push to nobody": ("/push", {"push_source_name": "nope", "df": {"driver_id": [5]}}),
    "a push to the moon": ("/push", {"push_source_name": "drivers", "df": {"driver_id": [5]}, "to": "moon"}),
    "a push of nothing": ("/push", {"push_source_name": "drivers"}),
    "a write": ("/write-to-online-store", {"feature_view_name": "shop_stats", "df": WRITTEN}),
    "what was written": ask(["shop_stats:size"], {"shop": ["z"]}),
    "a write to nobody": ("/write-to-online-store", {"feature_view_name": "nope", "df": {"shop": ["z"]}}),
    "materialize": ("/materialize", TIMES),
    "materialize nobody": ("/materialize", {**TIMES, "feature_views": ["nope"]}),
    "materialize without a time": ("/materialize", {"end_ts": "2026-01-03T00:00:00"}),
    "materialize from no time": ("/materialize", {**TIMES, "start_ts": "x"}),
    "materialize backwards": ("/materialize", {"start_ts": TIMES["end_ts"], "end_ts": TIMES["start_ts"]}),
    "materialize incrementally": ("/materialize-incremental", {"end_ts": TIMES["end_ts"]}),
    "materialize one incrementally": ("/materialize-incremental", {"end_ts": TIMES["end_ts"], "feature_views": ["shop_stats"]}),
    "materialize incrementally without a time": ("/materialize-incremental", {}),
}  # fmt: skip
