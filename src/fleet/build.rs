//! From what is asked for to the deckies that should be recorded.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;

use crate::catalog;
use crate::model::{CustomService, Decky, DeckySpec, Identity, Mac, Network, Recorded};

use super::alloc::{self, Range};
use super::identity;
use super::index::Index;
use super::refusal::Refusal;
use super::request::{Mode, Request};
use super::services::{self, recorded, same_set};
use super::vendors::Kind;

/// One decky as it should be recorded.
pub(super) struct Desired<'a> {
    pub(super) spec: &'a DeckySpec,
    /// Its row, where it exists already (replace mode).
    pub(super) row: Option<&'a Recorded>,
    /// Borrowed from its row when nothing differs.
    pub(super) decky: Cow<'a, Decky>,
    pub(super) identity: Identity,
}

/// What [`build`] comes to.
pub(super) struct Built<'a> {
    pub(super) deckies: Vec<Desired<'a>>,
    pub(super) refusals: Vec<Refusal>,
    pub(super) warnings: Vec<String>,
}

/// What is true of every decky of a call.
pub(super) struct Ground<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) network: &'a Network,
    pub(super) range: &'a Range<'a>,
    pub(super) index: &'a Index<'a>,
    /// Interval of deckies that say none, where the fleet's is another.
    pub(super) mutate_interval: Option<u32>,
}

/// Builds every decky of the request, in file order.
pub(super) fn build<'a>(ground: &Ground<'a>) -> Built<'a> {
    let request = ground.request;
    let specs = &request.spec.deckies;
    let row_of = |spec: &DeckySpec| match request.mode {
        Mode::Replace => ground.index.by_name.get(spec.name.as_str()).copied(),
        _ => None,
    };
    let rows: Vec<Option<&Recorded>> = specs.iter().map(row_of).collect();
    let (addresses, exhausted) = alloc::assign(specs, &rows, ground.range, ground.index, request.mode);
    let mut builder = Builder {
        ground,
        customs: known_customs(request),
        drawable: services::drawable(request.emulated),
        macs: taken_macs(ground),
        hostnames: HashSet::new(),
        refusals: exhausted.into_iter().collect(),
        warnings: duplicate_hostnames(ground, &rows),
    };
    builder.hostnames.extend(specs.iter().filter_map(|s| s.hostname.as_deref()).map(str::to_ascii_lowercase));
    let mut deckies = Vec::with_capacity(specs.len());
    for ((spec, row), ip) in specs.iter().zip(rows).zip(addresses) {
        deckies.push(builder.decky(spec, row, ip.unwrap_or(Ipv4Addr::UNSPECIFIED)));
    }
    Built { deckies, refusals: builder.refusals, warnings: builder.warnings }
}

struct Builder<'g, 'a> {
    ground: &'g Ground<'a>,
    customs: Vec<CustomService>,
    drawable: Vec<&'static str>,
    macs: HashSet<Mac>,
    /// Of this call, in lower case; those of the fleet are in the index.
    hostnames: HashSet<String>,
    refusals: Vec<Refusal>,
    warnings: Vec<String>,
}

