//! A fleet from flags alone: `-n 5 --archetype web-server`.

use std::net::Ipv4Addr;

use crate::catalog;
use crate::model::{DeckyName, DeckySpec, Fleet, FleetSpec, GeneralSpec, Origin};

use super::alloc::Range;
use super::index::Index;
use super::network;
use super::refusal::Refusal;
use super::request::{Host, Mode, Overrides};

/// The flags of a quick fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quick {
    /// `-n`: how many deckies.
    pub count: usize,
    /// `--services`.
    pub services: Option<Vec<String>>,
    /// `--archetype`.
    pub archetype: Option<String>,
    /// `--randomize-services`.
    pub randomize: bool,
    /// `--distro`, given to the deckies in turn.
    pub distros: Vec<String>,
    /// `--ip-start`: where addresses begin.
    pub ip_start: Option<Ipv4Addr>,
}

/// What the flags ask for, in the form that files have too. In additive mode names continue after
/// the highest `decky-NN` of the fleet; in replace mode the flags are the whole fleet, so they begin at 01.
///
/// # Errors
///
/// Unknown words, no or several sources of services, and an `--ip-start` with too little room.
pub fn quick(
    flags: &Quick,
    mode: Mode,
    fleet: &Fleet,
    host: &Host,
    over: &Overrides,
) -> Result<FleetSpec, Vec<Refusal>> {
    let mut refusals = words(flags);
    let first = if mode == Mode::Replace { Some(1) } else { highest(fleet).checked_add(1) };
    let names = first.map_or_else(Vec::new, |first| names(first, flags.count));
    if names.len() < flags.count {
        refusals.push(Refusal::invalid("there are no names left after the highest `decky-NN` of the fleet"));
    }
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let addresses = match flags.ip_start {
        None => vec![None; names.len()],
        Some(start) => from(start, &names, mode, fleet, host, over)?,
    };
    let deckies = names.into_iter().zip(addresses).enumerate().map(|(at, (name, ip))| DeckySpec {
        name,
        ip,
        services: flags.services.clone(),
        archetype: flags.archetype.clone(),
        nmap_os: None,
        distro: at.checked_rem(flags.distros.len()).and_then(|turn| flags.distros.get(turn)).cloned(),
        hostname: None,
        mac: None,
        mutate_interval: None,
        service_config: Default::default(),
        origin: Origin::default(),
    });
    Ok(FleetSpec { general: GeneralSpec::default(), deckies: deckies.collect(), customs: Vec::new() })
}

fn words(flags: &Quick) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    if flags.count == 0 {
        refusals.push(Refusal::invalid("a fleet of 0 deckies is none; `decnet teardown` removes deckies"));
    }
    let sources = [flags.services.is_some(), flags.archetype.is_some(), flags.randomize];
    match sources.iter().filter(|given| **given).count() {
        0 => refusals.push(Refusal::invalid(
            "say what the deckies run: --services LIST, --archetype SLUG or --randomize-services",
        )),
        1 => {}
        _ => refusals.push(Refusal::invalid(
            "--services, --archetype and --randomize-services exclude each other; give one of them",
        )),
    }
    let services = flags.services.iter().flatten();
    if flags.services.as_ref().is_some_and(Vec::is_empty) {
        refusals.push(Refusal::invalid("--services needs at least one service"));
    }
    refusals.extend(unknown(
        "service",
        services,
        &catalog::services().iter().map(|s| s.slug).collect::<Vec<_>>(),
    ));
    refusals.extend(unknown(
        "archetype",
        flags.archetype.iter(),
        &catalog::archetypes().iter().map(|a| a.slug).collect::<Vec<_>>(),
    ));
    refusals.extend(unknown(
        "distro",
        flags.distros.iter(),
        &catalog::distros().iter().map(|d| d.slug).collect::<Vec<_>>(),
    ));
    refusals
}

fn unknown<'a>(what: &str, words: impl Iterator<Item = &'a String>, known: &[&'static str]) -> Vec<Refusal> {
    let unknown = words.filter(|word| !known.contains(&word.as_str()));
    unknown
        .map(|word| {
            let meant = match catalog::nearest(word, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are {}", known.join(", ")),
            };
            Refusal::invalid(format!("there is no {what} `{}`; {meant}", word.escape_debug()))
        })
        .collect()
}

/// The highest NN of `decky-NN` in the fleet, whatever the state of its row.
fn highest(fleet: &Fleet) -> u32 {
    let numbers = fleet.members.iter().filter_map(|row| {
        let digits = row.name.strip_prefix("decky-")?;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
    });
    numbers.max().unwrap_or(0)
}

fn names(first: u32, count: usize) -> Vec<DeckyName> {
    (first..=u32::MAX).take(count).filter_map(|number| format!("decky-{number:02}").parse().ok()).collect()
}

