//! Statements in pieces.

use super::wire::Error;

/// A piece of a statement.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A bare word, in lower case.
    Word(String),
    /// A name in double quotes.
    Name(String),
    /// A string.
    Text(String),
    /// A number.
    Number(String),
    /// `$1`.
    Param(usize),
    /// An operator.
    Op(String),
    /// Any other character.
    Mark(char),
}

/// A piece and where it is.
pub(super) type Spanned = (Token, usize, usize);

/// Most pieces of a query.
const TOKENS_MAX: usize = 20_000;

/// The error for a query that cannot go on at `from`.
pub(super) fn syntax(source: &str, from: usize, to: usize) -> Error {
    let near = source.get(from..to).unwrap_or_default();
    let (text, line) = if near.is_empty() {
        ("syntax error at end of input".to_owned(), 1180)
    } else {
        (format!("syntax error at or near \"{near}\""), 1188)
    };
    let position = source.get(..from).map_or(0, |s| s.chars().count());
    Error::new("42601", text, ("scan.l", line, "scanner_yyerror")).at(position)
}

/// Reads over a piece.
struct Reader<'a> {
    source: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> String {
        let mut out = String::new();
        while let Some(c) = self.peek().filter(|c| fits(*c)) {
            out.push(c);
            self.at += c.len_utf8();
        }
        out
    }

    fn unterminated(&self, what: &str, from: usize) -> Error {
        let near = self.source.get(from..).unwrap_or_default();
        let text = format!("unterminated {what} at or near \"{near}\"");
        let position = self.source.get(..from).map_or(0, |s| s.chars().count());
        Error::new("42601", text, ("scan.l", 1188, "scanner_yyerror")).at(position)
    }

    /// A string to its quote; `escapes` as in `E'…'`.
    fn quoted(&mut self, quote: char, escapes: bool, from: usize) -> Result<String, Error> {
        let mut out = String::new();
        loop {
            match self.bump() {
                None => {
                    let what = if quote == '"' { "quoted identifier" } else { "quoted string" };
                    return Err(self.unterminated(what, from));
                }
                Some(c) if c == quote => {
                    if self.peek() != Some(quote) {
                        return Ok(out);
                    }
                    self.bump();
                    out.push(quote);
                }
                Some('\\') if escapes => match self.bump() {
                    Some('n') => out.push('\n'),
                    Some('t') => out.push('\t'),
                    Some('r') => out.push('\r'),
                    Some('x') => {
                        let digits = self.take_while(|c| c.is_ascii_hexdigit());
                        let byte = u32::from_str_radix(digits.get(..2).unwrap_or(&digits), 16);
                        out.push(byte.ok().and_then(char::from_u32).unwrap_or('?'));
                    }
                    Some(other) => out.push(other),
                    None => {}
                },
                Some(c) => out.push(c),
            }
        }
    }

    /// Comments of either kind; whether there was one.
    fn comment(&mut self) -> Result<bool, Error> {
        if self.rest().starts_with("--") {
            self.take_while(|c| c != '\n');
            return Ok(true);
        }
        if !self.rest().starts_with("/*") {
            return Ok(false);
        }
        let from = self.at;
        let mut depth = 0u32;
        loop {
            if self.rest().starts_with("/*") {
                depth = depth.saturating_add(1);
                self.at += 2;
            } else if self.rest().starts_with("*/") {
                depth = depth.saturating_sub(1);
                self.at += 2;
                if depth == 0 {
                    return Ok(true);
                }
            } else if self.bump().is_none() {
                return Err(self.unterminated("/* comment", from));
            }
        }
    }

    /// `$tag$ … $tag$`, or nothing where it is none.
    fn dollar(&mut self, from: usize) -> Result<Option<String>, Error> {
        let rest = self.rest();
        let Some(end) = rest.get(1..).and_then(|r| r.find('$')) else { return Ok(None) };
        let tag = rest.get(..end + 2).unwrap_or_default().to_owned();
        let inner = tag.get(1..=end).unwrap_or_default();
        let plain = inner.chars().all(|c| c.is_alphanumeric() || c == '_');
        if !plain || inner.starts_with(|c: char| c.is_ascii_digit()) {
            return Ok(None);
        }
        let body = rest.get(tag.len()..).unwrap_or_default();
        let Some(length) = body.find(&tag) else {
            return Err(self.unterminated("dollar-quoted string", from));
        };
        let text = body.get(..length).unwrap_or_default().to_owned();
        self.at += tag.len() * 2 + length;
        Ok(Some(text))
    }
}

