//! The telnet protocol (RFC 854, 1091, 1073, 1572) without its socket: bytes in, data and events out.

use crate::decoy::render::crlf;

/// Most bytes of a subnegotiation that are kept.
const MAX_SUB: usize = 512;
/// Most answers to options nobody asked for: a peer cannot make us chatter.
const MAX_ANSWERS: usize = 32;
/// Most variables of NEW-ENVIRON.
const MAX_VARIABLES: usize = 16;
/// Longest name or value of one, and longest terminal type.
const MAX_VALUE: usize = 128;

pub(super) const IAC: u8 = 255;
pub(super) const DONT: u8 = 254;
pub(super) const DO: u8 = 253;
pub(super) const WONT: u8 = 252;
pub(super) const WILL: u8 = 251;
const SB: u8 = 250;
const SE: u8 = 240;

pub(super) const ECHO: u8 = 1;
pub(super) const SGA: u8 = 3;
pub(super) const STATUS: u8 = 5;
pub(super) const TTYPE: u8 = 24;
pub(super) const NAWS: u8 = 31;
pub(super) const TSPEED: u8 = 32;
pub(super) const LFLOW: u8 = 33;
pub(super) const XDISPLOC: u8 = 35;
pub(super) const NEW_ENVIRON: u8 = 39;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Data,
    Command,
    Option(u8),
    Sub,
    SubCommand,
}

/// What the client told about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Client {
    /// Terminal type.
    pub(super) terminal: Option<Vec<u8>>,
    /// Columns and rows.
    pub(super) window: Option<(u16, u16)>,
    /// Environment variables.
    pub(super) environ: Vec<(Vec<u8>, Vec<u8>)>,
    /// Options it agreed to, those it refused.
    pub(super) wills: Vec<u8>,
    pub(super) wonts: Vec<u8>,
    /// Options whose subnegotiation came.
    pub(super) told: Vec<u8>,
}

/// The parser.
pub(super) struct Wire {
    state: State,
    sub: Vec<u8>,
    answers: usize,
    /// What is known of the client.
    pub(super) client: Client,
    /// Options we sent WILL or DO for: an answer to them needs no answer.
    asked: &'static [u8],
}

impl Wire {
    /// A parser that asks for these options.
    pub(super) fn new(asked: &'static [u8]) -> Self {
        Self { state: State::Data, sub: Vec::new(), answers: 0, client: Client::default(), asked }
    }

    /// Takes bytes off the wire: data goes to `data`, answers to `reply`.
    pub(super) fn feed(&mut self, bytes: &[u8], data: &mut Vec<u8>, reply: &mut Vec<u8>) {
        for byte in bytes {
            self.state = self.step(*byte, data, reply);
        }
    }

    fn step(&mut self, byte: u8, data: &mut Vec<u8>, reply: &mut Vec<u8>) -> State {
        match (self.state, byte) {
            (State::Data, IAC) => State::Command,
            (State::Command, IAC) | (State::Data, _) => {
                data.push(byte);
                State::Data
            }
            (State::Command, WILL..=DONT) => State::Option(byte),
            (State::Command, SB) => {
                self.sub.clear();
                State::Sub
            }
            // Interrupt Process and Break come as Control-C, Erase Line as Control-U.
            (State::Command, 243 | 244) => {
                data.push(3);
                State::Data
            }
            (State::Command, 248) => {
                data.push(0x15);
                State::Data
            }
            (State::Command, 246) => {
                self.answer(reply, b"\r\n[Yes]\r\n");
                State::Data
            }
            (State::Command, _) => State::Data,
            (State::Option(verb), option) => {
                self.option(verb, option, reply);
                State::Data
            }
            (State::Sub, IAC) => State::SubCommand,
            (State::SubCommand, SE) => {
                self.told();
                State::Data
            }
            (State::Sub | State::SubCommand, _) => {
                if self.sub.len() < MAX_SUB {
                    self.sub.push(byte);
                }
                State::Sub
            }
        }
    }

    fn answer(&mut self, reply: &mut Vec<u8>, bytes: &[u8]) {
        if self.answers < MAX_ANSWERS {
            self.answers += 1;
            reply.extend(bytes);
        }
    }

    fn option(&mut self, verb: u8, option: u8, reply: &mut Vec<u8>) {
        let known = self.asked.contains(&option);
        match verb {
            WILL => {
                note(&mut self.client.wills, option);
                if !known {
                    self.answer(reply, &[IAC, DONT, option]);
                }
            }
            WONT => note(&mut self.client.wonts, option),
            DO if !known => self.answer(reply, &[IAC, WONT, option]),
            _ => {}
        }
    }

