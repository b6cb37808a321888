//! What is on the broker: its own `$SYS` tree, and the readings of a plant or a building.

use crate::decoy::setting::{area, text};
use crate::decoy::uptime;
use crate::model::{Persona, Seed, Settings};

/// What a device reports.
enum Reading {
    /// A number that swings around a middle: middle, swing, decimals.
    Number(f64, f64, usize),
    /// The same, but only while the sun shines: at noon, swing, decimals.
    Sun(f64, f64, usize),
    /// One word of these, changing rarely.
    State(&'static [&'static str]),
    /// Always the same.
    Fixed(&'static str),
}
use Reading::{Fixed, Number, State, Sun};

/// A plant: word, root of its topics, devices and what each reports.
struct Plant {
    word: &'static str,
    root: &'static [&'static str],
    readings: &'static [(&'static str, Reading)],
}

const PLANTS: [Plant; 5] = [
    Plant {
        word: "water_plant",
        root: &["waterworks", "wtp", "plant/water"],
        readings: &[
            ("intake/flow_m3h", Number(412.0, 35.0, 1)),
            ("intake/turbidity_ntu", Number(2.4, 0.6, 2)),
            ("tank1/level_pct", Number(71.0, 9.0, 1)),
            ("tank2/level_pct", Number(64.0, 11.0, 1)),
            ("chlorine/residual_mgl", Number(0.82, 0.08, 2)),
            ("ph/value", Number(7.3, 0.15, 2)),
            ("pump1/state", State(&["RUN", "RUN", "RUN", "STOP"])),
            ("pump2/state", State(&["STOP", "RUN", "STOP"])),
            ("pump1/rpm", Number(1462.0, 14.0, 0)),
            ("valve3/cmd", State(&["OPEN", "OPEN", "CLOSED"])),
            ("plc/status", Fixed("{\"mode\":\"AUTO\",\"alarms\":0}")),
        ],
    },
    Plant {
        word: "building_hvac",
        root: &["hvac", "bms/hq", "building/a"],
        readings: &[
            ("floor1/temperature", Number(21.6, 0.9, 1)),
            ("floor2/temperature", Number(22.1, 1.1, 1)),
            ("floor3/temperature", Number(22.8, 1.2, 1)),
            ("floor1/co2_ppm", Number(640.0, 120.0, 0)),
            ("ahu1/supply_temp", Number(17.4, 0.6, 1)),
            ("ahu1/fan_pct", Number(58.0, 12.0, 0)),
            ("ahu1/state", State(&["ON", "ON", "ECO"])),
            ("chiller1/setpoint", Fixed("7.0")),
            ("doors/main/lock", State(&["locked", "locked", "unlocked"])),
        ],
    },
    Plant {
        word: "solar_farm",
        root: &["solar", "pv/site1", "farm/pv"],
        readings: &[
            ("inverter1/ac_power_kw", Sun(48.2, 6.0, 2)),
            ("inverter2/ac_power_kw", Sun(47.7, 6.0, 2)),
            ("inverter3/ac_power_kw", Sun(46.9, 6.0, 2)),
            ("inverter1/dc_voltage", Number(612.0, 9.0, 1)),
            ("inverter1/status", Fixed("MPPT")),
            ("weather/irradiance_wm2", Sun(540.0, 90.0, 0)),
            ("weather/ambient_c", Number(18.9, 2.2, 1)),
            ("meter/grid_export_kwh", Number(81_240.0, 300.0, 1)),
            ("breaker/main", State(&["CLOSED", "CLOSED", "CLOSED", "OPEN"])),
        ],
    },
    Plant {
        word: "factory_line",
        root: &["factory/line1", "mes/l1", "shopfloor/line2"],
        readings: &[
            ("press/state", State(&["RUNNING", "RUNNING", "IDLE"])),
            ("press/cycle_ms", Number(4120.0, 60.0, 0)),
            ("press/oil_temp", Number(46.3, 2.0, 1)),
            ("conveyor/speed_mps", Number(0.62, 0.03, 2)),
            ("robot1/program", Fixed("PICK_PLACE_07")),
            ("robot1/axis1_deg", Number(12.0, 44.0, 1)),
            ("counter/good", Number(18_204.0, 220.0, 0)),
            ("counter/reject", Number(37.0, 6.0, 0)),
            ("estop", Fixed("0")),
        ],
    },
    Plant {
        word: "smart_home",
        root: &["home", "zigbee2mqtt", "haus"],
        readings: &[
            ("livingroom/temperature", Number(21.2, 0.8, 1)),
            ("livingroom/humidity", Number(47.0, 5.0, 0)),
            ("bedroom/temperature", Number(19.4, 0.7, 1)),
            ("kitchen/power_w", Number(212.0, 140.0, 0)),
            ("frontdoor/contact", State(&["closed", "closed", "closed", "open"])),
            ("garage/door", State(&["closed", "closed", "open"])),
            ("alarm/state", State(&["disarmed", "armed_home"])),
            ("heating/setpoint", Fixed("21.0")),
            ("camera1/status", Fixed("online")),
        ],
    },
];