/// Splits a query into pieces.
pub(super) fn tokens(source: &str) -> Result<Vec<Spanned>, Error> {
    let mut reader = Reader { source, at: 0 };
    let mut out: Vec<Spanned> = Vec::new();
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    loop {
        reader.take_while(char::is_whitespace);
        if reader.comment()? {
            continue;
        }
        let from = reader.at;
        let Some(c) = reader.peek() else { return Ok(out) };
        if out.len() >= TOKENS_MAX {
            return Err(syntax(source, from, source.len().min(from + 1)));
        }
        let token = match c {
            '\'' => {
                reader.bump();
                Token::Text(reader.quoted('\'', false, from)?)
            }
            '"' => {
                reader.bump();
                Token::Name(reader.quoted('"', false, from)?)
            }
            '$' => match reader.dollar(from)? {
                Some(text) => Token::Text(text),
                None => {
                    reader.bump();
                    let digits = reader.take_while(|c| c.is_ascii_digit());
                    match digits.parse() {
                        Ok(number) => Token::Param(number),
                        Err(_) => Token::Mark('$'),
                    }
                }
            },
            c if c.is_ascii_digit() => {
                let mut number = reader.take_while(|c| c.is_ascii_digit());
                let fraction = reader.rest().starts_with('.') && !reader.rest().starts_with("..");
                if fraction {
                    reader.bump();
                    number.push('.');
                    number.push_str(&reader.take_while(|c| c.is_ascii_digit()));
                }
                Token::Number(number)
            }
            c if c.is_alphabetic() || c == '_' => {
                let name = reader.take_while(word).to_lowercase();
                let prefix = matches!(name.as_str(), "e" | "b" | "x" | "n") && reader.peek() == Some('\'');
                if prefix {
                    reader.bump();
                    Token::Text(reader.quoted('\'', name == "e", from)?)
                } else {
                    Token::Word(name)
                }
            }
            ':' if reader.rest().starts_with("::") => {
                reader.at += 2;
                Token::Op("::".into())
            }
            c if "+-*/<>=~!@#%^&|`?".contains(c) => {
                let mut op = String::new();
                while let Some(c) = reader.peek().filter(|c| "+-*/<>=~!@#%^&|`?".contains(*c)) {
                    if reader.rest().starts_with("--") || reader.rest().starts_with("/*") {
                        break;
                    }
                    // A sign after an operator belongs to what follows.
                    if !op.is_empty()
                        && matches!(c, '+' | '-')
                        && !op.contains(['~', '!', '@', '#', '%', '^', '&', '|', '`', '?'])
                    {
                        break;
                    }
                    op.push(c);
                    reader.bump();
                }
                Token::Op(op)
            }
            c => {
                reader.bump();
                Token::Mark(c)
            }
        };
        out.push((token, from, reader.at));
    }
}

impl Token {
    /// Whether it is this word.
    pub(super) fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(w) if w == word)
    }

    /// The name it is, when it can be one.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Word(name) | Self::Name(name) => Some(name),
            _ => None,
        }
    }
}

/// Splits pieces at semicolons; each statement has at least one.
pub(super) fn statements(tokens: &[Spanned]) -> Vec<&[Spanned]> {
    tokens.split(|(t, ..)| *t == Token::Mark(';')).filter(|s| !s.is_empty()).take(256).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pieces_and_errors() {
        let pieces: Vec<Token> =
            tokens("SELECT 'it''s', E'a\\n', \"A b\", $$x;y$$::text, $1 -- c\n/* a /* b */ */ <> -1")
                .unwrap()
                .into_iter()
                .map(|t| t.0)
                .collect();
        assert_eq!(pieces.len(), 15, "{pieces:?}");
        assert_eq!(pieces[1], Token::Text("it's".into()));
        assert_eq!(pieces[7], Token::Text("x;y".into()));
        let error = tokens("select 'abc").unwrap_err();
        assert_eq!(
            (error.text.as_str(), error.position),
            ("unterminated quoted string at or near \"'abc\"", Some(7))
        );
        assert_eq!(statements(&tokens(";select 1;;").unwrap()).len(), 1);
    }

    proptest! {
        #[test]
        fn any_text_splits(text: String) {
            for (_, from, to) in tokens(&text).unwrap_or_default() {
                prop_assert!(text.get(from..to).is_some());
            }
        }
    }
}
