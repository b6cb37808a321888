//! Transact-SQL cut into words, and words into statements.

/// Most words of a batch.
const WORDS_MAX: usize = 20_000;
/// Most statements of a batch.
const STATEMENTS_MAX: usize = 200;

/// One word of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// A keyword, name or variable, as it was written.
    Name(String),
    /// A text without its quotes.
    Text(String),
    /// A number.
    Number(String),
    /// Anything else.
    Sign(char),
}

impl Word {
    /// Whether it is this keyword.
    pub(super) fn is(&self, keyword: &str) -> bool {
        matches!(self, Self::Name(name) if name.eq_ignore_ascii_case(keyword))
    }

    /// Whether it is this sign.
    pub(super) fn sign(&self, sign: char) -> bool {
        matches!(self, Self::Sign(c) if *c == sign)
    }

    /// As text.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Name(text) | Self::Text(text) | Self::Number(text) => text.clone(),
            Self::Sign(c) => c.to_string(),
        }
    }
}

/// Cuts a batch into words; an unclosed quote is the text that is wrong.
pub(super) fn words(text: &str) -> Result<Vec<Word>, String> {
    let mut out = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if out.len() >= WORDS_MAX {
            break;
        }
        let close = match c {
            '\'' | '"' => c,
            '[' => ']',
            _ => '\0',
        };
        if close != '\0' {
            let mut body = String::new();
            loop {
                match chars.next() {
                    Some(c) if c == close && chars.peek() == Some(&close) => {
                        chars.next();
                        body.push(c);
                    }
                    Some(c) if c == close => break,
                    Some(c) => body.push(c),
                    None => return Err(body),
                }
            }
            out.push(if c == '\'' { Word::Text(body) } else { Word::Name(body) });
        } else if c == '-' && chars.peek() == Some(&'-') {
            while chars.next_if(|c| *c != '\n').is_some() {}
        } else if c == '/' && chars.peek() == Some(&'*') {
            let mut depth = 1u32;
            let mut last = '\0';
            chars.next();
            for c in chars.by_ref() {
                match (last, c) {
                    ('/', '*') => depth = depth.saturating_add(1),
                    ('*', '/') => depth -= 1,
                    _ => {}
                }
                last = c;
                if depth == 0 {
                    break;
                }
            }
        } else if c.is_alphanumeric() || matches!(c, '_' | '@' | '#' | '$') {
            let mut word = c.to_string();
            let number = c.is_ascii_digit();
            while let Some(c) = chars.next_if(|c| {
                c.is_alphanumeric() || matches!(c, '_' | '@' | '#' | '$') || (number && *c == '.')
            }) {
                word.push(c);
            }
            // N'…' is a text.
            if word.eq_ignore_ascii_case("n") && chars.peek() == Some(&'\'') {
                continue;
            }
            out.push(if number { Word::Number(word) } else { Word::Name(word) });
        } else if !c.is_whitespace() {
            out.push(Word::Sign(c));
        }
    }
    Ok(out)
}

/// Words that begin a statement wherever they stand.
const STARTS: &[&str] = &["exec", "execute", "reconfigure", "use", "declare", "print", "waitfor"];
/// Statements after which `select` begins another one.
const CLOSED: &[&str] =
    &["set", "exec", "execute", "reconfigure", "use", "declare", "print", "select", "waitfor"];

/// Cuts words into statements.
pub(super) fn statements(words: Vec<Word>) -> Vec<Vec<Word>> {
    let mut out: Vec<Vec<Word>> = Vec::new();
    let mut current: Vec<Word> = Vec::new();
    let mut depth = 0u32;
    for word in words {
        let closed = || current.first().is_some_and(|first| CLOSED.iter().any(|word| first.is(word)));
        let union = current.last().is_some_and(|last| last.is("union") || last.is("all") || last.is("as"));
        let starts = depth == 0 && !current.is_empty() && !union && {
            STARTS.iter().any(|s| word.is(s)) || ((word.is("select") || word.is("set")) && closed())
        };
        if word.sign(';') || starts {
            depth = 0;
            out.push(std::mem::take(&mut current));
        }
        match word {
            Word::Sign(';') => continue,
            Word::Sign('(') => depth = depth.saturating_add(1),
            Word::Sign(')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        current.push(word);
    }
    out.push(current);
    out.retain(|statement| !statement.is_empty());
    out.truncate(STATEMENTS_MAX);
    out
}

/// Cuts at commas, or another sign, that are in no parentheses.
pub(super) fn split(words: &[Word], at: char) -> Vec<&[Word]> {
    let mut depth = 0u32;
    let mut out = Vec::new();
    let mut start = 0;
    for (n, word) in words.iter().enumerate() {
        match word {
            Word::Sign('(') => depth = depth.saturating_add(1),
            Word::Sign(')') => depth = depth.saturating_sub(1),
            Word::Sign(c) if *c == at && depth == 0 => {
                out.push(&words[start..n]);
                start = n + 1;
            }
            _ => {}
        }
    }
    out.push(&words[start..]);
    out
}

/// Where a keyword stands that is in no parentheses.
pub(super) fn find(words: &[Word], keyword: &str) -> Option<usize> {
    let mut depth = 0u32;
    words.iter().position(|word| {
        match word {
            Word::Sign('(') => depth = depth.saturating_add(1),
            Word::Sign(')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && word.is(keyword)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_fall_apart() {
        let of = |text: &str| {
            statements(words(text).unwrap())
                .iter()
                .map(|s| s.iter().map(Word::text).collect::<Vec<_>>().join(" "))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            of(
                "exec sp_configure 'show advanced options',1 RECONFIGURE; -- x;y\nEXEC xp_cmdshell N'dir ''a''' /* /* ; */ */"
            ),
            ["exec sp_configure show advanced options , 1", "RECONFIGURE", "EXEC xp_cmdshell dir 'a'"]
        );
        assert_eq!(of("set nocount on select 1"), ["set nocount on", "select 1"]);
        assert_eq!(of("insert into t select (select 1)").len(), 1);
        assert_eq!(of("select 1 union all select 2").len(), 1);
        assert!(words("select 'x").is_err());
    }
}