/// Most topics of the setting `custom_topics`.
const CUSTOM_MAX: usize = 100;

/// A topic and what was last published to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Topic {
    pub(super) name: String,
    pub(super) payload: String,
    /// Whether it is published anew from time to time.
    pub(super) live: bool,
}

/// All that a machine's broker holds.
pub(super) struct Topics {
    seed: Seed,
    plant: &'static Plant,
    root: &'static str,
    custom: Vec<(String, String)>,
    version: String,
    persona: Persona,
}

/// Counters that the broker shows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    pub(super) clients: usize,
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) retained: usize,
    pub(super) subscriptions: usize,
}

impl Topics {
    /// Chooses a plant by archetype or lot, then lets the setting `persona` override.
    pub(super) fn new(persona: &Persona, settings: &Settings, version: String) -> Self {
        let home = ["iot", "printer", "camera", "home"];
        let archetype = persona.archetype.as_deref().unwrap_or_default();
        let plants =
            if home.iter().any(|word| archetype.contains(word)) { PLANTS.get(4..) } else { PLANTS.get(..4) };
        let drawn = persona.seed.pick("mqtt/persona", plants.unwrap_or_default());
        let plant = text(settings, "persona")
            .and_then(|word| PLANTS.iter().find(|p| p.word == word))
            .or(drawn)
            .unwrap_or(&PLANTS[0]);
        let lines = area(settings, "custom_topics").unwrap_or_default().lines();
        let custom = lines
            .filter_map(|line| line.split_once('='))
            .map(|(topic, payload)| (topic.trim().to_owned(), payload.trim().to_owned()))
            .filter(|(topic, _)| super::packet::is_topic(topic))
            .take(CUSTOM_MAX)
            .collect();
        Self {
            root: persona.seed.pick("mqtt/root", plant.root).copied().unwrap_or(plant.root[0]),
            seed: persona.seed.child("mqtt/readings"),
            plant,
            custom,
            version,
            persona: persona.clone(),
        }
    }

    /// The readings of the plant at `now`, seconds since 1970.
    pub(super) fn readings(&self, now: i64) -> Vec<Topic> {
        let plant = self.plant.readings.iter().map(|(name, reading)| Topic {
            name: format!("{}/{name}", self.root),
            payload: self.reading(name, reading, now),
            live: matches!(reading, Number(..) | Sun(..)),
        });
        let custom = self.custom.iter().map(|(name, payload)| Topic {
            name: name.clone(),
            payload: payload.clone(),
            live: false,
        });
        plant.chain(custom).collect()
    }

    fn reading(&self, name: &str, reading: &Reading, now: i64) -> String {
        // A device reports every ten seconds.
        let turn = now.div_euclid(10);
        match reading {
            Fixed(text) => (*text).to_owned(),
            State(words) => {
                let label = format!("{name}/{}", now.div_euclid(1800));
                self.seed.pick(&label, words).copied().unwrap_or_default().to_owned()
            }
            Number(middle, swing, decimals) | Sun(middle, swing, decimals) => {
                let now = turn * 10;
                #[expect(clippy::cast_precision_loss, reason = "small numbers")]
                let noise = |label: String| self.seed.number(&label, 2001) as f64 / 1000.0 - 1.0;
                // Drifts over the hours, flickers between reports.
                let (from, to) = (now.div_euclid(3600), now.div_euclid(3600) + 1);
                #[expect(clippy::cast_precision_loss, reason = "less than an hour")]
                let part = now.rem_euclid(3600) as f64 / 3600.0;
                let slow =
                    noise(format!("{name}/h{from}")) * (1.0 - part) + noise(format!("{name}/h{to}")) * part;
                let own = noise(format!("{name}/own")) * 0.05;
                let value =
                    middle * (1.0 + own) + swing * (0.8 * slow + 0.2 * noise(format!("{name}/{turn}")));
                #[expect(clippy::cast_precision_loss, reason = "less than a day")]
                let hour = now.rem_euclid(86_400) as f64 / 3600.0;
                let light = ((hour - 6.0) / 12.0 * std::f64::consts::PI).sin().max(0.0);
                let value = if matches!(reading, Sun(..)) { value * light } else { value };
                format!("{value:.decimals$}")
            }
        }
    }

