//! One accepted connection.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::Mqtt;
use super::broker::{Delivery, Note};
use super::packet::{self, Connect, Publish, Version};
use crate::decoy::buffered::Buffered;
use crate::event::Kind;

/// Longest packet that is taken in.
const PACKET_MAX: usize = 64 * 1024;
/// Messages under way to a client that it did not acknowledge, and most that wait behind them.
const INFLIGHT: (usize, usize) = (20, 400);
/// Most messages of quality 2 that a client began and did not release.
const HELD_MAX: usize = 20;
/// Most packets of a session.
const PACKETS_MAX: u32 = 100_000;
/// How often live topics are published.
const INTERVAL: Duration = Duration::from_secs(10);
/// Longest silence that a client may ask for.
const SILENCE_MAX: Duration = Duration::from_secs(900);

/// The next packet: first byte and body. None at the end, or when it is broken or too long.
pub(super) async fn next(wire: &mut Buffered, first_packet: bool) -> io::Result<Option<(u8, Vec<u8>)>> {
    let Some(first) = wire.byte().await? else { return Ok(None) };
    if first_packet && first & 0xf0 != 0x10 {
        // A genuine broker hangs up before it reads the length.
        return Ok(Some((first, Vec::new())));
    }
    let mut length = 0usize;
    for shift in [0, 7, 14, 21] {
        let Some(byte) = wire.byte().await? else { return Ok(None) };
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 != 0 {
            if shift == 21 {
                wire.session.record.error("protocol", "length of more than four bytes");
                return Ok(None);
            }
            continue;
        }
        break;
    }
    if length > PACKET_MAX {
        wire.session.record.error("limit", "packet larger than this decoy takes in");
        wire.skip(length).await?;
        return Ok(None);
    }
    Ok(wire.exact(length).await?.map(|body| (first, body)))
}

/// How a packet leaves the connection.
enum Step {
    Go,
    /// Hung up, with a reason that version 5 is told; an orderly end takes the will with it.
    End(Option<u8>),
    Bye,
}

/// A connection to the broker.
pub(super) struct Client<'a> {
    mqtt: &'a Mqtt,
    wire: Buffered,
    connect: Connect,
    id: u64,
    out: Vec<u8>,
    last: u16,
    inflight: usize,
    waiting: VecDeque<Delivery>,
    held: BTreeMap<u16, Publish>,
    aliases: BTreeMap<u16, String>,
}

impl<'a> Client<'a> {
    /// Serves a client that was let in.
    pub(super) async fn run(mqtt: &'a Mqtt, wire: Buffered, connect: Connect, name: &str) -> io::Result<()> {
        let (notes, mut heard) = mpsc::channel(64);
        let source = wire.session.source.ip();
        let Some(id) = mqtt.broker.join(source, name, notes) else { return Ok(()) };
        let mut client = Self {
            mqtt,
            wire,
            connect,
            id,
            out: Vec::new(),
            last: 0,
            inflight: 0,
            waiting: VecDeque::new(),
            held: BTreeMap::new(),
            aliases: BTreeMap::new(),
        };
        let orderly = client.turns(&mut heard).await;
        mqtt.broker.leave(id);
        if !matches!(orderly, Ok(true))
            && let Some(will) = client.connect.will.take()
        {
            let message =
                Delivery { topic: will.topic, payload: will.payload, qos: will.qos, retain: will.retain };
            mqtt.broker.publish(source, id, &message);
        }
        orderly.map(|_| ())
    }

    /// Takes packets, notes and the clock in turn; whether the client took its leave.
    async fn turns(&mut self, heard: &mut mpsc::Receiver<Note>) -> io::Result<bool> {
        let silence = match self.connect.keep_alive {
            0 => SILENCE_MAX,
            // One and a half times what was asked for.
            seconds => Duration::from_millis(u64::from(seconds) * 1500).min(SILENCE_MAX),
        };
        let mut alive = Instant::now();
        let mut tick = Instant::now() + INTERVAL;
        for _ in 0..PACKETS_MAX {
            while let Some(whole) = self.whole() {
                let Some((first, body)) = (if whole { next(&mut self.wire, false).await? } else { None })
                else {
                    return Ok(false);
                };
                alive = Instant::now();
                let step = self.packet(first, &body);
                self.flush().await?;
                match step {
                    Step::Go => {}
                    Step::Bye => return Ok(true),
                    Step::End(reason) => {
                        if let Some(reason) = reason.filter(|_| self.connect.version == Version::V5) {
                            self.wire.write(&[0xe0, 1, reason]).await?;
                        }
                        return Ok(false);
                    }
                }
            }
            tokio::select! {
                more = self.wire.more() => {
                    if !more? {
                        return Ok(false);
                    }
                }
                note = heard.recv() => match note {
                    Some(Note::Message(message)) => self.deliver(message),
                    _ => {
                        if self.connect.version == Version::V5 {
                            self.wire.write(&[0xe0, 1, 0x8e]).await?;
                        }
                        return Ok(false);
                    }
                },
                () = sleep_until(tick) => {
                    tick = Instant::now() + INTERVAL;
                    self.live();
                }
                () = sleep_until(alive + silence) => return Ok(false),
            }
            self.flush().await?;
        }
        Ok(false)
    }

