"""What the verbs `apply`, `restore`, `purge` and `status` have in common: settings, leases, the rebuilder."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakebed.config import LakebedConfig, load_config
from lakebed.connectors.errors import ConfigError, LakeError, PlanError
from lakebed.connectors.lake.globs import matches_any, unmatched
from lakebed.connectors.lake.listing import canonical_root
from lakebed.connectors.storage import Storage, is_object_store
from lakebed.tasks.runtime.hash_key import HashKeys

Given = Mapping[str, Any]

if TYPE_CHECKING:
    from lakebed.tasks.quarantine.apply import Applied
    from lakebed.tasks.quarantine.kernel import EntryState
    from lakebed.tasks.quarantine.place import Quarantine
    from lakebed.tasks.quarantine.purge import Purged
    from lakebed.tasks.quarantine.restore import Restored
    from lakebed.tasks.retention.plan import Plan
    from lakebed.tasks.runtime.record import RunRecord


def apply_settings(plan: "Plan", config: Path | None, given: Given) -> LakebedConfig:
    """The settings for a plan: what is not given is the plan's own.

    Args:
        plan: the plan.
        config: TOML file.
        given: values of the command line, nested as the config is.

    Raises:
        ConfigError: if they cannot be read.
        PlanError: if they name another lake.
    """
    from lakebed.tasks.retention.plan import require_lake

    own: dict[str, Any] = {"lake": {"root": plan.lake.root}}
    if plan.artifact_root:
        own["artifacts"] = plan.artifact_root
    if plan.ranking:
        own["retention"] = plan.ranking.model_dump(mode="json")
    settings = load_config(config, given, defaults=own)
    require_lake(plan, canonical_root(settings.lake.root))
    return settings


def lake_settings(config: Path | None, given: Given, run: "RunRecord | None" = None) -> LakebedConfig:
    """The settings for `restore`, `purge` and `status`: what is not given is that of the newest run.

    Args: as `apply_settings`; `run` is one that was read already, for the newest.

    Raises:
        ConfigError: if they cannot be read, or nothing names a lake.
    """
    root = load_config(config, given, defaults={"lake": {"root": "."}}).artifacts
    return load_config(config, given, defaults=_recorded(root, run))


def chosen_tables(tables: Sequence[str] | None, everything: bool, verb: str) -> list[str] | None:
    """The tables named; None for all.

    Raises:
        ConfigError: if neither or both are given.
    """
    if bool(tables) == everything:
        raise ConfigError(
            "say which tables", value="both names and --all" if tables else None, expected="names of tables, or --all",
            hint=f"lakebed {verb} --all --artifacts DIR",
        )  # fmt: skip
    return list(tables or []) or None


def apply(
    plan: "Plan",
    settings: LakebedConfig,
    *,
    is_dry: bool = False,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    confirm: Callable[["Plan"], None] | None = None,
) -> "Applied":
    """Applies a plan; with `is_dry` everything is verified and nothing done.

    Tables under a hold, by the settings given now or by those of the run, stay where they are and are named, and so do
    those that something speaks against, each by itself.

    Args:
        plan: the plan.
        settings: as `apply_settings` gives them.
        is_dry: whether to look only.
        only: globs of the tables that may go; all where there are none. A whole name must go, or all is refused.
        skip: globs of tables that stay, beside those of the plan's own list.
        confirm: asked with what would go, before anything is done; it raises for no.

    Raises:
        ConfigError: if a legal hold or a glob given here names no table.
        PlanError: if the plan is refused, or none of its tables may go, or one that was named.
    """
    from lakebed.tasks.quarantine.apply import apply_plan, preview
    from lakebed.tasks.quarantine.evidence import require_evidence
    from lakebed.tasks.quarantine.place import Quarantine
    from lakebed.tasks.quarantine.recipes import RecipeRebuilder
    from lakebed.tasks.retention.keeper import require_keepers

    plan, left = narrowed(plan, settings, only, skip)
    if confirm is not None and not is_dry:
        confirm(plan)
    keys, root, artifacts = _keys(settings), settings.lake.root, leased_root(settings)
    rebuilder = RecipeRebuilder(keys, plan.rows_folder, settings.retention.recipes)
    require_keepers(plan, settings.retention)
    require_evidence(plan)
    if is_dry:
        done = preview(Quarantine.look(root, settings.quarantine), plan, rebuilder, only)
    else:
        with Quarantine.hold(root, settings.quarantine, "apply", artifacts) as quarantine:
            done = apply_plan(quarantine, plan, rebuilder, only)
        _create_views(done, settings)
    return replace(done, left=tuple(sorted({*left, *done.left})))


def narrowed(
    plan: "Plan", settings: LakebedConfig, only: Sequence[str], skip: Sequence[str]
) -> tuple["Plan", tuple[tuple[str, str], ...]]:
    """The plan without the tables that stay, and these with why.

    Raises:
        ConfigError: if a glob names none of the plan's tables.
        PlanError: if all of them stay, or one that `only` names whole.
    """
    from lakebed.holds import held
    from lakebed.tasks.retention.plan import leaving

    names = [table.name for table in plan.deleted]
    if unused := unmatched((*only, *skip, *plan.skip), names):
        raise ConfigError(
            "a glob names no table that the plan would set aside; nothing was done", value=unused[0],
            expected=", ".join(names[:5]) or "a plan that sets tables aside",
        )  # fmt: skip
    left = held(plan.deleted, settings)
    left |= {name: "left out by the plan's own list" for name in names if matches_any(name, plan.skip)}
    left |= {name: "left out by --exclude" for name in names if matches_any(name, skip)}
    left |= {name: "not among --only" for name in names if only and not matches_any(name, only)}
    refused = [name for name in names if name in left and (name in only or len(left) == len(names))]
    if refused:
        is_all = len(left) == len(names)
        raise PlanError(
            f"{'every table of the plan' if is_all else 'a table that was named'} stays; nothing was done",
            value=f"{refused[0]}: {left[refused[0]]}",
            expected="a table that may go",
            hint="lakebed plan --artifacts DIR shows what each table's decision is",
            examples=[f"{name}: {left[name]}" for name in refused[1:]],
        )
    return leaving(plan, {name: ("left", why) for name, why in left.items()}), tuple(sorted(left.items()))


def restore(
    tables: Sequence[str] | None, settings: LakebedConfig, *, is_dry: bool = False, beside: str = ""
) -> "Restored":
    """Brings tables back; None means all.

    Args:
        tables: names.
        settings: as `lake_settings` gives them.
        is_dry: whether to look only.
        beside: another place in the lake for one table, as where something new lies in its own.

    Raises:
        ConfigError: if `beside` is given for other than one table, or is no path in the lake.
        PlanError: if that is refused.
    """
    from lakebed.tasks.quarantine.place import Quarantine
    from lakebed.tasks.quarantine.recipes import RecipeRebuilder
    from lakebed.tasks.quarantine.restore import preview
    from lakebed.tasks.quarantine.restore import restore as bring_back

    root = settings.lake.root
    if beside and (tables is None or len(tables) != 1):
        raise ConfigError(
            "one table comes back beside its place at a time",
            value=", ".join(tables or ()) or "--all",
            expected="one name and --beside PATH",
            hint=f"lakebed restore TABLE --beside {beside}",
        )
    if is_dry:
        return preview(Quarantine.look(root, settings.quarantine), tables, beside)
    rebuilder = RecipeRebuilder(_keys(settings), config=settings.retention.recipes)
    with Quarantine.hold(root, settings.quarantine, "restore", leased_root(settings)) as quarantine:
        done = bring_back(quarantine, tables, rebuilder, beside)
    _drop_views(done, settings)
    return done


def purge(
    tables: Sequence[str] | None,
    settings: LakebedConfig,
    *,
    is_dry: bool = False,
    confirm: Callable[["Purged"], None] | None = None,
) -> "Purged":
    """Deletes tables whose time in quarantine is over; None means all of these.

    Args:
        tables: names.
        settings: as `lake_settings` gives them.
        is_dry: whether to look only.
        confirm: asked with what is due, if anything is, before it is done; it raises for no.

    Raises:
        ConfigError: if a legal hold names no table.
        PlanError: if a table that was named may not be deleted.
    """
    from lakebed.holds import held
    from lakebed.tasks.quarantine.place import Quarantine
    from lakebed.tasks.quarantine.purge import preview
    from lakebed.tasks.quarantine.purge import purge as delete
    from lakebed.tasks.quarantine.recipes import RecipeRebuilder

    root = settings.lake.root
    looked = Quarantine.look(root, settings.quarantine)
    holds = held([looked.receipt(state).table for state in looked.live()], settings)
    due = preview(looked, tables, holds)
    if is_dry or not due.tables:
        return due
    if confirm is not None:
        confirm(due)
    rebuilder = RecipeRebuilder(_keys(settings), config=settings.retention.recipes)
    with Quarantine.hold(root, settings.quarantine, "purge", leased_root(settings)) as quarantine:
        return delete(quarantine, tables, rebuilder, holds)


def quarantine_told(settings: LakebedConfig) -> tuple[list[str], dict[str, Any]]:
    """What `run` and `status` say first of the quarantine; what `status` lists: tables there, parents that they pin.

    Nothing is listed where it cannot be looked at.
    """
    from lakebed.tasks.quarantine.pins import Standing
    from lakebed.tasks.quarantine.place import Quarantine

    nothing: dict[str, Any] = {"quarantine": [], "pins": []}
    if not settings.lake.root:
        return [], nothing
    try:
        quarantine = Quarantine.look(settings.lake.root, settings.quarantine)
        standing = Standing.of(quarantine)
        at_place = {appeared.table: appeared.path for appeared in standing.appeared}
        entries = [_entry_facts(quarantine, state, at_place) for state in quarantine.live()]
    except LakeError as error:
        return [f"the quarantine cannot be looked at: {error.what} ({error.value})"], nothing
    pinned = [
        {"parent": pin.parent, "children": list(pin.children), "problem": pin.problem, "hint": pin.hint}
        for pin in standing.pins
    ]
    return standing.warnings, {"quarantine": entries, "pins": pinned}


def _entry_facts(quarantine: "Quarantine", state: "EntryState", at_place: Mapping[str, str]) -> dict[str, Any]:
    from lakebed.tasks.quarantine.purge import due_at

    receipt = quarantine.receipt(state)
    facts = {"table": state.table, "phase": str(state.phase), "since": state.since, "n_bytes": receipt.n_bytes}
    facts |= {"parents": list(receipt.table.parents), "at_place": at_place.get(state.table, "")}
    return {**facts, "purge_not_before": due_at(quarantine, receipt).isoformat(timespec="seconds")}


def _create_views(done: "Applied", settings: LakebedConfig) -> None:
    if not settings.quarantine.views_database or not done.receipts:
        return
    from lakebed.connectors.spark.session import shared_session
    from lakebed.tasks.quarantine.views import create_views
    from lakebed.tasks.runtime.progress import shown

    with shown().step("Making views", len(done.receipts)):
        session, storage = shared_session(settings.spark).get(), Storage.at(done.quarantine)
        without = create_views(session, settings.quarantine.views_database, done.receipts, storage)
    for line in without:
        shown().note(f"no view of {line}")


def _drop_views(done: "Restored", settings: LakebedConfig) -> None:
    if not settings.quarantine.views_database or not (done.moved or done.rebuilt):
        return
    from lakebed.connectors.spark.session import shared_session
    from lakebed.tasks.quarantine.views import drop_views

    session = shared_session(settings.spark).get()
    drop_views(session, settings.quarantine.views_database, (*done.moved, *done.rebuilt))


def _keys(settings: LakebedConfig) -> HashKeys:
    return settings.containment.hash_keys(settings.artifacts)


def leased_root(settings: LakebedConfig) -> str:
    """The artifact root on which no run may work meanwhile, if there is one that can be held."""
    root = settings.artifacts
    if is_object_store(root):
        return root if Storage.at(root).exists("") else ""
    return root if os.path.isdir(root) else ""


def _recorded(artifacts: str, run: "RunRecord | None") -> Mapping[str, Any]:
    """Lake and quarantine of the newest run on an artifact root; nothing where there is none."""
    from lakebed.tasks.runtime.record import last_run

    try:
        newest = run or last_run(artifacts)
    except LakeError:
        return {}
    return {name: newest.config[name] for name in ("lake", "quarantine") if name in newest.config}
