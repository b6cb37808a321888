//! When deckies are due for new services.

use jiff::Timestamp;

use crate::model::{Decky, Fleet, Network, State};

/// Seconds since 1970.
pub(super) fn seconds(now: Timestamp) -> f64 {
    now.as_millisecond() as f64 / 1000.0
}

/// Deckies whose interval is over.
pub(super) fn due(fleet: &Fleet, now: f64) -> Vec<String> {
    timed(fleet).filter(|(_, at)| *at <= now).map(|(name, _)| name.to_owned()).collect()
}

/// When the next decky is due, in seconds since 1970.
pub(super) fn next(fleet: &Fleet) -> Option<f64> {
    timed(fleet).map(|(_, at)| at).min_by(f64::total_cmp)
}

fn timed(fleet: &Fleet) -> impl Iterator<Item = (&str, f64)> {
    fleet.members.iter().filter(|m| m.host_uuid == "local").filter_map(|member| {
        let here = matches!(member.state, State::Pending | State::Running | State::Degraded | State::Failed);
        let decky = member.decky.as_ref().ok().filter(|_| here)?;
        Some((member.name.as_str(), moment(decky, fleet.network.as_ref())?))
    })
}

fn moment(decky: &Decky, network: Option<&Network>) -> Option<f64> {
    let minutes = decky.mutate_interval.or_else(|| network.and_then(|n| n.mutate_interval))?;
    let since = decky.last_mutated;
    (minutes > 0 && since.is_finite()).then(|| since + f64::from(minutes) * 60.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Recorded;

    fn member(name: &str, interval: Option<u32>, last: f64, state: State) -> Recorded {
        let mut decky: Decky = serde_json::from_value(serde_json::json!({
            "name": name, "ip": "127.77.0.9", "services": ["ssh"], "distro": "debian",
            "base_image": "x", "hostname": "h",
        }))
        .unwrap();
        decky.mutate_interval = interval;
        decky.last_mutated = last;
        Recorded {
            name: name.into(),
            ip: None,
            services: Vec::new(),
            decky: Ok(decky),
            identity: None,
            state,
            last_error: None,
            updated_at: String::new(),
            host_uuid: "local".into(),
        }
    }

    #[test]
    fn own_interval_wins_and_only_those_in_the_fleet_are_due() {
        let mut fleet = Fleet {
            members: vec![
                member("a", Some(1), 100.0, State::Running),
                member("b", None, 100.0, State::Running),
                member("c", Some(0), 0.0, State::Running),
                member("d", Some(1), 0.0, State::TearingDown),
                member("e", Some(1), f64::NAN, State::Running),
            ],
            ..Fleet::default()
        };
        assert_eq!(due(&fleet, 159.0), Vec::<String>::new());
        assert_eq!(due(&fleet, 160.0), ["a"]);
        assert_eq!(next(&fleet), Some(160.0));
        fleet.network = serde_json::from_value(serde_json::json!({
            "driver": "loopback", "interface": "lo", "subnet": "127.77.0.0/16", "gateway": null,
            "mutate_interval": 2,
        }))
        .unwrap();
        assert_eq!(due(&fleet, 220.0), ["a", "b"]);
        assert_eq!(due(&Fleet::default(), 1e12), Vec::<String>::new());
        assert_eq!(next(&Fleet::default()), None);
    }
}
