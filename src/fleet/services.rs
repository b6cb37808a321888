//! Which services a decky runs: pinned, its archetype's, kept, or drawn.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::catalog;
use crate::model::{CustomService, DeckySpec, Recorded, Seed, Transport};

use super::refusal::Refusal;

/// Most services that are drawn for one decky.
const MOST_DRAWN: usize = 3;

/// Where a service list comes from, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Pinned,
    Archetype,
    Kept,
    Drawn,
}

/// The services that the engine can run and a draw may give, by slug.
pub(super) fn drawable(emulated: &dyn Fn(&str) -> bool) -> Vec<&'static str> {
    let mut pool: Vec<_> =
        catalog::services().iter().filter(|s| !s.singleton && emulated(s.slug)).map(|s| s.slug).collect();
    pool.sort_unstable();
    pool
}

/// Draws 1 to 3 of `pool` that can run beside each other and beside `kept`, in the pool's order; none of an empty pool.
pub(super) fn draw(seed: &Seed, label: &str, pool: &[&str], kept: &[&CustomService]) -> Vec<String> {
    let most = pool.len().min(MOST_DRAWN);
    let count = 1 + usize::try_from(seed.number(&format!("{label}/count"), most as u64)).unwrap_or(0);
    let mut rest: Vec<&str> = pool.to_vec();
    let mut drawn: Vec<&str> = Vec::with_capacity(count);
    let mut turn = 0u32;
    while drawn.len() < count && !rest.is_empty() {
        let index = usize::try_from(seed.number(&format!("{label}/{turn}"), rest.len() as u64)).unwrap_or(0);
        let candidate = rest.remove(index);
        turn += 1;
        drawn.push(candidate);
        if kept.iter().any(|custom| beside(candidate, custom)) || clash(&drawn, &[]).is_some() {
            drawn.pop();
        }
    }
    drawn.sort_by_key(|slug| pool.iter().position(|p| p == slug));
    drawn.into_iter().map(ToOwned::to_owned).collect()
}

/// Whether a service and a custom one would listen on one port.
fn beside(slug: &str, custom: &CustomService) -> bool {
    catalog::ports_of(&[slug]).any(|(_, port)| match port.transport {
        Transport::Tcp => custom.ports.contains(&port.number),
        Transport::Udp => custom.udp_ports.contains(&port.number),
    })
}

/// The services of a decky: what its file says, else what it had, else a draw.
pub(super) fn choose<'a>(
    spec: &'a DeckySpec,
    row: Option<&'a Recorded>,
    seed: &Seed,
    drawable: &[&str],
) -> (Cow<'a, [String]>, Source) {
    let before = row.map(recorded).filter(|services| !services.is_empty());
    if let Some(pinned) = &spec.services {
        // A list in another order is the same set: no reason to start anything again.
        let services = match before {
            Some(before) if same_set(before, pinned) => Cow::Borrowed(before),
            _ => Cow::Owned(without_repeats(pinned)),
        };
        return (services, Source::Pinned);
    }
    if let Some(archetype) = spec.archetype.as_deref().and_then(catalog::archetype) {
        let known = row.and_then(|r| r.decky.as_ref().ok()).and_then(|d| d.archetype.as_deref());
        let kept = before.filter(|_| known == Some(archetype.slug));
        return match kept {
            // It may have been given others by a mutation: those stay.
            Some(before) => (Cow::Borrowed(before), Source::Kept),
            None => (archetype.services.iter().map(|&s| s.to_owned()).collect(), Source::Archetype),
        };
    }
    match before {
        Some(before) => (Cow::Borrowed(before), Source::Kept),
        None => (Cow::Owned(draw(seed, "services", drawable, &[])), Source::Drawn),
    }
}

/// What a row says it runs: its configuration, which decides, or else its column.
pub(super) fn recorded(row: &Recorded) -> &[String] {
    row.decky.as_ref().map_or(&row.services, |decky| &decky.services)
}

fn without_repeats(list: &[String]) -> Vec<String> {
    let mut seen = HashSet::new();
    list.iter().filter(|slug| seen.insert(slug.as_str())).cloned().collect()
}

/// Whether both lists name the same services.
pub(super) fn same_set(a: &[String], b: &[String]) -> bool {
    a == b || (a.iter().collect::<HashSet<_>>() == b.iter().collect::<HashSet<_>>())
}