    /// Whether a whole packet came in: none when more is to come, false when its length is broken or it is
    /// so long that reading it decides.
    fn whole(&self) -> Option<bool> {
        let pending = self.wire.pending();
        let mut length = 0usize;
        for (at, shift) in [(1, 0), (2, 7), (3, 14), (4, 21)] {
            let byte = pending.get(at)?;
            length |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return (length > PACKET_MAX || pending.len() > at + length).then_some(true);
            }
        }
        Some(false)
    }

    async fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        self.wire.write(&std::mem::take(&mut self.out)).await
    }

    fn packet(&mut self, first: u8, body: &[u8]) -> Step {
        self.mqtt.received.fetch_add(1, Ordering::Relaxed);
        let number = body.get(..2).and_then(|b| b.try_into().ok()).map_or(0, u16::from_be_bytes);
        match first >> 4 {
            3 => self.publish(first & 15, body),
            // PUBACK and PUBCOMP: one less under way.
            4 | 7 => {
                self.inflight = self.inflight.saturating_sub(1);
                if let Some(next) = self.waiting.pop_front() {
                    self.deliver(next);
                }
                Step::Go
            }
            5 => {
                self.out.extend_from_slice(&packet::packet(0x62, &number.to_be_bytes()));
                Step::Go
            }
            6 => {
                if let Some(held) = self.held.remove(&number) {
                    self.pass(held);
                }
                self.out.extend_from_slice(&packet::packet(0x70, &number.to_be_bytes()));
                Step::Go
            }
            8 => self.subscribe(first & 15, body),
            10 => self.unsubscribe(first & 15, body),
            12 => {
                self.out.extend_from_slice(&[0xd0, 0]);
                Step::Go
            }
            14 if body.first() == Some(&4) => Step::End(None),
            14 => Step::Bye,
            _ => {
                self.wire.session.record.event(Kind::Error, "protocol").field("mqtt.packet", first).emit();
                Step::End(None)
            }
        }
    }

    fn broken(&self, what: &str, reason: u8) -> Step {
        self.wire.session.record.error("protocol", what);
        Step::End(Some(reason))
    }

    fn publish(&mut self, flags: u8, body: &[u8]) -> Step {
        let Some(mut publish) = packet::publish(self.connect.version, flags, body) else {
            return self.broken("malformed PUBLISH", 0x81);
        };
        if let Some(alias) = publish.alias {
            if alias == 0 || alias > 10 {
                return self.broken("topic alias out of range", 0x94);
            }
            if publish.topic.is_empty() {
                publish.topic = self.aliases.get(&alias).cloned().unwrap_or_default();
            } else {
                self.aliases.insert(alias, publish.topic.clone());
            }
        }
        let record = &self.wire.session.record;
        record
            .event(Kind::Request, "publish")
            .text("mqtt.topic", &publish.topic)
            .bytes("mqtt.payload", &publish.payload)
            .field("mqtt.qos", publish.qos)
            .field("mqtt.retain", publish.retain)
            .emit();
        if !packet::is_topic(&publish.topic) {
            return self.broken("topic that cannot be published to", 0x82);
        }
        let (qos, number) = (publish.qos, publish.id.to_be_bytes());
        if qos == 2 {
            if self.held.len() < HELD_MAX || self.held.contains_key(&publish.id) {
                self.held.insert(publish.id, publish);
            }
            self.out.extend_from_slice(&packet::packet(0x50, &number));
            return Step::Go;
        }
        let own = publish.topic.starts_with("$SYS");
        let heard = self.pass(publish);
        if qos == 1 {
            let mut body = number.to_vec();
            if self.connect.version == Version::V5 && own {
                body.push(0x87);
            } else if self.connect.version == Version::V5 && !heard {
                body.push(0x10);
            }
            self.out.extend_from_slice(&packet::packet(0x40, &body));
        }
        Step::Go
    }

    /// Passes a message to those who want it; the broker's own tree is not written to.
    fn pass(&mut self, publish: Publish) -> bool {
        if publish.topic.starts_with("$SYS") {
            return false;
        }
        let Publish { topic, payload, qos, retain, .. } = publish;
        let source = self.wire.session.source.ip();
        let message = Delivery { topic, payload, qos, retain };
        let heard = self.mqtt.broker.publish(source, self.id, &message);
        let Some(wanted) = self.mqtt.broker.wanted(self.id, &message.topic) else { return heard };
        self.deliver(Delivery { qos: message.qos.min(wanted), retain: false, ..message });
        true
    }

    fn subscribe(&mut self, flags: u8, body: &[u8]) -> Step {
        let version = self.connect.version;
        let Some((id, list)) = packet::filters(version, flags, body, true) else {
            return self.broken("malformed SUBSCRIBE", 0x81);
        };
        let shown: Vec<Value> =
            list.iter().map(|(filter, _)| filter.chars().take(256).collect::<String>().into()).collect();
        self.wire.session.record.event(Kind::Request, "subscribe").field("mqtt.topics", shown).emit();
        let mut answer = id.to_be_bytes().to_vec();
        if version == Version::V5 {
            answer.push(0);
        }
        answer.extend(list.iter().map(|(_, qos)| *qos));
        self.out.extend_from_slice(&packet::packet(0x90, &answer));
        let source = self.wire.session.source.ip();
        let now = jiff::Timestamp::now().as_second();
        let kept: Vec<_> = self.mqtt.topics.broker(now, &self.mqtt.load());
        let readings = self.mqtt.topics.readings(now);
        for (filter, qos) in list {
            let left = self.mqtt.broker.subscribe(self.id, &filter, qos);
            let own = kept.iter().chain(&readings);
            let own = own.filter(|t| packet::matches(&filter, &t.name));
            let own: Vec<Delivery> = own
                .filter(|t| !self.mqtt.broker.overwritten(source, &t.name))
                .map(|t| Delivery {
                    topic: t.name.clone(),
                    payload: t.payload.clone().into_bytes(),
                    // Its own tree is published with quality 2, sensors report with 0.
                    qos: if t.name.starts_with('$') { 2 } else { 0 },
                    retain: true,
                })
                .collect();
            for message in own.into_iter().chain(left) {
                self.deliver(Delivery { qos: message.qos.min(qos), retain: true, ..message });
            }
        }
        Step::Go
    }

    fn unsubscribe(&mut self, flags: u8, body: &[u8]) -> Step {
        let version = self.connect.version;
        let Some((id, list)) = packet::filters(version, flags, body, false) else {
            return self.broken("malformed UNSUBSCRIBE", 0x81);
        };
        let mut answer = id.to_be_bytes().to_vec();
        if version == Version::V5 {
            answer.push(0);
        }
        for (filter, _) in list {
            let known = self.mqtt.broker.unsubscribe(self.id, &filter);
            if version == Version::V5 {
                answer.push(if known { 0 } else { 0x11 });
            }
        }
        self.out.extend_from_slice(&packet::packet(0xb0, &answer));
        Step::Go
    }

    /// Publishes what changes by itself.
    fn live(&mut self) {
        let now = jiff::Timestamp::now().as_second();
        let tree = self.mqtt.topics.broker(now, &self.mqtt.load());
        let source = self.wire.session.source.ip();
        for topic in tree.into_iter().chain(self.mqtt.topics.readings(now)).filter(|t| t.live) {
            if self.mqtt.broker.overwritten(source, &topic.name) {
                continue;
            }
            if let Some(qos) = self.mqtt.broker.wanted(self.id, &topic.name) {
                let own = if topic.name.starts_with('$') { 2 } else { 0 };
                self.deliver(Delivery {
                    topic: topic.name,
                    payload: topic.payload.into_bytes(),
                    qos: qos.min(own),
                    retain: false,
                });
            }
        }
    }

    fn deliver(&mut self, message: Delivery) {
        let mut number = 0;
        if message.qos > 0 {
            if self.inflight >= INFLIGHT.0 {
                if self.waiting.len() < INFLIGHT.1 {
                    self.waiting.push_back(message);
                }
                return;
            }
            self.inflight += 1;
            self.last = self.last.checked_add(1).unwrap_or(1);
            number = self.last;
        }
        self.mqtt.sent.fetch_add(1, Ordering::Relaxed);
        let Delivery { topic, payload, qos, retain } = message;
        self.out.extend_from_slice(&packet::message(
            self.connect.version,
            &topic,
            &payload,
            qos,
            retain,
            number,
        ));
    }
}