    fn told(&mut self) {
        let sub = std::mem::take(&mut self.sub);
        match sub.as_slice() {
            [TTYPE, 0, name @ ..] => self.client.terminal = Some(cut(name)),
            [NAWS, a, b, c, d, ..] => {
                self.client.window = Some((u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])));
            }
            [NEW_ENVIRON, 0 | 2, rest @ ..] => self.client.environ = environ(rest),
            _ => {}
        }
        if let Some(option) = sub.first() {
            note(&mut self.client.told, *option);
        }
    }
}

fn note(options: &mut Vec<u8>, option: u8) {
    if !options.contains(&option) {
        options.push(option);
    }
}

fn cut(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().take(MAX_VALUE).collect()
}

/// The variables of a NEW-ENVIRON answer (RFC 1572: VAR 0, VALUE 1, ESC 2, USERVAR 3).
fn environ(bytes: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let (mut in_value, mut escaped) = (false, false);
    for byte in bytes {
        match (escaped, byte) {
            (false, 0 | 3) => {
                if all.len() >= MAX_VARIABLES {
                    break;
                }
                all.push((Vec::new(), Vec::new()));
                in_value = false;
            }
            (false, 1) => in_value = true,
            (false, 2) => {
                escaped = true;
                continue;
            }
            _ => {
                if let Some((name, value)) = all.last_mut() {
                    let part = if in_value { value } else { name };
                    if part.len() < MAX_VALUE {
                        part.push(*byte);
                    }
                }
            }
        }
        escaped = false;
    }
    all
}

/// Text for the wire: line ends as CR LF, and 255 doubled.
pub(super) fn encode(text: &[u8]) -> Vec<u8> {
    let mut out = crlf(text);
    if out.contains(&IAC) {
        out = out
            .into_iter()
            .flat_map(|byte| std::iter::repeat_n(byte, 1 + usize::from(byte == IAC)))
            .collect();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn feed(wire: &mut Wire, bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let (mut data, mut reply) = (Vec::new(), Vec::new());
        wire.feed(bytes, &mut data, &mut reply);
        (data, reply)
    }

    #[test]
    fn data_and_commands_come_apart() {
        let mut wire = Wire::new(&[TTYPE, ECHO]);
        let (data, reply) =
            feed(&mut wire, b"ro\xff\xfb\x18\xff\xfd\x01ot\xff\xff\xff\xfd\x2a\xff\xfb\x2b\xff\xf4");
        assert_eq!(data, b"root\xff\x03");
        assert_eq!(reply, b"\xff\xfc\x2a\xff\xfe\x2b");
        assert_eq!(wire.client.wills, [TTYPE, 0x2b]);
    }

    #[test]
    fn subnegotiations_tell_about_the_client() {
        let mut wire = Wire::new(&[]);
        feed(&mut wire, b"\xff\xfa\x18\x00xterm-256color\xff\xf0\xff\xfa\x1f\x00\x50\x00\x18\xff\xf0");
        feed(&mut wire, b"\xff\xfa\x27\x00\x00USER\x01-f root\x03A\x02\x01B\x01\xff\xff\xff\xf0x");
        assert_eq!(wire.client.terminal.as_deref(), Some(&b"xterm-256color"[..]));
        assert_eq!(wire.client.window, Some((80, 24)));
        let expected = [(b"USER".to_vec(), b"-f root".to_vec()), (b"A\x01B".to_vec(), b"\xff".to_vec())];
        assert_eq!(wire.client.environ, expected);
    }

    #[test]
    fn what_a_peer_sends_is_bounded() {
        let mut wire = Wire::new(&[]);
        let (_, reply) = feed(&mut wire, &b"\xff\xfd\x2a".repeat(1000));
        assert_eq!(reply.len(), 3 * MAX_ANSWERS);
        feed(
            &mut wire,
            &[b"\xff\xfa\x27\x00", b"\x00aaaa\x01b".repeat(1000).as_slice(), b"\xff\xf0"].concat(),
        );
        assert!(wire.client.environ.len() <= MAX_VARIABLES);
        assert_eq!(encode(b"a\nb\r\n\xff"), b"a\r\nb\r\n\xff\xff");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn any_bytes_are_taken(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..5)) {
            let mut wire = Wire::new(&[TTYPE]);
            for chunk in chunks {
                let (data, reply) = feed(&mut wire, &chunk);
                prop_assert!(data.len() <= chunk.len());
                prop_assert!(reply.len() <= 10 * MAX_ANSWERS);
            }
        }
    }
}