/// Refuses what the engine cannot run and what cannot run side by side.
pub(super) fn check(
    spec: &DeckySpec,
    services: &[String],
    source: Source,
    customs: &[CustomService],
    emulated: &dyn Fn(&str) -> bool,
    port_offset: u16,
) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let name = &spec.name;
    if services.is_empty() {
        refusals.push(
            Refusal::invalid(format!("decky `{name}` would run nothing: this engine has no service to draw"))
                .about(spec),
        );
    }
    for (custom, why) in own(services, customs).filter_map(|c| Some((c, c.unplayable()?))) {
        if !emulated(&custom.slug) {
            refusals.push(
                Refusal::invalid(format!(
                    "decky `{name}` would run `{slug}`, and [custom-{slug}] {why}; with `ports` and a `banner` or `answers` this engine plays it",
                    slug = custom.slug
                ))
                .about(spec),
            );
        }
    }
    let missing = services.iter().filter(|s| !emulated(s) && customs.iter().all(|c| c.slug != **s));
    let missing: Vec<_> = missing.map(|s| format!("`{s}`")).collect();
    if !missing.is_empty() {
        let origin = match (source, &spec.archetype) {
            (Source::Archetype, Some(archetype)) => format!(" (of archetype `{archetype}`)"),
            (Source::Kept, _) => " (kept from its record)".to_owned(),
            _ => String::new(),
        };
        let available: Vec<_> =
            catalog::services().iter().filter(|s| emulated(s.slug)).map(|s| s.slug).collect();
        refusals.push(
            Refusal::invalid(format!(
                "decky `{name}` would run {}{origin}, which this engine cannot; available: {}",
                missing.join(", "),
                available.join(", "),
            ))
            .about(spec),
        );
    }
    let slugs: Vec<&str> = services.iter().map(String::as_str).collect();
    if let Some((first, second, port, transport)) = clash(&slugs, customs) {
        refusals.push(
            Refusal::invalid(format!(
                "decky `{name}` cannot run `{first}` and `{second}`: both listen on {port}/{transport}; take one of them out"
            ))
            .about(spec),
        );
    }
    if let Some((slug, port)) = bound(&slugs, customs)
        .find(|(_, port, _)| port.checked_add(port_offset).is_none())
        .map(|(slug, port, _)| (slug, port))
    {
        refusals.push(
            Refusal::invalid(format!(
                "decky `{name}` cannot run `{slug}`: its port {port} and the port_offset {port_offset} make more than 65535"
            ))
            .about(spec),
        );
    }
    refusals
}

/// The custom services among `services`.
pub(super) fn own<'a>(
    services: &'a [String],
    customs: &'a [CustomService],
) -> impl Iterator<Item = &'a CustomService> {
    customs.iter().filter(|custom| services.contains(&custom.slug))
}

