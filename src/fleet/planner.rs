//! The plans of deploy, teardown and reconcile.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::catalog;
use crate::model::{CustomService, Decky, DeckyName, Fleet, Network, Observed, Recorded};

use super::alloc::Range;
use super::build::{self, Built, Desired, Ground};
use super::diff::{self, FieldDiff};
use super::digest::fleet_digest;
use super::drift::Sight;
use super::guard;
use super::index::{Index, leaving};
use super::network::{self, moves};
use super::plan::{Action, Change, FORMAT_VERSION, Plan};
use super::refusal::{Refusal, RefusalKind};
use super::request::{Mode, Request, Selection};

/// Why a row that was on its way out is taken up again.
const UNFINISHED: &str = "an earlier removal did not finish";

/// Plans a deploy. Pure: the same request gives the same plan, byte for byte.
///
/// A [`Mode`] that has a planner of its own is handed to it, with the spec's names as selection.
///
/// # Errors
///
/// Everything that stands against it, in file order; nothing may be applied then.
pub fn plan(request: &Request<'_>) -> Result<Plan, Vec<Refusal>> {
    let Request { spec, fleet, mode, .. } = *request;
    let names = || spec.deckies.iter().map(|d| d.name.to_string()).collect::<Vec<_>>();
    match mode {
        Mode::Additive | Mode::Replace => {}
        Mode::Teardown => return plan_teardown(fleet, Selection::Names(&names())),
        Mode::Reconcile => return Ok(plan_reconcile(fleet, request.observed, request.engine_running)),
        Mode::Mutate => {
            let names = names();
            let selection = Selection::Names(&names);
            return super::plan_mutate(fleet, selection, request.seed, request.now, request.emulated);
        }
    }
    if let Some(refusal) = guard::empty_file(spec, fleet, mode) {
        return Err(vec![refusal]);
    }
    let mut refusals = guard::names(spec, fleet, mode);
    refusals.extend(guard::customs(spec, fleet, mode));
    refusals.extend(guard::limit(spec, fleet, mode, request.limit));
    let merged = match network::merge(&spec.general, request.flags, fleet, request.host, mode) {
        Ok(merged) => merged,
        Err(more) => {
            refusals.extend(more);
            return Err(refusals);
        }
    };
    refusals.extend(merged.refusals);
    let index = Index::new(fleet);
    let range = Range::new(&merged.network, request.host);
    refusals.extend(guard::addresses(spec, &range, &index, mode));
    refusals.extend(guard::macs(spec, &index, mode));
    let ground = Ground {
        request,
        network: &merged.network,
        range: &range,
        index: &index,
        mutate_interval: merged.mutate_interval,
    };
    let Built { deckies, refusals: more, warnings } = build::build(&ground);
    refusals.extend(more);
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let mut plan = blank(mode, fleet);
    plan.warnings = merged.warnings;
    plan.warnings.extend(warnings);
    (plan.customs, plan.forget_customs) = customs(request, &deckies);
    let sight = Sight::new(request.observed, request.engine_running, fleet);
    let wanted: HashSet<&str> = spec.deckies.iter().map(|d| d.name.as_str()).collect();
    let shift = Shift::new(request, &merged.network);
    for desired in deckies {
        shift.compare(desired, &sight, &mut plan);
    }
    match mode {
        Mode::Replace => {
            plan.changes
                .extend(fleet.members.iter().filter(|row| !wanted.contains(row.name.as_str())).map(removal));
            plan.unchanged.sort_unstable();
        }
        _ => carry(fleet, &sight, &mut plan),
    }
    plan.warnings.extend(sight.warnings(fleet, &wanted));
    plan.network = Some(merged.network);
    Ok(plan)
}

/// Plans the removal of deckies by name, or of all: also of rows that cannot be read or are on
/// their way out already.
///
/// # Errors
///
/// One refusal for each name that is no decky's.
pub fn plan_teardown(fleet: &Fleet, which: Selection<'_>) -> Result<Plan, Vec<Refusal>> {
    let rows = select(fleet, which)?;
    let mut plan = blank(Mode::Teardown, fleet);
    plan.changes = rows.iter().map(|row| removal(row)).collect();
    let going: HashSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    let stays = |row: &&Recorded| !going.contains(row.name.as_str()) && !leaving(row);
    plan.unchanged = fleet.members.iter().filter(stays).filter_map(|row| row.name.parse().ok()).collect();
    Ok(plan)
}

