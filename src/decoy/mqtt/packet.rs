//! MQTT packets: 3.1, 3.1.1 and 5, read as Mosquitto reads them.

use crate::decoy::buffered::Cursor;

/// A revision of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    /// 3.1.
    V31,
    /// 3.1.1.
    V311,
    /// 5.
    V5,
}

impl Version {
    /// As people write it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::V31 => "3.1",
            Self::V311 => "3.1.1",
            Self::V5 => "5.0",
        }
    }
}

/// A message to publish when a connection breaks off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Will {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) qos: u8,
    pub(super) retain: bool,
}

/// What a CONNECT says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Connect {
    pub(super) version: Version,
    pub(super) clean: bool,
    pub(super) keep_alive: u16,
    pub(super) client: String,
    pub(super) will: Option<Will>,
    pub(super) user: Option<Vec<u8>>,
    pub(super) password: Option<Vec<u8>>,
    /// Asks for a method of authentication other than a password.
    pub(super) method: Option<String>,
}

/// How a CONNECT cannot be taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Hung up without a word.
    Silent,
    /// A revision nobody speaks: CONNACK 1.
    Version,
}

/// Reads a length-prefixed UTF-8 text without NUL.
fn text(cursor: &mut Cursor<'_>) -> Option<String> {
    let text = std::str::from_utf8(binary(cursor)?).ok()?;
    let bad = |c: char| c == '\0' || ('\u{1}'..='\u{1f}').contains(&c) || ('\u{7f}'..='\u{9f}').contains(&c);
    (!text.contains(bad)).then(|| text.to_owned())
}

fn binary<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let length = cursor.be16()?;
    cursor.take(usize::from(length))
}

/// A number of one to four bytes, seven bits each.
fn variable(cursor: &mut Cursor<'_>) -> Option<u32> {
    let mut value = 0u32;
    for shift in [0, 7, 14, 21] {
        let byte = cursor.u8()?;
        value |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// The properties of MQTT 5 that matter here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Properties {
    pub(super) alias: Option<u16>,
    method: Option<String>,
}

/// Reads properties; none when they are malformed.
fn properties(cursor: &mut Cursor<'_>) -> Option<Properties> {
    let length = usize::try_from(variable(cursor)?).ok()?;
    let mut inner = Cursor(cursor.take(length)?);
    let mut found = Properties::default();
    while !inner.0.is_empty() {
        match variable(&mut inner)? {
            0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2a => {
                inner.u8()?;
            }
            0x13 | 0x21 | 0x22 => {
                inner.be16()?;
            }
            0x23 => found.alias = Some(inner.be16()?),
            0x02 | 0x11 | 0x18 | 0x27 => {
                inner.be32()?;
            }
            0x0b => {
                variable(&mut inner)?;
            }
            0x03 | 0x08 | 0x12 | 0x1a | 0x1c | 0x1f => {
                text(&mut inner)?;
            }
            0x15 => found.method = Some(text(&mut inner)?),
            0x09 | 0x16 => {
                binary(&mut inner)?;
            }
            0x26 => {
                text(&mut inner)?;
                text(&mut inner)?;
            }
            _ => return None,
        }
    }
    Some(found)
}

/// Reads the body of a CONNECT.
pub(super) fn connect(body: &[u8]) -> Result<Connect, Refused> {
    let mut cursor = Cursor(body);
    let name = binary(&mut cursor).ok_or(Refused::Silent)?;
    let level = cursor.u8().ok_or(Refused::Silent)? & 0x7f;
    let version = match (name, level) {
        (b"MQIsdp", 3) => Version::V31,
        (b"MQTT", 4) => Version::V311,
        (b"MQTT", 5) => Version::V5,
        (b"MQIsdp" | b"MQTT", _) => return Err(Refused::Version),
        _ => return Err(Refused::Silent),
    };
    rest(version, &mut cursor).ok_or(Refused::Silent)
}

fn rest(version: Version, cursor: &mut Cursor<'_>) -> Option<Connect> {
    let flags = cursor.u8()?;
    let bit = |n: u8| flags >> n & 1 == 1;
    if bit(0) && version != Version::V31 {
        return None;
    }
    let keep_alive = cursor.be16()?;
    let method = if version == Version::V5 { properties(cursor)?.method } else { None };
    let client = text(cursor)?;
    let qos = flags >> 3 & 3;
    let will = if bit(2) {
        if version == Version::V5 {
            properties(cursor)?;
        }
        let topic = text(cursor)?;
        let payload = binary(cursor)?.to_vec();
        if qos == 3 || !is_topic(&topic) {
            return None;
        }
        Some(Will { topic, payload, qos, retain: bit(5) })
    } else {
        if flags & 0x38 != 0 {
            return None;
        }
        None
    };
    if bit(6) && !bit(7) && version != Version::V5 {
        return None;
    }
    let user = if bit(7) { Some(text(cursor)?.into_bytes()) } else { None };
    let password = if bit(6) { Some(binary(cursor)?.to_vec()) } else { None };
    Some(Connect { version, clean: bit(1), keep_alive, client, will, user, password, method })
}

/// A message from a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Publish {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) qos: u8,
    pub(super) retain: bool,
    pub(super) id: u16,
    pub(super) alias: Option<u16>,
}

