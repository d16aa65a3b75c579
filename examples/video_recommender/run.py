"""The video recommender from raw ratings to a served answer: python run.py [FOLDER]."""

from __future__ import annotations

import json
import shutil
import sys
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import candidates
import etl
import pandas as pd
import promote
import serve
import stream
import train
from definitions import DEFINITIONS
from plots import calibration, roc
from show import Story
from threadpoolctl import threadpool_limits

import headrace as hr

if TYPE_CHECKING:
    from headrace.features.training import TrainingSet
    from headrace.models.gates import Evaluation

__all__ = ["main"]

SEED = 7
HERE = Path(__file__).resolve().parent
LATER = [timedelta(seconds=1), timedelta(minutes=11), timedelta(hours=2), timedelta(days=40), timedelta(days=400)]


@dataclass
class Demo:
    """What the steps hand on to each other.

    Attributes:
        facts: what came out, written to demo.json at the end.
    """

    folder: Path
    store: hr.Store
    story: Story
    movielens: etl.MovieLens
    split: etl.Split
    seed: int
    facts: dict[str, Any] = field(default_factory=dict)


def main(folder: Path, newest: int | None = None, seed: int = SEED) -> dict[str, Any]:
    """Run all steps in a folder that holds no project yet; returns the facts that demo.json holds too.

    Args:
        folder: where the project is made.
        newest: use that many of the newest ratings alone. Default: all.
        seed: for everything random.
    """
    begin = time.perf_counter()
    story = Story()
    _prepare(folder)
    story.title("Headrace: a video recommender", "From raw events to a served answer, on this machine alone.")
    movielens, split = _read(story, newest)
    with hr.connect(folder) as store, threadpool_limits(1):  # one thread trains the same model on every machine
        demo = Demo(folder, store, story, movielens, split, seed)
        _define(demo)
        _load(demo)
        history = _training_set(demo)
        _first_model(demo, history)
        served = _stream(demo)
        _second_model(demo)
        _answer(demo)
        _prove(demo, served)
        _lineage(demo)
    demo.facts["seconds"] = story.seconds
    (folder / "demo.json").write_text(json.dumps(demo.facts, indent=2) + "\n", encoding="utf-8")
    _next(story, folder, time.perf_counter() - begin)
    return demo.facts


def _prepare(folder: Path) -> None:
    if (folder / ".headrace").exists():
        sys.exit(f"{folder} holds a project already; name another folder, or remove its .headrace to start over")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("definitions.py", "headrace.toml"):
        if folder.resolve() != HERE:
            shutil.copy(HERE / name, folder / name)


def _read(story: Story, newest: int | None) -> tuple[etl.MovieLens, etl.Split]:
    with story.step("Read MovieLens"):
        movielens = etl.extract(newest)
        split = etl.split(movielens.ratings)
        users, films = movielens.ratings["user_id"].nunique(), len(movielens.videos)
        story.say(f"{len(movielens.ratings):,} real ratings of {films:,} films by {users} people")
        story.say(f"history: {movielens.ratings['rated_at'].iloc[0]:%B %Y} to {split.stream:%B %Y}, 80% of the ratings")
        story.say(f"stream:  from then to {split.end:%B %Y}; its second half, since {split.holdout:%B %Y}, judges the models")
    return movielens, split


def _define(demo: Demo) -> None:
    with demo.story.step("Apply the definitions"):
        demo.story.text(str(demo.store.apply(DEFINITIONS)))


def _load(demo: Demo) -> None:
    with demo.story.step("Write the history in batch, bring it online"):
        written = etl.load(demo.store, demo.movielens, demo.split.stream)
        demo.story.table(["source", "rows written"], list(written.items()))
        done = demo.store.materialize()
        demo.story.table(["group", "rows read", "keys online"], [(item.group, item.rows, item.keys) for item in done])


def _training_set(demo: Demo) -> TrainingSet:
    known = etl.before(demo.movielens.ratings, demo.split.stream)
    with demo.story.step("Make a training set; prove that no label sees its own rating"):
        data = demo.store.training_set("ranking", etl.label(known), timestamp="rated_at", label="liked", name="ranking-history")
        frame = data.to_pandas()
        columns = len(frame.columns)
        demo.story.say(
            f"{data.name}:{data.version} has {len(data):,} rows of {columns} columns, fingerprint {data.fingerprint[:12]}"
        )
        _show_no_leakage(demo, frame, known)
    demo.facts |= {"training_rows": len(data), "fingerprint": data.fingerprint}
    return data


