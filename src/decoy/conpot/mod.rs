//! An industrial controller: a SIMATIC S7-300 with Modbus/TCP, S7 communication and its web page, and one process
//! behind all of them. What is written is recorded and shown again; nothing is moved.

mod modbus;
mod plant;
mod plc;
mod s7;
mod szl;
mod variable;
mod web;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use self::plant::Plant;
use self::plc::Plc;
use super::datagram::{Answers, Packet};
use super::{Decoy, Served, Session, snmp};
use crate::model::{Persona, Settings};

/// Makes the controller.
pub fn build(persona: &Persona, _: &Settings) -> Arc<dyn Decoy> {
    Arc::new(Ics {
        plc: Plc::new(persona),
        plant: Plant::new(&persona.seed),
        address: persona.ip.to_string(),
        stopped: AtomicBool::new(false),
        persona: persona.clone(),
        snmp: OnceLock::new(),
    })
}

/// One controller.
struct Ics {
    plc: Plc,
    plant: Plant,
    address: String,
    stopped: AtomicBool,
    persona: Persona,
    /// The agent of the `snmp` service, for it knows a controller from [`Told`].
    snmp: OnceLock<Arc<dyn Decoy>>,
}

impl Ics {
    /// Whether the program runs.
    fn runs(&self) -> bool {
        !self.stopped.load(Ordering::Relaxed)
    }

    fn switch(&self, on: bool) {
        self.stopped.store(!on, Ordering::Relaxed);
    }
}

impl Decoy for Ics {
    fn serve(self: Arc<Self>, mut session: Session) -> Served {
        Box::pin(async move {
            // The worker records the end of a connection and why; a failed read or write is just that.
            let _ = match session.number {
                502 => modbus::serve(&self, &mut session).await,
                102 => s7::serve(&self, &mut session).await,
                _ => web::serve(&self, &mut session).await,
            };
        })
    }

    fn datagram(&self, packet: &Packet<'_>, answers: &mut Answers) {
        let agent = self.snmp.get_or_init(|| snmp::build(&self.persona, &Settings::new()));
        agent.datagram(packet, answers);
    }
}

/// What the agent of a controller says of it.
pub(crate) struct Told {
    /// `sysDescr`.
    pub(crate) description: String,
    /// `sysName`.
    pub(crate) name: String,
    /// `sysLocation`.
    pub(crate) location: String,
}

impl Told {
    /// That of the controller that `persona` is.
    pub(crate) fn new(persona: &Persona) -> Self {
        let plc = Plc::new(persona);
        Self {
            description: format!(
                "Siemens, SIMATIC NET, {}, {}, HW: Version {}, FW: Version {}, {}",
                plc.module,
                plc.order,
                plc.edition,
                plc.version(),
                plc.serial
            ),
            name: plc.station,
            location: plc.plant,
        }
    }
}

#[cfg(test)]
mod tests;
