//! One number for a whole recorded fleet.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::catalog;
use crate::model::{Decky, Fleet};

/// Bytes gathered before they are hashed: fields are short.
const CHUNK: usize = 16 << 10;

/// SHA-256, in hex, over every row's name, address, configuration and identity, the network and the
/// custom services. States and times are not in it: the engine writes those at any moment, and they
/// are no reason to refuse a plan.
pub fn fleet_digest(fleet: &Fleet) -> String {
    let mut feed = Feed { hash: Sha256::new(), buffer: Vec::with_capacity(CHUNK * 2) };
    feed.json(&(&fleet.network, &fleet.customs));
    for row in &fleet.members {
        feed.bytes(row.name.as_bytes());
        feed.bytes(row.ip.map(|ip| ip.octets()).as_ref().map_or(&[], |ip| ip.as_slice()));
        match &row.decky {
            Ok(decky) => self::decky(&mut feed, decky),
            Err(why) => {
                feed.bytes(why.as_bytes());
                feed.list(&row.services);
            }
        }
        if let Some(identity) = &row.identity {
            feed.bytes(&identity.mac.0);
            feed.bytes(identity.seed.as_bytes());
        }
        feed.buffer.push(b'\n');
        if feed.buffer.len() >= CHUNK {
            feed.spill();
        }
    }
    feed.spill();
    hex::encode(feed.hash.finalize())
}

/// All 14 keys. By hand: as JSON, 10,000 deckies would take most of a plan's time.
fn decky(feed: &mut Feed, decky: &Decky) {
    let Decky {
        name,
        ip,
        services,
        distro,
        base_image,
        build_base,
        hostname,
        archetype,
        service_config,
        nmap_os,
        mutate_interval,
        last_mutated,
        last_login_attempt,
        host_uuid,
    } = decky;
    for text in [name.as_str(), distro, hostname, nmap_os] {
        feed.bytes(text.as_bytes());
    }
    // The images follow from the distro in all but rows of other tools, and are long.
    let images = catalog::distro(distro).map(|d| (d.base_image, d.build_base));
    if images != Some((base_image.as_str(), build_base.as_str())) {
        feed.buffer.push(1);
        feed.bytes(base_image.as_bytes());
        feed.bytes(build_base.as_bytes());
    }
    feed.bytes(&ip.octets());
    feed.list(services);
    for optional in [archetype, host_uuid] {
        feed.buffer.push(u8::from(optional.is_some()));
        feed.bytes(optional.as_deref().unwrap_or_default().as_bytes());
    }
    feed.buffer.push(u8::from(mutate_interval.is_some()));
    feed.buffer.extend(mutate_interval.unwrap_or(0).to_le_bytes());
    feed.buffer.extend(last_mutated.to_bits().to_le_bytes());
    feed.buffer.extend(last_login_attempt.to_bits().to_le_bytes());
    feed.json(service_config);
}

/// Nothing in a row is longer than four gigabytes.
fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

struct Feed {
    hash: Sha256,
    buffer: Vec<u8>,
}

impl Feed {
    /// With its length, so that no two lists of fields look alike.
    fn bytes(&mut self, bytes: &[u8]) {
        self.buffer.extend(length(bytes.len()));
        self.buffer.extend_from_slice(bytes);
    }

    fn list(&mut self, list: &[String]) {
        self.buffer.extend(length(list.len()));
        list.iter().for_each(|item| self.bytes(item.as_bytes()));
    }

    fn json(&mut self, value: &impl Serialize) {
        // Writing into memory cannot fail, and these types have nothing that is no JSON.
        let _ = serde_json::to_writer(&mut self.buffer, value);
    }

    fn spill(&mut self) {
        self.hash.update(&self.buffer);
        self.buffer.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::fixtures;
    use crate::model::State;

    #[test]
    fn the_digest_follows_content_not_state() {
        let fleet = fixtures::deployed(vec![fixtures::spec("a"), fixtures::spec("b")]);
        let digest = fleet_digest(&fleet);
        assert_eq!(digest.len(), 64);
        let mut same = fleet.clone();
        fixtures::set_state(&mut same, "a", State::Failed);
        same.members[0].last_error = Some("x".into());
        same.members[0].updated_at = "later".into();
        same.store.serial += 9;
        assert_eq!(fleet_digest(&same), digest);
        let changes: [&dyn Fn(&mut Fleet); 6] = [
            &|f| f.members[0].decky.as_mut().unwrap().hostname.push('x'),
            &|f| f.members[0].identity = None,
            &|f| f.members[0].ip = None,
            &|f| fixtures::spoil(f, "b"),
            &|f| drop(f.members.pop()),
            &|f| f.network = None,
        ];
        for change in changes {
            let mut other = fleet.clone();
            change(&mut other);
            assert_ne!(fleet_digest(&other), digest);
        }
    }
}
