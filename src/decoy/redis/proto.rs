//! The wire: requests as multibulk or inline text, replies as RESP2 or RESP3.
//!
//! Source: the RESP specification and `networking.c` of Redis 7.0 as observed on a genuine 7.0.15.

/// Most bytes of one inline request or one length line, as genuine (`PROTO_INLINE_MAX_SIZE`).
const INLINE_MAX: usize = 64 * 1024;
/// Most bytes of one argument that are taken in; a longer one ends the connection.
const BULK_MAX: usize = 512 * 1024;
/// Most bytes of all arguments of one request.
const REQUEST_MAX: usize = 640 * 1024;
/// Most arguments that are taken in.
const ARGS_MAX: usize = 1024;

/// A reply before it is encoded.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reply {
    /// `+OK`
    Simple(&'static str),
    /// `+…` with a text put together.
    Status(String),
    /// `-ERR …`; the text carries its code.
    Error(String),
    /// `:1`
    Int(i64),
    /// `$3`
    Bulk(Vec<u8>),
    /// Text with a format, bulk in RESP2.
    Verbatim(String),
    /// The null bulk.
    Nil,
    /// The null array.
    NilArray,
    /// `*2`
    Array(Vec<Reply>),
    /// A map: RESP2 shows it as a flat array.
    Map(Vec<(Reply, Reply)>),
    /// A set: RESP2 shows it as an array.
    Set(Vec<Reply>),
    /// An out-of-band message: RESP2 shows it as an array.
    Push(Vec<Reply>),
    /// A floating number: RESP2 shows it as a bulk.
    Double(f64),
    /// Several replies of one command (one per channel of SUBSCRIBE).
    Many(Vec<Reply>),
}

impl Reply {
    pub(super) const OK: Self = Self::Simple("OK");

    pub(super) fn bulk(bytes: impl AsRef<[u8]>) -> Self {
        Self::Bulk(bytes.as_ref().to_vec())
    }

    pub(super) fn error(text: impl Into<String>) -> Self {
        Self::Error(text.into())
    }

    pub(super) fn bulks<T: AsRef<[u8]>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::Array(items.into_iter().map(Self::bulk).collect())
    }

    /// Appends the wire form for protocol 2 or 3.
    pub(super) fn encode(&self, proto: u8, out: &mut Vec<u8>) {
        let three = proto >= 3;
        match self {
            Self::Simple(text) => line(out, b'+', text),
            Self::Status(text) => line(out, b'+', text),
            Self::Error(text) => {
                let flat: String =
                    text.chars().map(|c| if matches!(c, '\r' | '\n') { ' ' } else { c }).collect();
                line(out, b'-', &flat);
            }
            Self::Int(number) => line(out, b':', &number.to_string()),
            Self::Bulk(bytes) => blob(out, b'$', bytes),
            Self::Verbatim(text) if three => blob(out, b'=', format!("txt:{text}").as_bytes()),
            Self::Verbatim(text) => blob(out, b'$', text.as_bytes()),
            Self::Nil | Self::NilArray if three => out.extend_from_slice(b"_\r\n"),
            Self::Nil => out.extend_from_slice(b"$-1\r\n"),
            Self::NilArray => out.extend_from_slice(b"*-1\r\n"),
            Self::Array(items) => all(out, b'*', items, proto),
            Self::Set(items) => all(out, if three { b'~' } else { b'*' }, items, proto),
            Self::Push(items) => all(out, if three { b'>' } else { b'*' }, items, proto),
            Self::Map(pairs) => {
                let count = if three { pairs.len() } else { pairs.len().saturating_mul(2) };
                line(out, if three { b'%' } else { b'*' }, &count.to_string());
                for (key, value) in pairs {
                    key.encode(proto, out);
                    value.encode(proto, out);
                }
            }
            Self::Double(number) if three => line(out, b',', &double(*number)),
            Self::Double(number) => blob(out, b'$', double(*number).as_bytes()),
            Self::Many(replies) => replies.iter().for_each(|reply| reply.encode(proto, out)),
        }
    }
}

