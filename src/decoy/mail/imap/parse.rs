//! The words of a command: atoms, strings, literals and lists, bounded in number and depth.

/// Words of one command, and how deep lists may lie in each other.
const TOKENS: usize = 2048;
const DEPTH: usize = 16;

/// A word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Atom(Vec<u8>),
    /// A quoted string or a literal.
    Text(Vec<u8>),
    List(Vec<Token>),
}

impl Token {
    /// The bytes of an atom or a string.
    pub(super) fn string(&self) -> Option<&[u8]> {
        match self {
            Self::Atom(bytes) | Self::Text(bytes) => Some(bytes),
            Self::List(_) => None,
        }
    }

    pub(super) fn atom(&self) -> Option<&[u8]> {
        match self {
            Self::Atom(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// An atom in upper case, or nothing.
    pub(super) fn word(&self) -> String {
        self.atom().map(|a| String::from_utf8_lossy(a).to_ascii_uppercase()).unwrap_or_default()
    }

    pub(super) fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }
}

/// The literal that a line announces at its end: its length, and whether the client waits for us.
pub(super) fn literal(line: &[u8]) -> Option<(u64, bool)> {
    let line = line.strip_suffix(b"}")?;
    let open = line.iter().rposition(|b| *b == b'{')?;
    let inner = line.get(open + 1..)?;
    let (digits, waits) = inner.strip_suffix(b"+").map_or((inner, true), |digits| (digits, false));
    if digits.is_empty() || digits.len() > 10 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, waits))
}

/// The words of a command without its tag; literals lie behind their `{n}` CRLF. The error is Dovecot's.
pub(super) fn tokens(bytes: &[u8]) -> Result<Vec<Token>, &'static str> {
    let mut parser = Parser { bytes, at: 0, left: TOKENS };
    parser.items(DEPTH, false)
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    left: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn items(&mut self, depth: usize, inside: bool) -> Result<Vec<Token>, &'static str> {
        let mut out = Vec::new();
        loop {
            let Some(byte) = self.peek() else {
                return if inside { Err("Missing ')'") } else { Ok(out) };
            };
            if byte == b' ' {
                self.at += 1;
                continue;
            }
            if byte == b')' {
                self.at += 1;
                return if inside { Ok(out) } else { Err("Unexpected ')'") };
            }
            self.left = self.left.checked_sub(1).ok_or("Too long argument")?;
            let token = match byte {
                b'(' => {
                    self.at += 1;
                    Token::List(self.items(depth.checked_sub(1).ok_or("Too many '('")?, true)?)
                }
                b'"' => Token::Text(self.quoted()?),
                b'{' => Token::Text(self.literal()?),
                _ => Token::Atom(self.atom()?),
            };
            out.push(token);
        }
    }

    fn quoted(&mut self) -> Result<Vec<u8>, &'static str> {
        let mut out = Vec::new();
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'"' => return Ok(out),
                b'\\' => {
                    out.extend(self.peek());
                    self.at += 1;
                }
                _ => out.push(byte),
            }
        }
        Err("Missing '\"'")
    }

    fn literal(&mut self) -> Result<Vec<u8>, &'static str> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let end = rest.windows(2).position(|w| w == b"\r\n").ok_or("Invalid literal size")?;
        let (length, _) = literal(rest.get(..end).unwrap_or_default()).ok_or("Invalid literal size")?;
        let start = self.at.saturating_add(end).saturating_add(2);
        let stop =
            usize::try_from(length).ok().and_then(|n| start.checked_add(n)).ok_or("Invalid literal size")?;
        let bytes = self.bytes.get(start..stop).ok_or("Invalid literal size")?;
        self.at = stop;
        Ok(bytes.to_vec())
    }

    /// An atom; what stands in square brackets belongs to it, blanks and all.
    fn atom(&mut self) -> Result<Vec<u8>, &'static str> {
        let start = self.at;
        let mut open = false;
        while let Some(byte) = self.peek() {
            match byte {
                b'[' => open = true,
                b']' => open = false,
                b' ' | b'(' | b')' if !open => break,
                b'"' if !open => return Err("Unexpected '\"'"),
                _ => {}
            }
            self.at += 1;
        }
        Ok(self.bytes.get(start..self.at).unwrap_or_default().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commands_become_words() {
        let got = tokens(b"1:* (FLAGS BODY.PEEK[HEADER.FIELDS (A B)]<0.4>) \"a \\\"b\" {3}\r\nx y").unwrap();
        assert_eq!(got[0], Token::Atom(b"1:*".to_vec()));
        assert_eq!(got[1].list().unwrap()[1].word(), "BODY.PEEK[HEADER.FIELDS (A B)]<0.4>");
        assert_eq!((&got[2], &got[3]), (&Token::Text(b"a \"b".to_vec()), &Token::Text(b"x y".to_vec())));
        assert_eq!(tokens(b"(1 flags"), Err("Missing ')'"));
        assert_eq!(tokens(b"\"INBOX"), Err("Missing '\"'"));
        assert_eq!(tokens(&[b'('; 50]), Err("Too many '('"));
        assert_eq!(
            (literal(b"a {12}"), literal(b"a {3+}"), literal(b"{x}")),
            (Some((12, true)), Some((3, false)), None)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>, text in "[(){}\\[\\]\"\\\\ a0-9+*\r\n]{0,60}") {
            let _ = (tokens(&bytes), tokens(text.as_bytes()), literal(&bytes), literal(text.as_bytes()));
        }
    }
}
