//! New draws of services: which deckies are due, and what they get.

use std::collections::{HashMap, HashSet};

use crate::catalog;
use crate::model::{CustomService, Decky, Fleet, Identity, Network, Seed};

use super::build::to_micros;
use super::diff;
use super::identity::adopt;
use super::index::leaving;
use super::plan::{Action, Change, Plan};
use super::planner::{blank, select};
use super::refusal::{Refusal, RefusalKind};
use super::request::{Mode, Selection};
use super::services::{self, draw, drawable, same_set};

/// Draws before a decky is left as it is.
const TRIES: u32 = 21;

/// Plans a new draw of services for the deckies selected. A decky whose pool has no other set stays
/// unchanged, with a warning.
///
/// # Errors
///
/// Names that are no decky's, and named deckies whose record is unusable or on its way out.
pub fn plan_mutate(
    fleet: &Fleet,
    which: Selection<'_>,
    seed: &Seed,
    now: f64,
    emulated: &dyn Fn(&str) -> bool,
) -> Result<Plan, Vec<Refusal>> {
    let rows = select(fleet, which)?;
    let named = matches!(which, Selection::Names(_));
    let pool = drawable(emulated);
    let mut plan = blank(Mode::Mutate, fleet);
    // Rows of other tools get theirs now.
    let adopted: HashMap<String, Identity> = adopt(fleet, seed).into_iter().collect();
    let mut refusals = Vec::new();
    for row in rows {
        let name = &row.name;
        let (decky, identity) = match (&row.decky, leaving(row)) {
            (Ok(decky), false) => (decky, row.identity.clone()),
            (Ok(_), true) | (Err(_), _) if !named => continue,
            (Ok(_), true) => {
                refusals.push(
                    Refusal::new(RefusalKind::Conflict, format!("decky `{name}` is being removed"))
                        .naming(name),
                );
                continue;
            }
            (Err(why), _) => {
                let message = format!("the record of decky `{}` cannot be used: {why}", name.escape_debug());
                refusals.push(Refusal::invalid(message).naming(name));
                continue;
            }
        };
        let Some(services) = other_services(decky, seed, &pool, emulated, fleet) else {
            plan.warnings.push(format!("decky `{name}` has no other services to draw and stays as it is"));
            continue;
        };
        let mut after = decky.clone();
        after.services = services;
        after.last_mutated = to_micros(now);
        plan.changes.push(Change {
            action: Action::Change,
            name: name.clone(),
            fields: diff::decky(decky, &after),
            before: Some(decky.clone()),
            after: Some(after),
            identity: identity.or_else(|| adopted.get(name).cloned()),
            reason: None,
        });
    }
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let changed: HashSet<&str> = plan.changes.iter().map(|c| c.name.as_str()).collect();
    let unchanged = fleet.members.iter().filter(|m| !changed.contains(m.name.as_str()) && !leaving(m));
    plan.unchanged = unchanged.filter_map(|m| m.name.parse().ok()).collect();
    Ok(plan)
}

/// Another set of services from the decky's pool: its archetype's, else all that can be drawn.
fn other_services(
    decky: &Decky,
    seed: &Seed,
    drawable: &[&str],
    emulated: &dyn Fn(&str) -> bool,
    fleet: &Fleet,
) -> Option<Vec<String>> {
    // The operator's own stay what they are: they are neither drawn nor drawn away.
    let kept: Vec<&CustomService> = services::own(&decky.services, &fleet.customs).collect();
    let archetype = decky.archetype.as_deref().and_then(catalog::archetype);
    let own: Vec<&str> =
        archetype.map_or_else(Vec::new, |a| a.services.iter().copied().filter(|s| emulated(s)).collect());
    let pool = if archetype.is_some() { own.as_slice() } else { drawable };
    if pool.is_empty() {
        return None;
    }
    (0..TRIES)
        .map(|turn| {
            let mut drawn = draw(seed, &format!("mutate/{}/{turn}", decky.name), pool, &kept);
            drawn.extend(kept.iter().map(|custom| custom.slug.clone()));
            drawn
        })
        .find(|services| !same_set(services, &decky.services))
}

/// Whether the decky's interval, or else the fleet's, has passed since its last draw.
///
/// A last draw that lies further ahead than an interval (the clock was set back) counts as long ago.
pub fn due(decky: &Decky, network: Option<&Network>, now: f64) -> bool {
    let Some(minutes) = decky.mutate_interval.or(network.and_then(|n| n.mutate_interval)) else {
        return false;
    };
    let interval = f64::from(minutes) * 60.0;
    (now - decky.last_mutated).abs() >= interval
}

/// Names of the deckies that are due, sorted.
pub fn due_names(fleet: &Fleet, now: f64) -> Vec<String> {
    let rows = fleet.members.iter().filter(|row| !leaving(row));
    let due =
        rows.filter(|row| row.decky.as_ref().is_ok_and(|decky| due(decky, fleet.network.as_ref(), now)));
    due.map(|row| row.name.clone()).collect()
}
