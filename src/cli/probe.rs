//! Asks the LAN, before an intent is recorded, whether the addresses that a plan takes are free.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use super::context::Context;
use super::error::{CliError, CliResult, Kind};
use crate::fleet::{Action, Plan, Refusal, RefusalKind};
use crate::host::arp::{self, ArpError, Conflict, MOST_PER_SECOND, Pace};
use crate::model::{Driver, Fleet, Mac, Network, Probing};

/// What a command does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    /// Takes no address, or was told not to ask.
    Skip,
    /// Asks if it can; a plan is worth something without.
    Try,
    /// Asks, or does not go on.
    Must,
}

/// An address that a plan takes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Claim {
    decky: String,
    ip: Ipv4Addr,
    mac: Mac,
}

/// Which addresses were found free.
#[derive(Debug)]
pub(super) struct Probe {
    policy: Policy,
    free: HashSet<Ipv4Addr>,
}

impl Probe {
    /// Nothing was asked yet.
    pub(super) fn new(policy: Policy) -> Self {
        Self { policy, free: HashSet::new() }
    }

    /// Whether nothing needs to be asked about this plan.
    pub(super) fn covers(&self, plan: &Plan) -> bool {
        self.open(plan).is_none()
    }

    /// Forgets what was found: time went by.
    pub(super) fn forget(&mut self) {
        self.free.clear();
    }

    /// Asks about what is open. Gives the conflicts; the plan gets a warning where nothing could be asked
    /// and need not be.
    ///
    /// # Errors
    /// The host cannot ask (12).
    pub(super) fn ask(
        &mut self,
        cx: &mut Context,
        fleet: &Fleet,
        plan: &mut Plan,
    ) -> CliResult<Vec<Refusal>> {
        let Some((network, pace, claims)) = self.open(plan) else { return Ok(Vec::new()) };
        if pace == Pace::Full || claims.len() > MOST_PER_SECOND {
            let count = crate::ui::count(claims.len(), "address", "addresses");
            cx.ui.note(&format!("Probing {count} on {} for conflicts", network.interface));
        }
        let own = own_macs(fleet, plan);
        match send(network, pace, &own, &claims) {
            Ok(conflicts) => {
                self.free.extend(claims.iter().map(|claim| claim.ip));
                for conflict in &conflicts {
                    self.free.remove(&conflict.ip);
                }
                Ok(refusals(&claims, &conflicts))
            }
            Err(error) if self.policy == Policy::Try => {
                let interface = &network.interface;
                plan.warnings.push(format!(
                    "the addresses were not probed for conflicts on {interface}: {error}; to probe them, {}",
                    error.remedy(interface)
                ));
                self.policy = Policy::Skip;
                Ok(Vec::new())
            }
            Err(error) => Err(failed(&network.interface, &error)),
        }
    }

    /// What has to be asked, and where.
    fn open<'p>(&self, plan: &'p Plan) -> Option<(&'p Network, Pace, Vec<Claim>)> {
        let network = plan.network.as_ref()?;
        let pace = match network.probe {
            Probing::Fast => Pace::Fast,
            Probing::Full => Pace::Full,
            Probing::Off => return None,
        };
        if self.policy == Policy::Skip || network.driver == Driver::Loopback {
            return None;
        }
        let claims: Vec<Claim> =
            claims(plan, network).into_iter().filter(|claim| !self.free.contains(&claim.ip)).collect();
        (!claims.is_empty()).then_some((network, pace, claims))
    }
}

/// The addresses that the plan's deckies do not have yet on this network.
fn claims(plan: &Plan, network: &Network) -> Vec<Claim> {
    let stays = |before: &Network| before.driver == network.driver && before.interface == network.interface;
    let same_wire = plan.network_before.as_ref().is_some_and(stays);
    let claim = |change: &crate::fleet::Change| {
        let (after, identity) = (change.after.as_ref()?, change.identity.as_ref()?);
        let kept = same_wire && change.before.as_ref().is_some_and(|before| before.ip == after.ip);
        let takes = match change.action {
            Action::Create => true,
            Action::Change | Action::Replace => !kept,
            Action::Remove | Action::Repair => false,
        };
        takes.then(|| Claim { decky: change.name.clone(), ip: after.ip, mac: identity.mac })
    };
    plan.changes.iter().filter_map(claim).collect()
}

/// Hardware addresses of the fleet, before and after: no answer of theirs is a conflict.
fn own_macs(fleet: &Fleet, plan: &Plan) -> Vec<Mac> {
    let recorded = fleet.members.iter().filter_map(|row| row.identity.as_ref());
    let planned = plan.changes.iter().filter_map(|change| change.identity.as_ref());
    recorded.chain(planned).map(|identity| identity.mac).collect()
}

fn send(network: &Network, pace: Pace, own: &[Mac], claims: &[Claim]) -> Result<Vec<Conflict>, ArpError> {
    let parent = arp::interface_index(&network.interface)?;
    // On ipvlan every decky has the hardware address of the parent.
    let shared = match network.driver {
        Driver::Ipvlan => Some(arp::hardware_address(parent)?),
        Driver::Macvlan | Driver::Loopback => None,
    };
    let addresses: Vec<(Ipv4Addr, Mac)> =
        claims.iter().map(|claim| (claim.ip, shared.unwrap_or(claim.mac))).collect();
    arp::probe(parent, own, &addresses, pace)
}