/// Every port that the emulations of `services` listen on.
fn bound<'a>(
    services: &'a [&'a str],
    customs: &'a [CustomService],
) -> impl Iterator<Item = (&'a str, u16, Transport)> + 'a {
    let own = services.iter().flat_map(move |&slug| {
        customs.iter().filter(move |c| c.slug == slug).flat_map(move |c| {
            let tcp = c.ports.iter().map(move |&port| (slug, port, Transport::Tcp));
            tcp.chain(c.udp_ports.iter().map(move |&port| (slug, port, Transport::Udp)))
        })
    });
    catalog::ports_of(services).map(|(slug, port)| (slug, port.number, port.transport)).chain(own)
}

/// The first two services that listen on one port.
fn clash<'a>(
    services: &'a [&'a str],
    customs: &'a [CustomService],
) -> Option<(&'a str, &'a str, u16, Transport)> {
    let mut seen: Vec<(&str, u16, Transport)> = Vec::new();
    for (slug, port, transport) in bound(services, customs) {
        if let Some((first, ..)) = seen.iter().find(|(s, p, t)| (*p, *t) == (port, transport) && *s != slug) {
            return Some((first, slug, port, transport));
        }
        seen.push((slug, port, transport));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::fixtures::{self, emulated, spec};

    fn list(slugs: &[&str]) -> Vec<String> {
        slugs.iter().map(|&s| s.to_owned()).collect()
    }

    fn seed(n: u8) -> Seed {
        Seed::new([n; 32])
    }

    #[test]
    fn draws_are_small_sets_of_what_runs() {
        let pool = drawable(&emulated);
        assert_eq!(pool, ["ftp", "http", "mysql", "redis", "ssh", "telnet"]);
        let mut sizes = HashSet::new();
        for n in 0..60 {
            let drawn = draw(&seed(n), "services", &pool, &[]);
            sizes.insert(drawn.len());
            assert_eq!(without_repeats(&drawn), drawn);
            assert!(drawn.iter().all(|s| emulated(s)));
        }
        assert_eq!(sizes, HashSet::from([1, 2, 3]));
        assert_eq!(draw(&seed(1), "services", &["ssh"], &[]), ["ssh"]);
        assert!(draw(&seed(1), "services", &[], &[]).is_empty());
    }

    #[test]
    fn draws_never_clash() {
        for n in 0..40 {
            let drawn = draw(&seed(n), "services", &["http", "conpot", "smtp", "smtp_relay"], &[]);
            let slugs: Vec<&str> = drawn.iter().map(String::as_str).collect();
            assert_eq!(clash(&slugs, &[]), None, "{drawn:?}");
        }
    }

    #[test]
    fn pinned_beats_archetype_beats_draw() {
        let pool = drawable(&emulated);
        let mut decky = spec("a");
        decky.services = Some(list(&["http", "ssh", "http"]));
        decky.archetype = Some("web-server".to_owned());
        assert_eq!(
            choose(&decky, None, &seed(1), &pool),
            (Cow::Owned(list(&["http", "ssh"])), Source::Pinned)
        );
        decky.services = None;
        assert_eq!(
            choose(&decky, None, &seed(1), &pool),
            (Cow::Owned(list(&["http", "ftp"])), Source::Archetype)
        );
        decky.archetype = None;
        assert_eq!(choose(&decky, None, &seed(1), &pool).1, Source::Drawn);
    }

    #[test]
    fn what_is_not_pinned_is_kept() {
        let pool = drawable(&emulated);
        let fleet = fixtures::deployed(vec![{
            let mut decky = spec("a");
            decky.archetype = Some("web-server".to_owned());
            decky.services = Some(list(&["redis"]));
            decky
        }]);
        let row = &fleet.members[0];
        let mut wanted = spec("a");
        wanted.services = None;
        assert_eq!(choose(&wanted, Some(row), &seed(2), &pool), (Cow::Owned(list(&["redis"])), Source::Kept));
        wanted.archetype = Some("web-server".to_owned());
        assert_eq!(choose(&wanted, Some(row), &seed(2), &pool), (Cow::Owned(list(&["redis"])), Source::Kept));
        wanted.archetype = Some("deaddeck".to_owned());
        assert_eq!(
            choose(&wanted, Some(row), &seed(2), &pool),
            (Cow::Owned(list(&["ssh"])), Source::Archetype)
        );
    }

    #[test]
    fn refusals_name_decky_and_service() {
        let check = |services: &[&str], offset| {
            check(
                &spec("db-01"),
                &list(services),
                Source::Pinned,
                &[],
                &|s| emulated(s) || s == "conpot",
                offset,
            )
        };
        assert!(check(&["ssh", "mysql"], 0).is_empty());
        let missing = &check(&["ssh", "vnc", "sip"], 0)[0].message;
        assert!(
            missing.contains("`db-01`") && missing.contains("`vnc`, `sip`") && missing.contains("redis"),
            "{missing}"
        );
        assert!(check(&["mysql"], 62_229).is_empty());
        assert!(check(&["mysql"], 62_230)[0].message.contains("65535"));
        assert!(check(&[], 0)[0].message.contains("nothing"));
    }

    #[test]
    fn clashes_name_both() {
        let customs =
            [CustomService { slug: "shop".to_owned(), ports: vec![80], ..CustomService::default() }];
        let refusals = check(&spec("a"), &list(&["http", "shop"]), Source::Pinned, &customs, &|_| true, 0);
        assert_eq!(refusals.len(), 1, "{refusals:?}");
        assert!(refusals[0].message.contains("`http` and `shop`") && refusals[0].message.contains("80/tcp"));
        let twice = check(&spec("a"), &list(&["smtp", "smtp_relay"]), Source::Pinned, &[], &|_| true, 0);
        assert!(twice[0].message.contains("25/tcp"), "{twice:?}");
    }
}
