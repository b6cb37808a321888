//! Who a worker plays, and the fingerprint an engine compares to see whether it plays that already.

use sha2::{Digest, Sha256};

use crate::catalog;
use crate::model::{CustomService, Decky, Driver, Identity, Network, Persona, Settings};

/// 2025-09-01T00:00:00Z. Machines were set up 20 to 400 days before it: fixed, since a date that
/// moved with a mutation or a restart would show that nothing behind it is real.
const SET_UP_BEFORE: i64 = 1_756_684_800;

/// The machine that a decky plays: a function of what is recorded and nothing else.
pub fn persona(decky: &Decky, identity: &Identity, network: &Network) -> Persona {
    let days = identity.seed.number("born/days", 381).saturating_add(20);
    let seconds = days.saturating_mul(86_400).saturating_add(identity.seed.number("born/seconds", 86_400));
    let services = decky.services.iter().map(|slug| (slug.clone(), settings(decky, slug))).collect();
    Persona {
        hostname: decky.hostname.clone(),
        ip: decky.ip,
        mac: identity.mac,
        gateway: network.gateway,
        distro: decky.distro.clone(),
        nmap_os: decky.nmap_os.clone(),
        archetype: decky.archetype.clone(),
        seed: identity.seed.clone(),
        services,
        born: SET_UP_BEFORE.saturating_sub_unsigned(seconds),
    }
}

fn settings(decky: &Decky, slug: &str) -> Settings {
    let recorded = decky.service_config.get(slug).into_iter().flatten();
    // Rows of other tools hold numbers and switches as text.
    recorded.map(|(key, value)| (key.clone(), catalog::canonical(slug, key, value))).collect()
}

/// Fingerprint of everything that decides what a worker and its network do: 32 hex digits.
///
/// Settings of services that the decky does not run, and the bookkeeping in its row, are not in it:
/// a change of those needs no restart. `customs`: those of the fleet.
pub fn spec_hash(decky: &Decky, identity: &Identity, network: &Network, customs: &[CustomService]) -> String {
    let mut feed = Feed(Vec::with_capacity(512));
    let archetype = decky.archetype.as_deref().unwrap_or_default();
    for text in
        [decky.name.as_str(), &decky.distro, &decky.hostname, archetype, &decky.nmap_os, &network.interface]
    {
        feed.text(text.as_bytes());
    }
    let mut services: Vec<&str> = decky.services.iter().map(String::as_str).collect();
    services.sort_unstable();
    feed.fixed(&[u8::try_from(services.len()).unwrap_or(u8::MAX)]);
    for slug in services {
        feed.text(slug.as_bytes());
        let settings = decky.service_config.get(slug).filter(|settings| !settings.is_empty());
        // A map of texts to values always serializes.
        feed.text(&settings.and_then(|settings| serde_json::to_vec(settings).ok()).unwrap_or_default());
    }
    feed.fixed(&decky.ip.octets());
    feed.fixed(&identity.mac.0);
    feed.fixed(identity.seed.as_bytes());
    feed.text(network.driver.as_str().as_bytes());
    feed.fixed(&[network.subnet.prefix()]);
    feed.fixed(&network.subnet.network().octets());
    feed.fixed(&network.gateway.map_or([0; 4], |gateway| gateway.octets()));
    feed.fixed(&network.port_offset.to_le_bytes());
    for custom in run_by(decky, customs) {
        feed.text(&serde_json::to_vec(custom).unwrap_or_default());
    }
    // Its link is of another kind then. Left out where it is not, as it was before there was this.
    if network.host_access && network.driver == Driver::Macvlan {
        feed.fixed(&[1]);
    }
    let digest = Sha256::digest(&feed.0);
    hex::encode(digest.first_chunk::<16>().copied().unwrap_or_default())
}

