//! Words: quotes, escapes and what begins with `$`.

use super::{Parsed, Parser, is_meta};
use crate::decoy::shell::ast::{Part, SyntaxError, Word};

/// Most nested `${…}` words.
const MAX_BRACES: usize = 4;

impl Parser {
    /// The word that begins here, if one does.
    pub(super) fn word(&mut self) -> Parsed<Option<Word>> {
        let mut word = Word::new();
        let mut any = false;
        while let Some(c) = self.peek() {
            match c {
                _ if is_meta(c) => break,
                '\'' => {
                    self.at += 1;
                    let text = self.until('\'')?;
                    word.push(Part::Quoted(text));
                }
                '"' => {
                    self.at += 1;
                    word.push(Part::Quoted(String::new()));
                    self.quoted(&mut word, Some('"'))?;
                }
                '\\' => {
                    self.at += 1;
                    match self.take() {
                        Some('\n') => {}
                        Some(c) => word.push(Part::Quoted(c.to_string())),
                        None => push(&mut word, '\\', false),
                    }
                }
                '`' => {
                    let source = self.backticks()?;
                    word.push(Part::Command { source, quoted: false });
                }
                '$' if self.ahead(1) == Some('\'') => {
                    self.at += 2;
                    let text = self.ansi_quoted()?;
                    word.push(Part::Quoted(text));
                }
                '$' => self.dollar(&mut word, false)?,
                _ => {
                    self.at += 1;
                    push(&mut word, c, false);
                }
            }
            any = true;
        }
        Ok(any.then_some(word))
    }

    fn until(&mut self, end: char) -> Parsed<String> {
        let mut text = String::new();
        loop {
            match self.take() {
                Some(c) if c == end => return Ok(text),
                Some(c) => text.push(c),
                None => return Err(SyntaxError::Incomplete(end)),
            }
        }
    }

    /// `$'…'`.
    fn ansi_quoted(&mut self) -> Parsed<String> {
        let mut raw = String::new();
        loop {
            match self.take() {
                Some('\'') => {
                    return Ok(crate::decoy::shell::text::decode(
                        &crate::decoy::shell::echo::unescape(&raw).0,
                    ));
                }
                Some('\\') if matches!(self.peek(), Some('\'' | '"')) => raw.extend(self.take()),
                Some('\\') => {
                    raw.push('\\');
                    raw.extend(self.take());
                }
                Some(c) => raw.push(c),
                None => return Err(SyntaxError::Incomplete('\'')),
            }
        }
    }