/// Reads a PUBLISH; none when it is malformed. The topic is not checked.
pub(super) fn publish(version: Version, flags: u8, body: &[u8]) -> Option<Publish> {
    let mut cursor = Cursor(body);
    let qos = flags >> 1 & 3;
    if qos == 3 {
        return None;
    }
    let topic = text(&mut cursor)?;
    let id = if qos > 0 { cursor.be16().filter(|id| *id != 0)? } else { 0 };
    let alias = if version == Version::V5 { properties(&mut cursor)?.alias } else { None };
    Some(Publish { topic, payload: cursor.0.to_vec(), qos, retain: flags & 1 == 1, id, alias })
}

/// Most filters of one packet.
const FILTERS_MAX: usize = 64;

/// Reads a SUBSCRIBE, or an UNSUBSCRIBE, which has no options: its number, and filters with quality of service.
pub(super) fn filters(
    version: Version,
    flags: u8,
    body: &[u8],
    options: bool,
) -> Option<(u16, Vec<(String, u8)>)> {
    if flags != 2 && version != Version::V31 {
        return None;
    }
    let mut cursor = Cursor(body);
    let id = cursor.be16().filter(|id| *id != 0)?;
    if version == Version::V5 {
        properties(&mut cursor)?;
    }
    let mut list = Vec::new();
    while !cursor.0.is_empty() {
        let filter = text(&mut cursor)?;
        let option = if options { cursor.u8()? } else { 0 };
        let reserved = if version == Version::V5 { 0xc0 } else { 0xfc };
        if option & 3 == 3 || option & reserved != 0 || !is_filter(&filter) || list.len() >= FILTERS_MAX {
            return None;
        }
        list.push((filter, option & 3));
    }
    (!list.is_empty() || version == Version::V31).then_some((id, list))
}

/// Whether messages can be published to it.
pub(super) fn is_topic(topic: &str) -> bool {
    !topic.is_empty() && !topic.contains(['#', '+'])
}

fn is_filter(filter: &str) -> bool {
    let count = filter.split('/').count();
    !filter.is_empty()
        && filter.split('/').enumerate().all(|(at, level)| match level {
            "#" => at + 1 == count,
            "+" => true,
            other => !other.contains(['#', '+']),
        })
}

/// The filter without the `$share/group/` before it.
fn unshared(filter: &str) -> &str {
    filter.strip_prefix("$share/").and_then(|rest| rest.split_once('/')).map_or(filter, |(_, rest)| rest)
}

/// Whether a filter takes a topic.
pub(super) fn matches(filter: &str, topic: &str) -> bool {
    let filter = unshared(filter);
    if topic.starts_with('$') != filter.starts_with('$') {
        return false;
    }
    let mut levels = topic.split('/');
    let mut filters = filter.split('/');
    loop {
        match (filters.next(), levels.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

/// A packet: its first byte, and what follows the length.
pub(super) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut length = body.len();
    loop {
        let low = u8::try_from(length & 0x7f).unwrap_or(0);
        length >>= 7;
        out.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    out.extend_from_slice(body);
    out
}

/// A text with its length before it, cut to what fits.
pub(super) fn counted(text: &str) -> Vec<u8> {
    let mut end = text.len().min(usize::from(u16::MAX));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let length = u16::try_from(end).unwrap_or(0).to_be_bytes();
    [&length[..], text.get(..end).unwrap_or_default().as_bytes()].concat()
}

/// A PUBLISH to a client.
pub(super) fn message(
    version: Version,
    topic: &str,
    payload: &[u8],
    qos: u8,
    retain: bool,
    id: u16,
) -> Vec<u8> {
    let mut body = counted(topic);
    if qos > 0 {
        body.extend_from_slice(&id.to_be_bytes());
    }
    if version == Version::V5 {
        body.push(0);
    }
    body.extend_from_slice(payload);
    packet(0x30 | qos << 1 | u8::from(retain), &body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn filters_take_topics() {
        for (filter, topic, want) in [
            ("#", "a/b", true),
            ("#", "$SYS/broker", false),
            ("+/b", "a/b", true),
            ("+/b", "$a/b", false),
            ("a/#", "a", true),
            ("a/+", "a", false),
            ("$SYS/#", "$SYS/broker/uptime", true),
            ("$share/g/a/+", "a/b", true),
            ("a/b", "a/b/c", false),
        ] {
            assert_eq!(matches(filter, topic), want, "{filter} {topic}");
        }
        assert!(is_filter("a/+/#") && !is_filter("a/#/b") && !is_filter("a+") && !is_filter(""));
    }

    #[test]
    fn lengths_grow() {
        assert_eq!(packet(0x30, &[0; 127])[..2], [0x30, 0x7f]);
        assert_eq!(packet(0x30, &[0; 128])[..3], [0x30, 0x80, 0x01]);
        assert_eq!(message(Version::V5, "a", b"x", 1, true, 7), b"\x33\x07\0\x01a\0\x07\0x");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..80), flags: u8, name in 0usize..3) {
            let heads: [&[u8]; 3] = [b"\0\x04MQTT\x05", b"\0\x04MQTT\x04", b"\0\x06MQIsdp\x03"];
            let _ = connect(&[heads[name], &body].concat());
            let _ = connect(&body);
            for version in [Version::V31, Version::V311, Version::V5] {
                let _ = publish(version, flags, &body);
                let _ = filters(version, 2, &body, true);
            }
        }
    }
}