/// One address each, ascending from `start`: free ones, or in replace mode whatever is fit.
fn from(
    start: Ipv4Addr,
    names: &[DeckyName],
    mode: Mode,
    fleet: &Fleet,
    host: &Host,
    over: &Overrides,
) -> Result<Vec<Option<Ipv4Addr>>, Vec<Refusal>> {
    let merged = network::merge(&GeneralSpec::default(), over, fleet, host, mode)?;
    let (index, range) = (Index::new(fleet), Range::new(&merged.network, host));
    let subnet = merged.network.subnet;
    if !subnet.contains(start) {
        return Err(vec![Refusal::invalid(format!(
            "--ip-start {start} lies outside the fleet's subnet {subnet}"
        ))]);
    }
    let taken = |ip| mode != Mode::Replace && index.by_ip.contains_key(&ip);
    let found: Vec<_> = range.free(Some(start), taken).take(names.len()).map(Some).collect();
    if found.len() < names.len() {
        return Err(vec![Refusal::invalid(format!(
            "{subnet} has {} free addresses from {start} on, and {} are needed",
            found.len(),
            names.len()
        ))]);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::fixtures::{Case, deployed, host, spec, spoil};

    fn flags(count: usize) -> Quick {
        Quick { count, archetype: Some("web-server".to_owned()), ..Quick::default() }
    }

    fn names_of(spec: &FleetSpec) -> Vec<&str> {
        spec.deckies.iter().map(|d| d.name.as_str()).collect()
    }

    fn build(flags: &Quick, mode: Mode, fleet: &Fleet) -> Result<FleetSpec, Vec<Refusal>> {
        quick(flags, mode, fleet, &host(), &Overrides::default())
    }

    #[test]
    fn names_continue_after_the_highest() {
        let mut fleet = deployed(vec![spec("decky-02"), spec("decky-11"), spec("decky-x9"), spec("web-99")]);
        assert_eq!(names_of(&build(&flags(2), Mode::Additive, &fleet).unwrap()), ["decky-12", "decky-13"]);
        spoil(&mut fleet, "decky-11");
        assert_eq!(names_of(&build(&flags(1), Mode::Additive, &fleet).unwrap()), ["decky-12"]);
        assert_eq!(names_of(&build(&flags(2), Mode::Replace, &fleet).unwrap()), ["decky-01", "decky-02"]);
        let empty = Fleet::default();
        let many = build(&flags(101), Mode::Additive, &empty).unwrap();
        assert_eq!((names_of(&many)[0], names_of(&many)[100]), ("decky-01", "decky-101"));
        let last = deployed(vec![spec("decky-4294967295")]);
        assert!(build(&flags(1), Mode::Additive, &last).is_err());
    }

    #[test]
    fn distros_take_turns_and_addresses_ascend() {
        let fleet = deployed(vec![crate::fleet::fixtures::pinned("a", "192.168.1.51")]);
        let flags = Quick {
            distros: vec!["debian".to_owned(), "alpine".to_owned()],
            ip_start: Some("192.168.1.50".parse().unwrap()),
            ..flags(3)
        };
        let spec = build(&flags, Mode::Additive, &fleet).unwrap();
        let got: Vec<_> =
            spec.deckies.iter().map(|d| (d.distro.clone().unwrap(), d.ip.unwrap().to_string())).collect();
        let expected = [("debian", "192.168.1.50"), ("alpine", "192.168.1.52"), ("debian", "192.168.1.53")];
        assert_eq!(got, expected.map(|(d, i)| (d.to_owned(), i.to_owned())));
        let late = Quick { ip_start: Some("192.168.1.253".parse().unwrap()), ..flags.clone() };
        assert!(build(&late, Mode::Additive, &fleet).unwrap_err()[0].message.contains("2 free addresses"));
        let outside = Quick { ip_start: Some("10.0.0.1".parse().unwrap()), ..flags };
        assert!(build(&outside, Mode::Additive, &fleet).unwrap_err()[0].message.contains("outside"));
    }

    #[test]
    fn bad_words_come_all_at_once() {
        let flags = Quick {
            count: 0,
            services: Some(vec!["htpp".to_owned()]),
            archetype: Some("nothing-like-it".to_owned()),
            randomize: false,
            distros: vec!["debain".to_owned()],
            ip_start: None,
        };
        let refusals = build(&flags, Mode::Additive, &Fleet::default()).unwrap_err();
        assert_eq!(refusals.len(), 5, "{refusals:#?}");
        assert!(refusals[2].message.contains("`http`") && refusals[4].message.contains("`debian`"));
        let nothing = Quick { count: 1, ..Quick::default() };
        assert!(
            build(&nothing, Mode::Additive, &Fleet::default()).unwrap_err()[0].message.contains("--services")
        );
    }

    #[test]
    fn randomized_fleets_are_stable_when_replaced() {
        let random = Quick { count: 4, randomize: true, ..Quick::default() };
        let empty = Fleet::default();
        let mut case = Case::new(Mode::Replace, empty.clone(), Vec::new());
        case.spec = build(&random, Mode::Replace, &empty).unwrap();
        let fleet = crate::fleet::fixtures::apply(&empty, &case.ok());
        let mut again = Case::new(Mode::Replace, fleet.clone(), Vec::new());
        again.seed = crate::model::Seed::new([9; 32]);
        again.spec = build(&random, Mode::Replace, &fleet).unwrap();
        assert!(again.ok().is_empty(), "{:?}", again.outline());
    }
}