    /// Text in which `$`, backticks and some escapes mean something, up to `end` or the end of all.
    pub(super) fn quoted(&mut self, word: &mut Word, end: Option<char>) -> Parsed<()> {
        loop {
            match self.peek() {
                None if end.is_none() => return Ok(()),
                None => return Err(SyntaxError::Incomplete('"')),
                Some(c) if Some(c) == end => {
                    self.at += 1;
                    return Ok(());
                }
                Some('\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some('\n') => self.at += 1,
                        Some(c @ ('$' | '`' | '"' | '\\')) => {
                            self.at += 1;
                            push(word, c, true);
                        }
                        _ => push(word, '\\', true),
                    }
                }
                Some('"') if end == Some('}') => self.at += 1,
                Some('\'') if end == Some('}') => {
                    self.at += 1;
                    let text = self.until('\'')?;
                    word.push(Part::Quoted(text));
                    word.push(Part::Quoted(String::new()));
                }
                Some('`') => {
                    let source = self.backticks()?;
                    word.push(Part::Command { source, quoted: true });
                }
                Some('$') => self.dollar(word, true)?,
                Some(c) => {
                    self.at += 1;
                    push(word, c, true);
                }
            }
        }
    }

    fn backticks(&mut self) -> Parsed<String> {
        self.at += 1;
        let mut source = String::new();
        loop {
            match self.take() {
                Some('`') => return Ok(source),
                Some('\\') => match self.take() {
                    Some(c @ ('`' | '\\' | '$')) => source.push(c),
                    Some(c) => source.extend(['\\', c]),
                    None => return Err(SyntaxError::Incomplete('`')),
                },
                Some(c) => source.push(c),
                None => return Err(SyntaxError::Incomplete('`')),
            }
        }
    }

    fn dollar(&mut self, word: &mut Word, quoted: bool) -> Parsed<()> {
        self.at += 1;
        match self.peek() {
            Some('(') if self.ahead(1) == Some('(') => {
                self.at += 2;
                let source = self.balanced(2)?;
                word.push(Part::Arithmetic { source, quoted });
            }
            Some('(') => {
                self.at += 1;
                let source = self.balanced(1)?;
                word.push(Part::Command { source, quoted });
            }
            Some('{') => {
                self.at += 1;
                let part = self.braces(quoted)?;
                word.push(part);
            }
            Some(c @ ('?' | '$' | '!' | '#' | '@' | '*' | '-' | '0'..='9')) => {
                self.at += 1;
                word.push(variable(c.to_string(), quoted));
            }
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                let name = self.name();
                word.push(variable(name, quoted));
            }
            _ => push(word, '$', quoted),
        }
        Ok(())
    }

    /// The text up to the closing parentheses, quotes respected.
    fn balanced(&mut self, closing: usize) -> Parsed<String> {
        let mut text = String::new();
        let mut depth = 0usize;
        let mut quote = None;
        while let Some(c) = self.take() {
            match (quote, c) {
                (Some('\''), _) | (None, _) if c == '\'' => {
                    quote = if quote.is_some() { None } else { Some('\'') };
                }
                (Some('"') | None, '\\') => {
                    text.push(c);
                    text.extend(self.take());
                    continue;
                }
                (Some('"'), '"') => quote = None,
                (None, '"') => quote = Some('"'),
                (None, '(') => depth += 1,
                (None, ')') if depth > 0 => depth -= 1,
                (None, ')') => {
                    if closing == 2 && self.peek() == Some(')') {
                        self.at += 1;
                    }
                    return Ok(text);
                }
                _ => {}
            }
            text.push(c);
        }
        Err(SyntaxError::Incomplete(')'))
    }

    fn braces(&mut self, quoted: bool) -> Parsed<Part> {
        let mut name = String::new();
        let length = self.peek() == Some('#') && self.ahead(1).is_some_and(|c| c != '}');
        if length {
            self.at += 1;
        }
        match self.peek() {
            Some(c @ ('?' | '$' | '!' | '#' | '@' | '*' | '-')) => {
                self.at += 1;
                name.push(c);
            }
            Some('0'..='9') => {
                while let Some(c) = self.peek().filter(char::is_ascii_digit) {
                    self.at += 1;
                    name.push(c);
                }
            }
            _ => name = self.name(),
        }
        if !name.is_empty() && self.peek() == Some('[') {
            const SUBSCRIPT_MAX: usize = 64;
            while let Some(c) = self.peek().filter(|_| name.len() < SUBSCRIPT_MAX * 2) {
                self.at += 1;
                name.push(c);
                if c == ']' {
                    break;
                }
            }
        }
        let mut operator = String::new();
        if length {
            operator.push('L');
        } else {
            while let Some(c) = self.peek() {
                if operator.len() < 2
                    && matches!(c, ':' | '-' | '+' | '=' | '?' | '#' | '%' | '/' | '^' | ',')
                {
                    self.at += 1;
                    operator.push(c);
                    if !":#%/^,".contains(c) {
                        break;
                    }
                } else {
                    break;
                }
            }
        }
        let mut word = Word::new();
        self.depth += 1;
        let deep = self.depth > 8 + MAX_BRACES;
        let end = if deep { Err(SyntaxError::TooMuch) } else { self.quoted(&mut word, Some('}')) };
        self.depth -= 1;
        match end {
            Err(SyntaxError::Incomplete(_)) => Err(SyntaxError::Incomplete('}')),
            Err(other) => Err(other),
            Ok(()) if name.is_empty() => Err(SyntaxError::Unexpected("${".into())),
            Ok(()) => {
                // What is cut off is a pattern, even between double quotes.
                if operator.starts_with(['#', '%']) {
                    for part in &mut word {
                        if let Part::Quoted(text) = part {
                            *part = Part::Plain(std::mem::take(text));
                        }
                    }
                }
                Ok(Part::Variable { name, operator, word, quoted })
            }
        }
    }
}

fn variable(name: String, quoted: bool) -> Part {
    Part::Variable { name, operator: String::new(), word: Word::new(), quoted }
}

fn push(word: &mut Word, c: char, quoted: bool) {
    match (word.last_mut(), quoted) {
        (Some(Part::Plain(text)), false) | (Some(Part::Quoted(text)), true) => text.push(c),
        (_, false) => word.push(Part::Plain(c.to_string())),
        (_, true) => word.push(Part::Quoted(c.to_string())),
    }
}