def _show_no_leakage(demo: Demo, frame: pd.DataFrame, ratings: pd.DataFrame) -> None:
    user = int(frame["user_id"].iloc[-1])
    columns = ["liked", "ratings", "ratings_30d", "stars_avg"]
    rows = frame[frame["user_id"] == user].head(4)
    times, titles = rows["rated_at"].dt.strftime("%H:%M:%S"), rows["title"].str[:30]
    day = rows["rated_at"].iloc[0]
    demo.story.say(f"user {user} came on {day:%d %B %Y}: their first label sees no rating, the second one, …")
    demo.story.table(
        ["rated at", "film", *columns], list(zip(times, titles, *(rows[name].tolist() for name in columns), strict=True))
    )
    wrong = train.check_leakage(frame, ratings)
    demo.facts["leakage_differences"] = wrong
    if wrong:
        sys.exit(f"{wrong} rows see more or less than the ratings before them")
    demo.story.good(f"all {len(frame):,} rows equal an independent count of what came strictly before each label")


def _first_model(demo: Demo, data: TrainingSet) -> None:
    with demo.story.step("Train a baseline on historical features; promote it"):
        trained = train.train(demo.store, "baseline", train.baseline(demo.seed), data, demo.seed)
        version = promote.first_version(demo.store, trained.logged)
        demo.story.say(f"logistic regression: AUC {trained.auc:.3f} on the newest tenth of its rows")
        demo.story.good(f"{promote.MODEL} version {version} is in Production")
        demo.story.say(
            f"from now on a gate asks for {promote.GATE.min_improvement} more AUC than the champion has on the same data"
        )
    demo.facts["baseline_valid_auc"] = trained.auc


def _stream(demo: Demo) -> list[dict[str, Any]]:
    with demo.story.step("Replay the newer ratings as a stream"):
        with demo.story.progress("push") as progress:
            replay = stream.replay(demo.store, demo.movielens, demo.split.stream, demo.seed, progress)
        rate = replay.events / replay.seconds
        demo.story.say(f"{replay.ratings:,} ratings, {replay.events:,} events with those by genre, in {replay.pushes} pushes")
        demo.story.say(f"{rate:,.0f} events a second, each durable and online when its push returns")
        demo.story.good(f"one push was sent twice: all its {replay.repeats} ratings were left out the second time")
        demo.story.say(f"{len(replay.served)} films were looked up on the way for whoever came next, kept to be checked below")
    demo.facts |= {"events": replay.events, "events_per_second": rate, "repeats": replay.repeats, "served": len(replay.served)}
    return replay.served


def _second_model(demo: Demo) -> None:
    store, story, ratings = demo.store, demo.story, demo.movielens.ratings
    with story.step("Train a challenger with real-time features"):
        known = etl.label(etl.before(ratings, demo.split.holdout))
        newest = etl.label(ratings[ratings["rated_at"] >= demo.split.holdout])
        data = store.training_set("ranking", known, timestamp="rated_at", label="liked", name="ranking-with-stream")
        holdout = store.training_set("ranking", newest, timestamp="rated_at", label="liked", name="ranking-holdout")
        trained = train.train(store, "challenger", train.challenger(demo.seed), data, demo.seed)
        story.say(f"boosted trees on {trained.rows:,} rows: AUC {trained.auc:.3f} on the newest tenth of them")
        again = holdout.verify()
        story.good(f"{holdout.name} computed again from the lake: {again.rows:,} rows, {len(again.differing)} columns differ")
    with story.step("Ask the gate; promote, roll back and forward"):
        result = promote.challenge(store, trained.logged, holdout)
        story.text(str(result.report))
        promoted, back, forward = result.reigns
        story.good(f"champion: version {promoted}; rolled back: version {back}; forward again: version {forward}")
    with story.step("Compare both on the ratings that neither has seen"):
        _compare(demo, holdout, {"baseline": result.champion, "challenger": result.challenger})
        parts = train.ablation(data.to_pandas(), holdout.to_pandas(), demo.seed)
        without, alone = parts["trees_without_real_time"], parts["user_mean_alone"]
        story.aside(f"The challenger's trees on the same rows without real-time features: AUC {without:.3f}.")
        story.aside(f"The user's mean so far, alone: AUC {alone:.3f}. So most of the gain is knowing how generous a user is,")
        story.aside("which reorders nobody's list: hence the last column, the order of one user's films, averaged over users.")
    demo.facts |= {"challenger_valid_auc": trained.auc, "ablation": parts}
    demo.facts |= {"holdout_verified": bool(again), "reigns": list(result.reigns)}