    /// The broker's own tree.
    pub(super) fn broker(&self, now: i64, load: &Load) -> Vec<Topic> {
        let up = now.saturating_sub(uptime::booted(&self.persona, now)).saturating_sub(9).max(1);
        let minutes = u64::try_from(up / 60).unwrap_or(0);
        let rate = 12 + self.seed.number("rate", 30);
        let received = minutes.saturating_mul(rate).saturating_add(load.received);
        let sent = received.saturating_mul(3).saturating_add(load.sent);
        // Devices of the plant, which are connected all the time.
        let devices = 3 + usize::try_from(self.seed.number("devices", 6)).unwrap_or(0);
        let clients = devices + load.clients;
        let retained = self.plant.readings.len() + self.custom.len() + load.retained + 29;
        let wobble = |label: &str, base: u64| {
            let drawn = self.seed.number(&format!("{label}/{}", now.div_euclid(10)), 100);
            format!("{base}.{drawn:02}")
        };
        let mut list: Vec<(String, String, bool)> = vec![
            ("version".into(), format!("mosquitto version {}", self.version), false),
            ("uptime".into(), format!("{up} seconds"), true),
            ("clients/total".into(), clients.to_string(), false),
            ("clients/inactive".into(), "0".into(), false),
            ("clients/disconnected".into(), "0".into(), false),
            ("clients/active".into(), clients.to_string(), false),
            ("clients/connected".into(), clients.to_string(), false),
            ("clients/expired".into(), "0".into(), false),
            ("clients/maximum".into(), (clients + 2).to_string(), false),
        ];
        for (name, base) in [
            ("messages/received", rate),
            ("messages/sent", rate * 3),
            ("publish/received", rate * 4 / 5),
            ("publish/sent", rate * 2),
            ("bytes/received", rate * 41),
            ("bytes/sent", rate * 117),
            ("sockets", 0),
            ("connections", 0),
        ] {
            for span in ["1min", "5min", "15min"] {
                let name = format!("load/{name}/{span}");
                let value = wobble(&name, base);
                list.push((name, value, true));
            }
        }
        for (name, value, live) in [
            ("messages/stored", retained.to_string(), false),
            ("store/messages/count", retained.to_string(), false),
            ("store/messages/bytes", (retained * 9).to_string(), false),
            ("subscriptions/count", (devices + load.subscriptions).to_string(), false),
            ("retained messages/count", (retained + 12).to_string(), false),
            ("messages/received", received.to_string(), true),
            ("messages/sent", sent.to_string(), true),
            ("publish/messages/received", (received * 4 / 5).to_string(), true),
            ("publish/messages/sent", (sent * 2 / 3).to_string(), true),
            ("bytes/received", received.saturating_mul(41).to_string(), true),
            ("bytes/sent", sent.saturating_mul(39).to_string(), true),
        ] {
            list.push((name.into(), value, live));
        }
        let name = |(name, payload, live): (String, String, bool)| Topic {
            name: format!("$SYS/broker/{name}"),
            payload,
            live,
        };
        list.into_iter().map(name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing;

    #[test]
    fn readings_move_a_little_and_are_stable() {
        let topics = Topics::new(&testing::persona(&["mqtt"]), &Settings::new(), "2.0.11".into());
        let at = 1_760_000_000;
        assert_eq!(topics.readings(at), topics.readings(at + 1));
        assert_ne!(topics.readings(at), topics.readings(at + 600));
        let setting = crate::catalog::service("mqtt").unwrap().setting("persona").unwrap();
        assert!(setting.kind.choices().iter().eq(PLANTS.iter().map(|p| &p.word)));
        let settings =
            [("custom_topics".to_owned(), "a/b = 1\n#/x = 2\nnothing\n".into())].into_iter().collect();
        let topics = Topics::new(&testing::persona(&["mqtt"]), &settings, "2.0.11".into());
        assert!(topics.readings(at).iter().any(|t| t.name == "a/b" && t.payload == "1"));
        let tree = topics.broker(at, &Load::default());
        assert_eq!(tree[0].payload, "mosquitto version 2.0.11");
    }
}