/// The custom services that a decky runs, of those of the fleet.
pub fn run_by<'a>(
    decky: &'a Decky,
    customs: &'a [CustomService],
) -> impl Iterator<Item = &'a CustomService> + 'a {
    customs.iter().filter(|custom| decky.services.contains(&custom.slug))
}

/// Fields such that no two lists of them look alike.
struct Feed(Vec<u8>);

impl Feed {
    /// One of a length of its own, which goes before it.
    fn text(&mut self, bytes: &[u8]) {
        self.0.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.0.extend_from_slice(bytes);
    }

    /// One whose length is always the same.
    fn fixed(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fleet::fixtures;

    fn sample() -> (Decky, Identity, Network) {
        let fleet = fixtures::deployed(vec![fixtures::spec("web-01")]);
        let row = &fleet.members[0];
        (row.decky.clone().unwrap(), row.identity.clone().unwrap(), fixtures::lan())
    }

    #[test]
    fn a_persona_has_what_the_wire_shows_and_no_name() {
        let (mut decky, identity, network) = sample();
        decky.service_config.entry("ssh".into()).or_default().insert("user".into(), json!("root"));
        decky.service_config.entry("http".into()).or_default().insert("x".into(), json!(1));
        let persona = persona(&decky, &identity, &network);
        assert_eq!(persona.services.keys().collect::<Vec<_>>(), ["ssh"]);
        assert_eq!(persona.services["ssh"]["user"], "root");
        assert!(!serde_json::to_string(&persona).unwrap().contains("web-01"));
        let age = SET_UP_BEFORE - persona.born;
        assert!((20 * 86_400..=401 * 86_400).contains(&age), "{age}");
    }

    #[test]
    fn the_hash_follows_what_matters_and_nothing_else() {
        let (decky, identity, network) = sample();
        let hash = spec_hash(&decky, &identity, &network, &[]);
        assert_eq!(hash.len(), 32);
        let same = |change: &dyn Fn(&mut Decky, &mut Identity, &mut Network)| {
            let (mut d, mut i, mut n) = (decky.clone(), identity.clone(), network.clone());
            change(&mut d, &mut i, &mut n);
            spec_hash(&d, &i, &n, &[]) == hash
        };
        assert!(same(&|_, _, _| {}));
        assert!(same(&|d, _, _| d.last_mutated = 1.0));
        assert!(same(&|d, _, _| d.mutate_interval = Some(5)));
        assert!(same(&|d, _, _| drop(d.service_config.insert("ftp".into(), Settings::new()))));
        assert!(same(&|_, _, n| n.log_target = Some("10.0.0.1".parse().unwrap())));
        assert!(!same(&|d, _, _| d.ip = "192.168.1.99".parse().unwrap()));
        assert!(!same(&|d, _, _| d.hostname.push('x')));
        assert!(!same(&|d, _, _| d.services.push("http".into())));
        assert!(!same(&|d, _, _| d.nmap_os = "bsd".into()));
        assert!(!same(&|d, _, _| d
            .service_config
            .entry("ssh".into())
            .or_default()
            .insert("a".into(), json!(1))
            .map_or((), drop)));
        assert!(!same(&|_, i, _| i.mac.0[5] ^= 1));
        assert!(!same(&|_, _, n| n.port_offset = 1));
        assert!(!same(&|_, _, n| n.gateway = None));
        let custom = |slug: &str, port| CustomService {
            slug: slug.to_owned(),
            ports: vec![port],
            ..CustomService::default()
        };
        let with = |customs: &[CustomService]| spec_hash(&decky, &identity, &network, customs);
        assert_eq!(with(&[custom("shop", 1)]), hash);
        let mut decky = decky.clone();
        decky.services.push("shop".into());
        let with = |customs: &[CustomService]| spec_hash(&decky, &identity, &network, customs);
        assert_ne!(with(&[custom("shop", 1)]), with(&[custom("shop", 2)]));
        assert_eq!(with(&[custom("shop", 1)]), with(&[custom("shop", 1), custom("till", 2)]));
    }
}
