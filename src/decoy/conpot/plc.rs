//! Which controller a machine is: a SIMATIC S7-300 with a PROFINET interface, as it says of itself.

use crate::model::Persona;

struct Model {
    order: &'static str,
    module: &'static str,
    firmware: [u8; 3],
}

const MODELS: [Model; 4] = [
    Model { order: "6ES7 314-6EH04-0AB0", module: "CPU 314C-2 PN/DP", firmware: [3, 3, 17] },
    Model { order: "6ES7 315-2EH14-0AB0", module: "CPU 315-2 PN/DP", firmware: [3, 2, 19] },
    Model { order: "6ES7 317-2EK14-0AB0", module: "CPU 317-2 PN/DP", firmware: [3, 2, 19] },
    Model { order: "6ES7 318-3EL01-0AB0", module: "CPU 319-3 PN/DP", firmware: [3, 2, 19] },
];

const PLANTS: [&str; 12] = [
    "Filling line",
    "Pump station",
    "Boiler house",
    "Conveyor",
    "Mixer",
    "Packaging",
    "Cooling water",
    "Tank farm",
    "Compressor",
    "Palletizer",
    "Wastewater",
    "Kiln",
];

/// What one controller says of itself.
#[derive(Debug)]
pub(super) struct Plc {
    /// Order number.
    pub(super) order: &'static str,
    /// Type of the module.
    pub(super) module: &'static str,
    /// Version of the firmware.
    pub(super) firmware: [u8; 3],
    /// Edition of the hardware.
    pub(super) edition: u8,
    /// Serial number of the module.
    pub(super) serial: String,
    /// Serial number of the memory card.
    pub(super) card: String,
    /// What the engineer called the station.
    pub(super) station: String,
    /// What the engineer called the plant.
    pub(super) plant: String,
}

impl Plc {
    pub(super) fn new(persona: &Persona) -> Self {
        let seed = &persona.seed;
        let number = |label: &str, bound| seed.number(&format!("plc/{label}"), bound);
        let model = seed.pick("plc/model", &MODELS).unwrap_or(&MODELS[1]);
        let letter = |label: &str| *seed.pick(label, b"ABCDEFHJKLMNPRSTUVX").unwrap_or(&b'C');
        let digit = number("digit", 9).saturating_add(1);
        let year = number("year", 7).saturating_add(2012);
        let first = char::from(letter("plc/first"));
        let plant = seed.pick("plc/plant", &PLANTS).unwrap_or(&"Conveyor");
        Self {
            order: model.order,
            module: model.module,
            firmware: model.firmware,
            edition: u8::try_from(number("edition", 7)).unwrap_or(0).saturating_add(3),
            serial: format!("S C-{first}{digit}U{:05}{year}", number("serial", 100_000)),
            card: format!("MMC {:08X}", number("card", 1 << 32)),
            station: format!("SIMATIC 300({})", number("station", 4).saturating_add(1)),
            plant: format!("{plant} {}", number("line", 9).saturating_add(1)),
        }
    }

    /// The firmware as text.
    pub(super) fn version(&self) -> String {
        let [a, b, c] = self.firmware;
        format!("V{a}.{b}.{c}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing;
    use crate::model::Seed;

    #[test]
    fn controllers_differ_and_are_nobodys_template() {
        let plc = |byte| {
            let mut persona = testing::persona(&["conpot"]);
            persona.seed = Seed::new([byte; 32]);
            Plc::new(&persona)
        };
        let all: Vec<Plc> = (0..40).map(plc).collect();
        let serials: std::collections::BTreeSet<_> = all.iter().map(|p| &p.serial).collect();
        assert_eq!(serials.len(), 40);
        for plc in &all {
            assert_eq!((plc.serial.len(), plc.order.len()), (16, 19), "{plc:?}");
            for tell in ["88111222", "Mouser", "Technodrome", "IM151", "S7-200"] {
                assert!(!format!("{plc:?}").contains(tell), "{plc:?}");
            }
        }
    }
}