fn refusals(claims: &[Claim], conflicts: &[Conflict]) -> Vec<Refusal> {
    let told = |claim: &Claim| {
        let conflict = conflicts.iter().find(|conflict| conflict.ip == claim.ip)?;
        let message = format!(
            "{}, meant for {}, is taken: a machine with MAC {} has it; give the decky another address with `ip = ...` in the file, or have addresses begin elsewhere with --ip-start",
            claim.ip, claim.decky, conflict.mac
        );
        let refusal = Refusal::new(RefusalKind::Conflict, message);
        Some(Refusal { decky: Some(claim.decky.clone()), address: Some(claim.ip), ..refusal })
    };
    claims.iter().filter_map(told).collect()
}

fn failed(interface: &str, error: &ArpError) -> CliError {
    let message = format!("cannot probe addresses for conflicts on {interface}: {error}");
    CliError::new(Kind::Environment, crate::event::escape::text(&message).into_owned())
        .hint(error.remedy(interface))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::{Change, FORMAT_VERSION, Mode};
    use crate::model::{Decky, Identity, Seed, StoreRef};

    fn network(driver: Driver, interface: &str) -> Network {
        let text = format!(
            r#"{{"driver":"{driver}","interface":"{interface}","subnet":"10.0.0.0/24","gateway":null}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn decky(name: &str, ip: &str) -> Decky {
        let text = format!(
            r#"{{"name":"{name}","ip":"{ip}","services":["ssh"],"distro":"debian","base_image":"debian","hostname":"{name}"}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn change(action: Action, before: Option<&str>, after: Option<&str>) -> Change {
        Change {
            action,
            name: "a".to_owned(),
            before: before.map(|ip| decky("a", ip)),
            after: after.map(|ip| decky("a", ip)),
            identity: after.map(|_| Identity { mac: Mac([2, 0, 0, 0, 0, 1]), seed: Seed::new([0; 32]) }),
            fields: Vec::new(),
            reason: None,
        }
    }

    fn plan(before: Option<Network>, after: Network, changes: Vec<Change>) -> Plan {
        Plan {
            format_version: FORMAT_VERSION,
            mode: Mode::Replace,
            store: StoreRef::default(),
            fleet_digest: String::new(),
            network: Some(after),
            network_before: before,
            changes,
            unchanged: Vec::new(),
            customs: Vec::new(),
            forget_customs: Vec::new(),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn asks_about_what_is_new_or_moves() {
        const OLD: Option<&str> = Some("10.0.0.5");
        const NEW: Option<&str> = Some("10.0.0.6");
        let lan = || network(Driver::Macvlan, "eth0");
        let cases = [
            ("created", Some(lan()), change(Action::Create, None, NEW), true),
            ("first deploy", None, change(Action::Create, None, NEW), true),
            ("new address", Some(lan()), change(Action::Replace, OLD, NEW), true),
            ("new settings", Some(lan()), change(Action::Change, OLD, OLD), false),
            ("new MAC", Some(lan()), change(Action::Replace, OLD, OLD), false),
            ("repaired", Some(lan()), change(Action::Repair, OLD, OLD), false),
            ("removed", Some(lan()), change(Action::Remove, OLD, None), false),
            ("other wire", Some(network(Driver::Macvlan, "eth1")), change(Action::Replace, OLD, OLD), true),
            ("other driver", Some(network(Driver::Ipvlan, "eth0")), change(Action::Replace, OLD, OLD), true),
        ];
        for (what, before, change, asked) in cases {
            let plan = plan(before, lan(), vec![change]);
            assert_eq!(!Probe::new(Policy::Must).covers(&plan), asked, "{what}");
        }
    }

    #[test]
    fn asks_nothing_when_told_so_or_on_loopback() {
        let create = || vec![change(Action::Create, None, Some("10.0.0.6"))];
        let lan = plan(None, network(Driver::Macvlan, "eth0"), create());
        assert!(!Probe::new(Policy::Try).covers(&lan));
        assert!(Probe::new(Policy::Skip).covers(&lan));
        assert!(Probe::new(Policy::Must).covers(&plan(None, network(Driver::Loopback, "lo"), create())));
        let off = Network { probe: Probing::Off, ..network(Driver::Ipvlan, "eth0") };
        assert!(Probe::new(Policy::Must).covers(&plan(None, off, create())));
    }

    #[test]
    fn what_was_free_is_not_asked_again_until_forgotten() {
        let plan = plan(
            None,
            network(Driver::Macvlan, "eth0"),
            vec![change(Action::Create, None, Some("10.0.0.6"))],
        );
        let mut probe = Probe::new(Policy::Must);
        probe.free.insert(Ipv4Addr::new(10, 0, 0, 6));
        assert!(probe.covers(&plan));
        probe.forget();
        assert!(!probe.covers(&plan));
    }
}