/// A floating number as Redis prints scores.
pub(super) fn double(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    format!("{number}")
}

fn line(out: &mut Vec<u8>, mark: u8, text: &str) {
    out.push(mark);
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn blob(out: &mut Vec<u8>, mark: u8, bytes: &[u8]) {
    line(out, mark, &bytes.len().to_string());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

fn all(out: &mut Vec<u8>, mark: u8, items: &[Reply], proto: u8) {
    line(out, mark, &items.len().to_string());
    items.iter().for_each(|item| item.encode(proto, out));
}

/// What the parser found.
#[derive(Debug, PartialEq)]
pub(super) enum Parsed {
    /// Not yet a whole request.
    More,
    /// A request; never empty. `true`: it came as inline text.
    Request(Vec<Vec<u8>>, bool),
    /// The peer broke the protocol: this text goes out after `-ERR Protocol error: `, then the end.
    Broken(String),
    /// More than a decoy takes in: the connection just ends.
    TooMuch,
}

/// Takes requests out of a byte stream. Memory is bound by what arrived, never by a declared length.
#[derive(Default)]
pub(super) struct Parser {
    pending: Vec<u8>,
    /// Arguments still to come of a multibulk request.
    left: u64,
    args: Vec<Vec<u8>>,
    taken: usize,
    bulk: Option<usize>,
}

impl Parser {
    /// Adds what was read.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next request. `authed`: false holds the peer to the small limits of an unauthenticated one.
    pub(super) fn next(&mut self, authed: bool) -> Parsed {
        loop {
            let parsed = if self.left > 0 {
                self.bulks(authed)
            } else {
                match self.pending.first() {
                    None => Some(Parsed::More),
                    Some(b'*') => self.header(authed),
                    Some(_) => self.inline(),
                }
            };
            if let Some(parsed) = parsed {
                return parsed;
            }
        }
    }

    /// Takes a line that ends in `\r` and one more byte; `Err` when there is none yet.
    fn number(&mut self, what: &str) -> Result<Option<i64>, Parsed> {
        let window = &self.pending[..self.pending.len().min(INLINE_MAX + 1)];
        let Some(at) = window.iter().position(|b| *b == b'\r') else {
            if self.pending.len() > INLINE_MAX {
                return Err(Parsed::Broken(format!("too big {what} count string")));
            }
            return Err(Parsed::More);
        };
        if self.pending.len() < at + 2 {
            return Err(Parsed::More);
        }
        let text = self.pending.get(1..at).unwrap_or_default();
        let number = integer(text);
        self.pending.drain(..at + 2);
        Ok(number)
    }

    fn header(&mut self, authed: bool) -> Option<Parsed> {
        let number = match self.number("mbulk") {
            Ok(number) => number,
            Err(parsed) => return Some(parsed),
        };
        match number {
            None => Some(Parsed::Broken("invalid multibulk length".into())),
            Some(count) if count > i64::from(i32::MAX) => {
                Some(Parsed::Broken("invalid multibulk length".into()))
            }
            Some(count) if count > 10 && !authed => {
                Some(Parsed::Broken("unauthenticated multibulk length".into()))
            }
            Some(count) => {
                self.left = u64::try_from(count).unwrap_or(0);
                None
            }
        }
    }

    fn bulks(&mut self, authed: bool) -> Option<Parsed> {
        while self.left > 0 {
            let size = match self.bulk {
                Some(size) => size,
                None => {
                    match self.pending.first() {
                        None => return Some(Parsed::More),
                        Some(b'$') => {}
                        // Redis looks at the mark once the line is there.
                        Some(other) => {
                            let mark = *other;
                            return Some(match self.number("bulk") {
                                Ok(_) => Parsed::Broken(format!("expected '$', got '{}'", char::from(mark))),
                                Err(parsed) => parsed,
                            });
                        }
                    }
                    let number = match self.number("bulk") {
                        Ok(number) => number,
                        Err(parsed) => return Some(parsed),
                    };
                    match number.and_then(|n| usize::try_from(n).ok()) {
                        Some(size) if size <= 512 << 20 => {
                            if size > 16_384 && !authed {
                                return Some(Parsed::Broken("unauthenticated bulk length".into()));
                            }
                            self.bulk = Some(size);
                            size
                        }
                        _ => return Some(Parsed::Broken("invalid bulk length".into())),
                    }
                }
            };
            if self.pending.len() < size.saturating_add(2) {
                return Some(if self.pending.len() > BULK_MAX { Parsed::TooMuch } else { Parsed::More });
            }
            self.taken = self.taken.saturating_add(size);
            if self.taken > REQUEST_MAX || self.args.len() >= ARGS_MAX {
                return Some(Parsed::TooMuch);
            }
            let rest = self.pending.split_off(size + 2);
            let mut arg = std::mem::replace(&mut self.pending, rest);
            arg.truncate(size);
            self.args.push(arg);
            self.bulk = None;
            self.left -= 1;
        }
        self.taken = 0;
        Some(Parsed::Request(std::mem::take(&mut self.args), false))
    }

    fn inline(&mut self) -> Option<Parsed> {
        let Some(at) = self.pending.iter().position(|b| *b == b'\n') else {
            let long = self.pending.len() > INLINE_MAX;
            return Some(if long { Parsed::Broken("too big inline request".into()) } else { Parsed::More });
        };
        let mut text: Vec<u8> = self.pending.drain(..=at).collect();
        text.pop();
        if text.last() == Some(&b'\r') {
            text.pop();
        }
        match split(&text) {
            None => Some(Parsed::Broken("unbalanced quotes in request".into())),
            Some(args) if args.is_empty() => None,
            Some(args) if args.len() > ARGS_MAX => Some(Parsed::TooMuch),
            Some(args) => Some(Parsed::Request(args, true)),
        }
    }
}

/// A whole decimal number as Redis accepts one: no plus, no blanks, no leading zeros.
pub(super) fn integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let plain = !digits.is_empty() && digits.len() <= 19 && digits.iter().all(u8::is_ascii_digit);
    if !plain || (digits.len() > 1 && digits.first() == Some(&b'0')) || text == b"-0" {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Splits inline text into arguments with the quoting of `sdssplitargs`; none for unbalanced quotes.
fn split(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    // The genuine one works on a C string.
    let end = text.iter().position(|b| *b == 0).unwrap_or(text.len());
    let mut bytes = text.get(..end)?.iter().copied().peekable();
    let mut args = Vec::new();
    loop {
        while bytes.next_if(u8::is_ascii_whitespace).is_some() {}
        if bytes.peek().is_none() {
            return Some(args);
        }
        let mut arg = Vec::new();
        while let Some(byte) = bytes.next() {
            match byte {
                b'"' => loop {
                    match bytes.next()? {
                        b'"' => break,
                        b'\\' => match bytes.next()? {
                            b'n' => arg.push(b'\n'),
                            b'r' => arg.push(b'\r'),
                            b't' => arg.push(b'\t'),
                            b'b' => arg.push(8),
                            b'a' => arg.push(7),
                            b'x' => {
                                let mut ahead = bytes.clone();
                                let high = ahead.next().and_then(hex);
                                let low = ahead.next().and_then(hex);
                                if let (Some(high), Some(low)) = (high, low) {
                                    arg.push(high << 4 | low);
                                    bytes = ahead;
                                } else {
                                    arg.push(b'x');
                                }
                            }
                            other => arg.push(other),
                        },
                        other => arg.push(other),
                    }
                },
                b'\'' => loop {
                    match bytes.next()? {
                        b'\'' => break,
                        b'\\' if bytes.peek() == Some(&b'\'') => {
                            bytes.next();
                            arg.push(b'\'');
                        }
                        other => arg.push(other),
                    }
                },
                blank if blank.is_ascii_whitespace() => break,
                other => {
                    arg.push(other);
                    continue;
                }
            }
            // A closing quote must be followed by a blank or the end.
            if bytes.peek().is_some_and(|next| !next.is_ascii_whitespace()) {
                return None;
            }
            break;
        }
        args.push(arg);
    }
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(bytes: &[u8]) -> Parsed {
        let mut parser = Parser::default();
        parser.feed(bytes);
        parser.next(true)
    }

    fn broken(text: &str) -> Parsed {
        Parsed::Broken(text.into())
    }

    fn request(args: &[&str]) -> Vec<Vec<u8>> {
        args.iter().map(|a| a.as_bytes().to_vec()).collect()
    }

    #[test]
    fn inline_quoting_is_genuine() {
        assert_eq!(split(br#"set 'a\'b' "\x41\n""#).unwrap(), request(&["set", "a'b", "A\n"]));
        assert_eq!(split(br#"set "a"b c"#), None);
        assert_eq!(split(br#"set "a b"#), None);
        assert_eq!(split(b"   ").unwrap(), request(&[]));
    }

    #[test]
    fn broken_requests_say_what_the_genuine_server_says() {
        assert_eq!(parse(b"*x\r\n"), broken("invalid multibulk length"));
        assert_eq!(parse(b"*2\r\n:1\r\n"), broken("expected '$', got ':'"));
        assert_eq!(parse(b"*2\r\n$-1\r\n"), broken("invalid bulk length"));
        assert_eq!(parse(b"*1\r\n$536870913\r\n"), broken("invalid bulk length"));
        assert_eq!(parse(&[b'a'; INLINE_MAX + 1]), broken("too big inline request"));
        assert_eq!(parse(b"*2000000000\r\n"), Parsed::More);
        assert_eq!(parse(b"*0\r\n*-1\r\n\r\nPING\r\n"), Parsed::Request(request(&["PING"]), true));
    }

    #[test]
    fn an_unauthenticated_peer_has_small_limits() {
        let mut parser = Parser::default();
        parser.feed(b"*11\r\n");
        assert_eq!(parser.next(false), broken("unauthenticated multibulk length"));
        let mut parser = Parser::default();
        parser.feed(b"*1\r\n$16385\r\n");
        assert_eq!(parser.next(false), broken("unauthenticated bulk length"));
    }

    #[test]
    fn too_many_or_too_long_arguments_end_it() {
        let mut many = b"*2000\r\n".to_vec();
        (0..2000).for_each(|_| many.extend_from_slice(b"$1\r\na\r\n"));
        assert_eq!(parse(&many), Parsed::TooMuch);
        let mut long = b"*1\r\n$1000000\r\n".to_vec();
        long.resize(BULK_MAX + 100, b'a');
        assert_eq!(parse(&long), Parsed::TooMuch);
    }

    #[test]
    fn resp3_has_its_own_forms() {
        let map = Reply::Map(vec![(Reply::bulk("a"), Reply::Nil), (Reply::Double(1.5), Reply::Set(vec![]))]);
        let (mut two, mut three) = (Vec::new(), Vec::new());
        map.encode(2, &mut two);
        map.encode(3, &mut three);
        assert_eq!(two, b"*4\r\n$1\r\na\r\n$-1\r\n$3\r\n1.5\r\n*0\r\n");
        assert_eq!(three, b"%2\r\n$1\r\na\r\n_\r\n,1.5\r\n~0\r\n");
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_parse_alike(bytes in proptest::collection::vec(any::<u8>(), 0..400), cut in 0usize..400) {
            let drain = |parser: &mut Parser, out: &mut Vec<String>| loop {
                let parsed = parser.next(true);
                let last = !matches!(parsed, Parsed::Request(..));
                if parsed != Parsed::More { out.push(format!("{parsed:?}")); }
                if last { break }
            };
            let (mut whole, mut pieces) = (Vec::new(), Vec::new());
            let mut parser = Parser::default();
            parser.feed(&bytes);
            drain(&mut parser, &mut whole);
            let mut parser = Parser::default();
            let (a, b) = bytes.split_at(cut.min(bytes.len()));
            parser.feed(a);
            drain(&mut parser, &mut pieces);
            if !pieces.last().is_some_and(|p| p.starts_with("Broken")) {
                parser.feed(b);
                drain(&mut parser, &mut pieces);
            }
            prop_assert_eq!(whole, pieces);
        }
    }
}