impl<'a> Builder<'_, 'a> {
    fn decky(&mut self, spec: &'a DeckySpec, row: Option<&'a Recorded>, ip: Ipv4Addr) -> Desired<'a> {
        let archetype = spec.archetype.as_deref().and_then(catalog::archetype);
        let nmap_os = spec.nmap_os.as_deref().or(archetype.map(|a| a.nmap_os)).unwrap_or("linux");
        let kind = Kind::of(spec.archetype.as_deref(), nmap_os);
        let identity = self.identity(spec, row, kind);
        let services = self.services(spec, row, &identity);
        let mutate_interval = spec.mutate_interval.or(self.ground.mutate_interval);
        let before = row.and_then(|r| r.decky.as_ref().ok());
        let mut decky = match before {
            // Most deckies of a large file are as recorded: those are not copied.
            Some(before)
                if pins_nothing_new(spec, before)
                    && (before.ip, before.mutate_interval) == (ip, mutate_interval)
                    && before.nmap_os == nmap_os
                    && before.services == *services =>
            {
                return Desired { spec, row, decky: Cow::Borrowed(before), identity };
            }
            Some(before) => {
                let mut decky = before.clone();
                decky.name = spec.name.clone();
                if let Some(distro) = spec.distro.as_deref().filter(|d| *d != before.distro) {
                    self.set_distro(&mut decky, spec, distro);
                }
                if let Some(hostname) = &spec.hostname {
                    decky.hostname.clone_from(hostname);
                }
                decky
            }
            None => self.fresh(spec, &identity, kind),
        };
        decky.ip = ip;
        decky.services = services.into_owned();
        decky.archetype.clone_from(&spec.archetype);
        nmap_os.clone_into(&mut decky.nmap_os);
        decky.mutate_interval = mutate_interval;
        decky.service_config.clone_from(&spec.service_config);
        Desired { spec, row, decky: Cow::Owned(decky), identity }
    }

    /// Kept, with the MAC address that the file pins; made from the call's randomness where there is none.
    fn identity(&mut self, spec: &DeckySpec, row: Option<&Recorded>, kind: Kind) -> Identity {
        let kept = row.and_then(|r| r.identity.clone());
        let mut identity = kept.unwrap_or_else(|| {
            identity::fresh(self.ground.request.seed, spec.name.as_str(), kind, &self.macs)
        });
        if let Some(mac) = spec.mac {
            identity.mac = mac;
        }
        self.macs.insert(identity.mac);
        identity
    }

    fn services(
        &mut self,
        spec: &'a DeckySpec,
        row: Option<&'a Recorded>,
        identity: &Identity,
    ) -> Cow<'a, [String]> {
        let (services, source) = services::choose(spec, row, &identity.seed, &self.drawable);
        let emulated = self.ground.request.emulated;
        if row.is_some_and(|r| !services.is_empty() && same_set(recorded(r), &services)) {
            // It is recorded with them already, by another tool or for another engine: no reason to refuse the file.
            let playable =
                |slug: &str| self.customs.iter().any(|c| c.slug == slug && c.unplayable().is_none());
            let runs = |slug: &str| emulated(slug) || playable(slug);
            let missing: Vec<_> = services.iter().filter(|s| !runs(s)).map(|s| format!("`{s}`")).collect();
            if !missing.is_empty() {
                let missing = missing.join(", ");
                self.warnings.push(format!(
                    "decky `{}` is recorded with {missing}, which this engine cannot run",
                    spec.name
                ));
            }
        } else {
            let offset = self.ground.network.port_offset;
            self.refusals.extend(services::check(spec, &services, source, &self.customs, emulated, offset));
        }
        services
    }

    fn fresh(&mut self, spec: &DeckySpec, identity: &Identity, kind: Kind) -> Decky {
        let preferred = spec.archetype.as_deref().and_then(catalog::archetype).map_or(&[][..], |a| a.distros);
        let drawn = match identity.seed.pick("distro", preferred) {
            Some(distro) => Some(*distro),
            None => identity.seed.pick("distro", catalog::distros()).map(|d| d.slug),
        };
        let distro = spec.distro.as_deref().or(drawn).unwrap_or("debian");
        let hostname = spec.hostname.clone().unwrap_or_else(|| {
            let (index, new) = (self.ground.index, &self.hostnames);
            identity::hostname(&identity.seed, kind, distro, identity.mac, &|name| {
                new.contains(name) || index.by_hostname.contains_key(name)
            })
        });
        self.hostnames.insert(hostname.to_ascii_lowercase());
        let mut decky = Decky {
            name: spec.name.clone(),
            ip: Ipv4Addr::UNSPECIFIED,
            services: Vec::new(),
            distro: String::new(),
            base_image: String::new(),
            build_base: String::new(),
            hostname,
            archetype: None,
            service_config: Default::default(),
            nmap_os: String::new(),
            mutate_interval: None,
            last_mutated: to_micros(self.ground.request.now),
            last_login_attempt: 0.0,
            host_uuid: None,
        };
        self.set_distro(&mut decky, spec, distro);
        decky
    }

    fn set_distro(&mut self, decky: &mut Decky, spec: &DeckySpec, slug: &str) {
        let Some(distro) = catalog::distro(slug) else {
            let known: Vec<_> = catalog::distros().iter().map(|d| d.slug).collect();
            let known = known.join(", ");
            self.refusals.push(
                Refusal::invalid(format!(
                    "decky `{}` has the unknown distro `{slug}`; there are {known}",
                    spec.name
                ))
                .about(spec),
            );
            return;
        };
        distro.slug.clone_into(&mut decky.distro);
        distro.base_image.clone_into(&mut decky.base_image);
        distro.build_base.clone_into(&mut decky.build_base);
    }
}

/// Whether the record has everything that the file says of the decky itself, word for word.
fn pins_nothing_new(spec: &DeckySpec, before: &Decky) -> bool {
    spec.name == before.name
        && spec.distro.as_ref().is_none_or(|distro| *distro == before.distro)
        && spec.hostname.as_ref().is_none_or(|hostname| *hostname == before.hostname)
        && spec.archetype == before.archetype
        && spec.service_config == before.service_config
}

/// Whole microseconds: what survives a round trip through JSON exactly.
pub(super) fn to_micros(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}

fn known_customs(request: &Request<'_>) -> Vec<CustomService> {
    let new = &request.spec.customs;
    let old = request.fleet.customs.iter().filter(|old| new.iter().all(|n| n.slug != old.slug));
    new.iter().chain(old).cloned().collect()
}

/// Everything that a drawn MAC address has to stay clear of.
fn taken_macs(ground: &Ground<'_>) -> HashSet<Mac> {
    let pinned = ground.request.spec.deckies.iter().filter_map(|d| d.mac);
    ground.index.by_mac.keys().copied().chain(pinned).collect()
}

/// Pinned hostnames that two machines would have: odd on a network, but the file's to say.
fn duplicate_hostnames(ground: &Ground<'_>, rows: &[Option<&Recorded>]) -> Vec<String> {
    let specs = &ground.request.spec.deckies;
    if specs.iter().all(|s| s.hostname.is_none()) {
        return Vec::new();
    }
    let mut seen: HashMap<String, &str> = HashMap::new();
    if ground.request.mode == Mode::Additive {
        seen.extend(ground.index.by_hostname.iter().map(|(hostname, name)| (hostname.clone(), *name)));
    }
    let mut warnings = Vec::new();
    for (spec, row) in specs.iter().zip(rows) {
        let kept = row.and_then(|r| r.decky.as_ref().ok()).map(|d| d.hostname.as_str());
        let Some(hostname) = spec.hostname.as_deref().or(kept) else { continue };
        if let Some(first) = seen.insert(hostname.to_ascii_lowercase(), spec.name.as_str()) {
            warnings.push(format!("deckies `{first}` and `{}` have the same hostname {hostname}", spec.name));
        }
    }
    warnings
}
