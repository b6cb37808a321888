//! MQTT: a Mosquitto broker with the readings of a plant on it.
//!
//! What it does with good and bad packets was compared with a genuine Mosquitto 2.0.11. Passwords are recorded and,
//! unless an account is set, everybody gets in, as with `allow_anonymous true`.

mod broker;
mod client;
mod packet;
mod topics;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use self::broker::Broker;
use self::packet::{Connect, Refused, Version};
use self::topics::{Load, Topics};
use super::buffered::Buffered;
use super::setting::{flag, text};
use super::{Decoy, Served, Session};
use crate::decoy::software::Software;
use crate::event::{Kind, SecretKind};
use crate::model::{Persona, Settings};

/// Mosquitto as the distros ship it.
const PACKAGES: &[(&str, &str)] = &[
    ("debian", "2.0.11"),
    ("ubuntu22", "2.0.11"),
    ("ubuntu20", "1.6.9"),
    ("rocky9", "2.0.20"),
    ("centos7", "1.6.10"),
    ("alpine", "2.0.18"),
    ("fedora", "2.0.18"),
    ("kali", "2.0.22"),
    ("arch", "2.0.22"),
];
/// The version of the installer for Windows.
const WINDOWS: &str = "2.0.18";

/// Makes the MQTT decoy. Settings: `version`, `accept_all`, `user` and `password` (with them only that account
/// gets in, unless `accept_all` says otherwise), `persona`, `custom_topics`.
pub fn build(persona: &Persona, settings: &Settings) -> Arc<dyn Decoy> {
    let version = version(persona, settings).to_owned();
    let account = text(settings, "user")
        .map(|user| (user.to_owned(), text(settings, "password").unwrap_or_default().to_owned()));
    Arc::new(Mqtt {
        topics: Topics::new(persona, settings, version),
        accept_all: flag(settings, "accept_all").unwrap_or(account.is_none()),
        account,
        broker: Broker::default(),
        received: AtomicU64::new(0),
        sent: AtomicU64::new(0),
    })
}

/// What runs, for the shell.
pub(crate) fn software(persona: &Persona, settings: &Settings) -> Software {
    Software::new("mosquitto", version(persona, settings))
}

fn version<'a>(persona: &Persona, settings: &'a Settings) -> &'a str {
    let windows = matches!(persona.nmap_os.as_str(), "windows" | "windows_server");
    let package = PACKAGES.iter().find(|p| p.0 == persona.distro).unwrap_or(&PACKAGES[0]).1;
    let chosen = text(settings, "version").map(|v| v.trim_start_matches("mosquitto version "));
    chosen.unwrap_or(if windows { WINDOWS } else { package })
}

struct Mqtt {
    topics: Topics,
    accept_all: bool,
    account: Option<(String, String)>,
    broker: Broker,
    received: AtomicU64,
    sent: AtomicU64,
}

impl Decoy for Mqtt {
    fn serve(self: Arc<Self>, session: Session) -> Served {
        Box::pin(async move {
            // The worker records the end of a connection and why; a failed read or write is just that.
            let _ = self.talk(Buffered::new(session)).await;
        })
    }
}

impl Mqtt {
    fn load(&self) -> Load {
        let (clients, retained, subscriptions) = self.broker.counts();
        Load {
            clients,
            retained,
            subscriptions,
            received: self.received.load(Ordering::Relaxed),
            sent: self.sent.load(Ordering::Relaxed),
        }
    }

    fn admits(&self, connect: &Connect) -> bool {
        self.accept_all
            || self.account.as_ref().is_some_and(|(user, password)| {
                connect.user.as_deref() == Some(user.as_bytes())
                    && connect.password.as_deref().unwrap_or_default() == password.as_bytes()
            })
    }

    async fn talk(&self, mut wire: Buffered) -> io::Result<()> {
        let Some((first, body)) = client::next(&mut wire, true).await? else { return Ok(()) };
        if first != 0x10 {
            wire.session.record.event(Kind::Error, "protocol").field("mqtt.packet", first).emit();
            return Ok(());
        }
        let connect = match packet::connect(&body) {
            Ok(connect) => connect,
            Err(refused) => {
                let shown = body.get(..body.len().min(256)).unwrap_or_default();
                wire.session.record.event(Kind::Error, "protocol").bytes("mqtt.connect", shown).emit();
                return match refused {
                    Refused::Version => wire.write(&[0x20, 2, 0, 1]).await,
                    Refused::Silent => Ok(()),
                };
            }
        };
        let modern = connect.version == Version::V5;
        if connect.method.is_some() {
            record(&wire, &connect, false);
            return wire.write(&[0x20, 3, 0, 0x8c, 0]).await;
        }
        if connect.client.is_empty() && (connect.version == Version::V31 || (!modern && !connect.clean)) {
            record(&wire, &connect, false);
            return wire.write(&[0x20, 2, 0, 2]).await;
        }
        let ok = self.admits(&connect);
        record(&wire, &connect, ok);
        if !ok {
            let refusal: &[u8] = if modern { &[0x20, 3, 0, 0x87, 0] } else { &[0x20, 2, 0, 5] };
            return wire.write(refusal).await;
        }
        self.received.fetch_add(1, Ordering::Relaxed);
        let mut name = connect.client.clone();
        let mut properties = vec![0x22, 0, 10];
        if name.is_empty() {
            let mut drawn = [0u8; 16];
            if getrandom::fill(&mut drawn).is_err() {
                return Ok(());
            }
            name = assigned(drawn);
            properties.push(0x12);
            properties.extend_from_slice(&packet::counted(&name));
        }
        properties.extend_from_slice(&[0x21, 0, 20]);
        let mut body = vec![0, 0];
        if modern {
            body.push(u8::try_from(properties.len()).unwrap_or(0));
            body.extend_from_slice(&properties);
        }
        wire.write(&packet::packet(0x20, &body)).await?;
        client::Client::run(self, wire, connect, &name).await
    }
}

/// The identifier that Mosquitto gives to a client that has none.
fn assigned(drawn: [u8; 16]) -> String {
    let hex = hex::encode_upper(drawn);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    format!("auto-{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

fn record(wire: &Buffered, connect: &Connect, ok: bool) {
    let record = &wire.session.record;
    let given = connect.user.is_some() || connect.password.is_some();
    let mut draft = if given {
        let mut draft =
            record.event(Kind::Login, "connect").user(connect.user.as_deref().unwrap_or_default());
        if let Some(password) = &connect.password {
            draft = draft.secret(password, SecretKind::Plaintext);
        }
        draft
    } else {
        record.event(Kind::Connection, "connect")
    };
    draft = draft
        .outcome(ok)
        .text("mqtt.version", connect.version.word())
        .text("mqtt.client_id", &connect.client)
        .field("mqtt.clean", connect.clean)
        .field("mqtt.keep_alive", connect.keep_alive);
    if let Some(will) = &connect.will {
        draft = draft.text("mqtt.will.topic", &will.topic).bytes("mqtt.will.payload", &will.payload);
    }
    if let Some(method) = &connect.method {
        draft = draft.text("mqtt.auth_method", method);
    }
    draft.emit();
}

#[cfg(test)]
mod tests;
