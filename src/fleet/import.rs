//! Taking over the fleet of a DECNET database, through the guard that deploys go through.

use std::collections::{BTreeMap, HashMap};

use crate::model::{Decky, DeckySpec, Fleet, FleetSpec, GeneralSpec, Network, Origin};

use super::index::leaving;
use super::plan::Plan;
use super::planner::plan;
use super::refusal::Refusal;
use super::request::{Mode, Request};

/// Plans an additive deploy of every usable row of `imported`, each as it was recorded there but for
/// the swarm host it ran on. `request.spec` counts for its `[general]` only; what that leaves out
/// is taken from the imported network while the fleet has none of its own.
///
/// Services that this engine cannot run are no reason to refuse: they come along, with a warning.
/// So do warnings about rows that are left out, being unreadable or on their way out.
///
/// # Errors
///
/// Everything the guard has against it, like for a deploy.
pub fn plan_import(request: &Request<'_>, imported: &Fleet) -> Result<Plan, Vec<Refusal>> {
    let (mut deckies, mut warnings) = (Vec::new(), Vec::new());
    let mut originals: HashMap<&str, &Decky> = HashMap::new();
    let mut beyond: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &imported.members {
        let shown = row.name.escape_debug();
        match &row.decky {
            Err(why) => warnings.push(format!("`{shown}` is left out, its record cannot be used: {why}")),
            Ok(_) if leaving(row) => warnings.push(format!("`{shown}` is left out, it was being removed")),
            Ok(decky) => {
                for slug in decky.services.iter().filter(|slug| !(request.emulated)(slug)) {
                    *beyond.entry(slug).or_default() += 1;
                }
                deckies.push(as_asked(decky));
                originals.insert(decky.name.as_str(), decky);
            }
        }
    }
    for (slug, count) in beyond {
        warnings.push(format!("this engine cannot run `{slug}`, which {count} of the imported deckies have"));
    }
    let network = imported.network.as_ref().filter(|_| request.fleet.network.is_none());
    let spec = FleetSpec {
        general: filled(&request.spec.general, network),
        deckies,
        customs: imported.customs.clone(),
    };
    let any = |_: &str| true;
    let mut plan = plan(&Request { spec: &spec, mode: Mode::Additive, emulated: &any, ..*request })?;
    for change in &mut plan.changes {
        if let (Some(after), Some(original)) = (&mut change.after, originals.get(change.name.as_str())) {
            *after = Decky { host_uuid: None, ..(*original).clone() };
        }
    }
    warnings.append(&mut plan.warnings);
    plan.warnings = warnings;
    Ok(plan)
}

/// The decky as a file would ask for it, everything pinned.
fn as_asked(decky: &Decky) -> DeckySpec {
    DeckySpec {
        name: decky.name.clone(),
        ip: Some(decky.ip),
        services: Some(decky.services.clone()),
        archetype: decky.archetype.clone(),
        nmap_os: Some(decky.nmap_os.clone()),
        // The images are taken over with the record; a distro unknown here must not stand against it.
        distro: crate::catalog::distro(&decky.distro).map(|d| d.slug.to_owned()),
        hostname: Some(decky.hostname.clone()),
        mac: None,
        mutate_interval: decky.mutate_interval,
        service_config: decky.service_config.clone(),
        origin: Origin::default(),
    }
}

fn filled(general: &GeneralSpec, network: Option<&Network>) -> GeneralSpec {
    let mut general = general.clone();
    let Some(network) = network else { return general };
    general.driver = general.driver.or(Some(network.driver));
    if general.driver == Some(network.driver) {
        general.interface = general.interface.or_else(|| Some(network.interface.clone()));
        // A gateway belongs to its subnet.
        if general.subnet.is_none_or(|subnet| subnet == network.subnet) {
            general.gateway = general.gateway.or(network.gateway);
        }
        general.subnet = general.subnet.or(Some(network.subnet));
    }
    general.mutate_interval = general.mutate_interval.or(network.mutate_interval);
    general
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::RefusalKind;
    use crate::fleet::fixtures::{Case, deployed, outline, pinned, set_state, spec, spoil};
    use crate::model::State;

    fn import(case: &Case, imported: &Fleet) -> Result<Plan, Vec<Refusal>> {
        case.with(|request| plan_import(request, imported))
    }

    #[test]
    fn rows_come_as_they_were() {
        let mut theirs = deployed(vec![spec("a"), spec("b"), spec("c"), spec("d")]);
        let first = theirs.members[0].decky.as_mut().unwrap();
        first.services = vec!["vnc".to_owned(), "ssh".to_owned()];
        first.base_image = "their:image".to_owned();
        first.host_uuid = Some("swarm".to_owned());
        first.last_mutated = 7.5;
        spoil(&mut theirs, "c");
        set_state(&mut theirs, "d", State::TearingDown);
        let plan = import(&Case::new(Mode::Additive, Fleet::default(), Vec::new()), &theirs).unwrap();
        assert_eq!(outline(&plan), ["+ a", "+ b"]);
        let after = plan.changes[0].after.clone().unwrap();
        assert_eq!(
            Decky { host_uuid: Some("swarm".to_owned()), ..after },
            theirs.members[0].decky.clone().unwrap()
        );
        assert_eq!(plan.network, theirs.network);
        let told = plan.warnings.join("\n");
        assert!(
            told.contains("`vnc`, which 1 of") && told.contains("`c` is left out") && told.contains("`d`"),
            "{told}"
        );
    }

    #[test]
    fn the_guard_holds() {
        let ours = deployed(vec![pinned("mine", "192.168.1.30"), spec("a")]);
        let theirs = deployed(vec![pinned("x", "192.168.1.30"), pinned("a", "192.168.1.31")]);
        let refusals = import(&Case::new(Mode::Additive, ours, Vec::new()), &theirs).unwrap_err();
        assert_eq!(refusals.len(), 2, "{refusals:?}");
        assert!(refusals.iter().all(|r| r.kind == RefusalKind::Conflict));
    }
}