/// Plans what makes observed equal recorded: starts what does not run as recorded, ends removals
/// that did not finish.
pub fn plan_reconcile(fleet: &Fleet, observed: Option<&Observed>, engine_running: bool) -> Plan {
    let sight = Sight::new(observed, engine_running, fleet);
    let mut plan = blank(Mode::Reconcile, fleet);
    carry(fleet, &sight, &mut plan);
    plan.changes.extend(fleet.members.iter().filter(|row| leaving(row)).map(removal));
    plan.changes.sort_by(|a, b| a.name.cmp(&b.name));
    plan.warnings.extend(sight.warnings(fleet, &HashSet::new()));
    plan
}

/// A plan that does nothing yet.
pub(super) fn blank(mode: Mode, fleet: &Fleet) -> Plan {
    Plan {
        format_version: FORMAT_VERSION,
        mode,
        store: fleet.store.clone(),
        fleet_digest: fleet_digest(fleet),
        network: fleet.network.clone(),
        network_before: fleet.network.clone(),
        changes: Vec::new(),
        unchanged: Vec::new(),
        customs: Vec::new(),
        forget_customs: Vec::new(),
        warnings: Vec::new(),
    }
}

/// The rows meant, by name, each once.
///
/// # Errors
///
/// One refusal for each name that is no decky's.
pub(super) fn select<'a>(fleet: &'a Fleet, which: Selection<'_>) -> Result<Vec<&'a Recorded>, Vec<Refusal>> {
    let Selection::Names(names) = which else { return Ok(fleet.members.iter().collect()) };
    let (mut rows, mut refusals) = (Vec::new(), Vec::new());
    for name in names {
        match fleet.get(name) {
            Some(row) => rows.push(row),
            None => refusals.push(unknown(fleet, name)),
        }
    }
    if !refusals.is_empty() {
        return Err(refusals);
    }
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    rows.dedup_by(|a, b| a.name == b.name);
    Ok(rows)
}

fn unknown(fleet: &Fleet, name: &str) -> Refusal {
    let meant = match catalog::nearest(name, fleet.members.iter().map(|m| m.name.as_str())) {
        Some(near) => format!("; did you mean `{near}`?"),
        None => "; `decnet list` shows the fleet".to_owned(),
    };
    Refusal::new(RefusalKind::NotFound, format!("there is no decky `{}`{meant}", name.escape_debug()))
        .naming(name)
}

/// What a change of the network and of custom services does to every decky that is concerned.
struct Shift<'a> {
    fields: Vec<FieldDiff>,
    moves: bool,
    /// Custom services whose definition differs: before and after.
    customs: Vec<(&'a CustomService, &'a CustomService)>,
}

impl<'a> Shift<'a> {
    fn new(request: &Request<'a>, after: &Network) -> Self {
        let (fleet, spec) = (request.fleet, request.spec);
        let old = |new: &'a CustomService| fleet.customs.iter().find(|old| old.slug == new.slug);
        let pairs = spec.customs.iter().filter_map(|new| Some((old(new)?, new)));
        let customs = pairs.filter(|(old, new)| old != new).collect();
        let Some(before) = &fleet.network else { return Self { fields: Vec::new(), moves: false, customs } };
        Self { fields: diff::network(before, after), moves: moves(before, after), customs }
    }

