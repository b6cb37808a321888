//! Statements as text: splitting, words, names. No grammar; what is not understood is a syntax error.

/// A piece of a statement.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A bare word, as written.
    Word(String),
    /// A name in backticks.
    Name(String),
    /// A string.
    Text(String),
    /// A number, as written.
    Number(String),
    /// `@@name`, without the scope.
    System(String),
    /// `@name`.
    User(String),
    /// Any other character.
    Mark(char),
}

/// Most pieces looked at.
const TOKENS_MAX: usize = 4096;

/// A piece and where it is in the statement.
pub(super) type Spanned = (Token, usize, usize);

/// Splits a statement into pieces; comments are skipped.
pub(super) fn tokens(text: &str) -> Vec<Spanned> {
    let mut out = Vec::new();
    let mut chars = text.char_indices().peekable();
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    while let Some((at, c)) = chars.next() {
        if out.len() >= TOKENS_MAX {
            break;
        }
        let rest = text.get(at..).unwrap_or_default();
        let mut skip = |to: usize| while chars.next_if(|(i, _)| *i < at + to).is_some() {};
        let token = match c {
            c if c.is_whitespace() => continue,
            '#' => {
                skip(rest.find('\n').unwrap_or(rest.len()));
                continue;
            }
            '-' if rest.starts_with("-- ") || rest == "--" || rest.starts_with("--\n") => {
                skip(rest.find('\n').unwrap_or(rest.len()));
                continue;
            }
            // What `/*!40101 … */` holds is run.
            '/' if rest.starts_with("/*!") => {
                let digits =
                    rest.get(3..).unwrap_or_default().chars().take_while(char::is_ascii_digit).count();
                skip(3 + digits);
                continue;
            }
            '*' if rest.starts_with("*/") => {
                skip(2);
                continue;
            }
            '/' if rest.starts_with("/*") => {
                skip(rest.find("*/").map_or(rest.len(), |end| end + 2));
                continue;
            }
            '\'' | '"' | '`' => {
                let mut inner = String::new();
                while let Some((_, next)) = chars.next() {
                    match next {
                        '\\' if c != '`' => match chars.next() {
                            Some((_, 'n')) => inner.push('\n'),
                            Some((_, 't')) => inner.push('\t'),
                            Some((_, 'r')) => inner.push('\r'),
                            Some((_, '0')) => inner.push('\0'),
                            Some((_, other)) => inner.push(other),
                            None => break,
                        },
                        next if next == c && chars.peek().is_some_and(|(_, p)| *p == c) => {
                            chars.next();
                            inner.push(c);
                        }
                        next if next == c => break,
                        next => inner.push(next),
                    }
                }
                if c == '`' { Token::Name(inner) } else { Token::Text(inner) }
            }
            '@' => {
                let system = chars.next_if(|(_, c)| *c == '@').is_some();
                let mut name = String::new();
                while let Some((_, c)) = chars.next_if(|(_, c)| word(*c) || matches!(c, '.' | '`')) {
                    if c != '`' {
                        name.push(c);
                    }
                }
                let lower = name.to_lowercase();
                let bare =
                    ["global.", "session.", "local."].iter().find_map(|scope| lower.strip_prefix(scope));
                if system { Token::System(bare.unwrap_or(&lower).to_owned()) } else { Token::User(name) }
            }
            c if c.is_ascii_digit() => {
                let mut number = c.to_string();
                while let Some((_, c)) = chars.next_if(|(_, c)| word(*c) || *c == '.') {
                    number.push(c);
                }
                Token::Number(number)
            }
            c if word(c) => {
                let mut name = c.to_string();
                while let Some((_, c)) = chars.next_if(|(_, c)| word(*c)) {
                    name.push(c);
                }
                Token::Word(name)
            }
            c => Token::Mark(c),
        };
        let end = chars.peek().map_or(text.len(), |(i, _)| *i);
        out.push((token, at, end));
    }
    out
}

impl Token {
    /// Whether it is this word, in any case.
    pub(super) fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(w) if w.eq_ignore_ascii_case(word))
    }

    /// The name it is, when it can be one.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Word(name) | Self::Name(name) => Some(name),
            _ => None,
        }
    }

    /// The value it is, when it is a literal.
    pub(super) fn value(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(text),
            _ => None,
        }
    }
}

/// Splits at semicolons outside strings and comments; each with the text from there to the end.
pub(super) fn statements(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut from = 0;
    for (token, start, end) in tokens(text) {
        if token == Token::Mark(';') {
            out.push(text.get(from..start).unwrap_or_default());
            from = end;
        }
    }
    out.push(text.get(from..).unwrap_or_default());
    // What follows the last semicolon may be blank.
    if out.len() > 1 && out.last().is_some_and(|last| tokens(last).is_empty()) {
        out.pop();
    }
    out.truncate(64);
    out
}

/// Whether `text` matches an SQL LIKE pattern, in any case.
pub(super) fn like(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().take(256).collect();
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut percent: Option<(usize, usize)> = None;
    while t < text.len() {
        let (literal, step) = match pattern.get(p) {
            Some('\\') => (pattern.get(p + 1), 2),
            other => (other, 1),
        };
        if step == 1 && literal == Some(&'%') {
            percent = Some((p + 1, t));
            p += 1;
        } else if (step == 1 && literal == Some(&'_')) || (literal.is_some() && literal == text.get(t)) {
            p += step;
            t += 1;
        } else if let Some((after, from)) = percent {
            percent = Some((after, from + 1));
            p = after;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|c| *c == '%')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pieces_and_statements() {
        let pieces: Vec<Token> =
            tokens("select 'it''s', @@GLOBAL.x, `a b` /* c */ -- d").into_iter().map(|t| t.0).collect();
        assert_eq!(
            pieces,
            [
                Token::Word("select".into()),
                Token::Text("it's".into()),
                Token::Mark(','),
                Token::System("x".into()),
                Token::Mark(','),
                Token::Name("a b".into()),
            ]
        );
        assert_eq!(statements("select ';'; select 2; "), ["select ';'", " select 2"]);
        assert_eq!(statements(""), [""]);
        assert_eq!(tokens("/*!40101 SET NAMES utf8 */").len(), 3);
    }

    #[test]
    fn like_patterns() {
        assert!(like("version%", "version_comment") && like("%", "") && like("a_c", "ABC"));
        assert!(!like("version", "version_comment") && !like("a\\_c", "abc"));
    }

    proptest! {
        #[test]
        fn any_text_splits(text: String, pattern: String) {
            for (_, from, to) in tokens(&text) {
                prop_assert!(text.get(from..to).is_some());
            }
            statements(&text);
            like(&pattern, &text);
        }
    }
}