def _compare(demo: Demo, holdout: TrainingSet, evaluations: dict[str, Evaluation]) -> None:
    """Figures and pictures of both models on the holdout; the pictures go to a run and to the folder."""
    frame = holdout.to_pandas()
    truth = frame["liked"].to_numpy()
    scores = {name: promote.scores(demo.store, item.version, frame) for name, item in evaluations.items()}
    within = {name: train.within_user_auc(frame, score) for name, score in scores.items()}
    figures = {name: {**item.figures, "auc_within_user": within[name]} for name, item in evaluations.items()}
    rows = [(name, *values.values()) for name, values in figures.items()]
    demo.story.table([f"{len(frame):,} ratings", "AUC", "log loss", "Brier", "AUC within a user"], rows)
    curves = {name: (truth, score.to_numpy()) for name, score in scores.items()}
    title = "The newest tenth of the ratings, unseen by either model"
    with demo.store.start_run(experiment=promote.MODEL, name="comparison", tags={"team": "recsys"}) as run:
        run.use(holdout)
        run.log_table("figures.csv", pd.DataFrame(figures).T.rename_axis("model").reset_index())
        run.log_metrics({"auc_gain": figures["challenger"]["auc"] - figures["baseline"]["auc"]})
        for name, figure in (("roc", roc(curves, title)), ("calibration", calibration(curves, title))):
            run.log_figure(f"{name}.png", figure)
            figure.savefig(demo.folder / f"{name}.png")
    demo.story.good("drawn as roc.png and calibration.png, kept with the run and in this folder")
    demo.facts |= {"holdout": figures, "comparison_run": run.id}


def _answer(demo: Demo) -> None:
    user = int(demo.movielens.ratings["user_id"].iloc[-1])
    with demo.story.step(f"Answer: what should user {user} watch now?"):
        vectors = candidates.learn(demo.movielens.ratings, demo.seed)
        chosen = candidates.find(demo.store, demo.movielens, vectors, user)
        asked = chosen.requests
        demo.story.say(f"{len(asked)} of {chosen.films:,} films lie in the direction of their taste and are new to them")
        demo.story.say(f"store.nearest found them in {chosen.search_ms:.1f} ms")
        answer = serve.recommend(demo.store, asked, demo.split.end + timedelta(seconds=1))
        films = answer.films.assign(year=answer.films["year"].astype(str))
        demo.story.table(list(films.columns), list(films.itertuples(index=False, name=None)))
        lookup = f"{answer.one_ms:.2f} ms for one film, {answer.lookup_ms:.1f} ms for {answer.candidates}"
        demo.story.say(f"online features: {lookup}; {answer.predict_ms:.1f} ms to rank them (medians)")
    demo.facts |= {"lookup_one_ms": answer.one_ms, "lookup_all_ms": answer.lookup_ms, "predict_ms": answer.predict_ms}
    demo.facts |= {"candidates": len(asked), "search_ms": chosen.search_ms}
    demo.facts["recommended"] = answer.films["title"].tolist()


def _prove(demo: Demo, served: list[dict[str, Any]]) -> None:
    with demo.story.step("Check that training and serving agree"):
        sample = serve.sample(demo.movielens, demo.seed)
        live, live_differing = serve.parity(demo.store, served)
        later, later_differing = serve.parity_later(demo.store, sample, demo.split.end, LATER)
        rows = [
            ("served in the replay, and the lake as known then", live, live_differing),
            ("served up to a year later, and the lake", later, later_differing),
        ]
        demo.story.table(["", "values", "differ"], rows)
        if live_differing or later_differing:
            sys.exit("training and serving don't agree")
        demo.story.good("0 differences: what the model is trained on is what it is served")
    demo.facts |= {"parity_values": live + later, "parity_differences": live_differing + later_differing}


def _lineage(demo: Demo) -> None:
    with demo.story.step("Where the answer comes from"):
        champion = f"models:/{promote.MODEL}@champion"
        demo.story.text(demo.store.lineage.upstream(champion, depth=4).tree())
        nodes = demo.store.lineage.upstream(champion).nodes()
        demo.story.say(f"{len(nodes)} nodes in all, down to the columns of the sources: headrace lineage {champion}")
    demo.facts["lineage"] = nodes


def _next(story: Story, folder: Path, seconds: float) -> None:
    commands = (
        ("headrace server", "all of it in the browser, at http://127.0.0.1:5000"),
        ("headrace runs list", "every run, with its figures"),
        (f"headrace models show {promote.MODEL}", "its versions, stages and gates"),
        (f"headrace models history {promote.MODEL}", "who promoted what, when and why"),
        ("headrace features list", "groups and views"),
        ("headrace lineage source:ratings.stars --downstream", "what a column ends up in"),
    )
    lines = [f"{command:<52}{text}" for command, text in commands]
    activate = [] if shutil.which("headrace") else [f"source {Path(sys.prefix, 'bin', 'activate')}"]
    story.title(f"Done in {seconds:.0f} s. What to look at next", "\n".join([f"cd {folder}", *activate, *lines]))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