    /// Files the decky under changes or unchanged.
    fn compare(&self, desired: Desired<'_>, sight: &Sight<'_>, plan: &mut Plan) {
        let Desired { spec, row, decky, identity } = desired;
        let mut change = Change {
            action: Action::Create,
            name: decky.name.to_string(),
            before: None,
            after: None,
            identity: Some(identity.clone()),
            fields: Vec::new(),
            reason: None,
        };
        let (row, before) = match row.map(|row| (row, &row.decky)) {
            None => {
                change.after = Some(decky.into_owned());
                plan.changes.push(change);
                return;
            }
            Some((_, Err(why))) => {
                change.action = Action::Change;
                change.reason = Some(format!("its record cannot be used and is written anew: {why}"));
                change.after = Some(decky.into_owned());
                plan.changes.push(change);
                return;
            }
            Some((row, Ok(before))) => (row, before),
        };
        let mut fields = match &decky {
            Cow::Borrowed(_) => Vec::new(),
            Cow::Owned(decky) => diff::decky(before, decky),
        };
        let known_mac = row.identity.as_ref().map(|i| i.mac);
        let others = fields.len();
        // A row of another tool gets a MAC address sooner or later: only one that the file asks for is a change.
        if known_mac.is_some() || spec.mac.is_some() {
            diff::mac(known_mac, identity.mac, &mut fields);
        }
        let mac_changes = fields.len() > others;
        fields.extend(self.fields.iter().cloned());
        let concerned = self.customs.iter().filter(|(old, _)| decky.services.contains(&old.slug));
        concerned.for_each(|(old, new)| diff::custom(old, new, &mut fields));
        if fields.is_empty() {
            let wanted_again = || format!("{UNFINISHED}, and the file wants it");
            match if leaving(row) { Some(wanted_again()) } else { sight.drift(row, before) } {
                Some(reason) => plan.changes.push(repair(row, before, reason)),
                None => plan.unchanged.push(before.name.clone()),
            }
            return;
        }
        let replaces = self.moves || mac_changes || before.ip != decky.ip;
        change.action = if replaces { Action::Replace } else { Action::Change };
        change.before = Some(before.clone());
        change.after = Some(decky.into_owned());
        change.fields = fields;
        plan.changes.push(change);
    }
}

/// Files rows that nobody asked to change under repairs or unchanged; those on their way out are
/// the engine's to finish.
fn carry(fleet: &Fleet, sight: &Sight<'_>, plan: &mut Plan) {
    for row in fleet.members.iter().filter(|row| !leaving(row)) {
        match &row.decky {
            Ok(decky) => match sight.drift(row, decky) {
                Some(reason) => plan.changes.push(repair(row, decky, reason)),
                None => plan.unchanged.push(decky.name.clone()),
            },
            Err(why) => {
                plan.warnings.push(unusable(&row.name, why));
                plan.unchanged.extend(row.name.parse::<DeckyName>());
            }
        }
    }
}

fn unusable(name: &str, why: &str) -> String {
    let name = name.escape_debug();
    format!(
        "the record of `{name}` cannot be used ({why}); deploy it with --replace-fleet, or remove it with `decnet teardown {name}`"
    )
}

fn repair(row: &Recorded, decky: &Decky, reason: String) -> Change {
    Change {
        action: Action::Repair,
        name: row.name.clone(),
        before: Some(decky.clone()),
        after: Some(decky.clone()),
        identity: row.identity.clone(),
        fields: Vec::new(),
        reason: Some(reason),
    }
}

fn removal(row: &Recorded) -> Change {
    Change {
        action: Action::Remove,
        name: row.name.clone(),
        before: row.decky.as_ref().ok().cloned(),
        after: None,
        identity: None,
        fields: Vec::new(),
        reason: leaving(row).then(|| UNFINISHED.to_owned()),
    }
}

/// Custom services to write, and to forget: in replace mode those that neither the file defines nor
/// a decky of it runs.
fn customs(request: &Request<'_>, deckies: &[Desired<'_>]) -> (Vec<CustomService>, Vec<String>) {
    let (new, old) = (&request.spec.customs, &request.fleet.customs);
    let written = new.iter().filter(|custom| !old.contains(custom)).cloned().collect();
    if request.mode != Mode::Replace || old.is_empty() {
        return (written, Vec::new());
    }
    let used: HashSet<&str> =
        deckies.iter().flat_map(|d| d.decky.services.iter().map(String::as_str)).collect();
    let kept = |slug: &str| used.contains(slug) || new.iter().any(|custom| custom.slug == slug);
    (written, old.iter().filter(|custom| !kept(&custom.slug)).map(|custom| custom.slug.clone()).collect())
}
