//! The parser of the shell's language: one pass, bounded depth and count, never backtracks over more
//! than a word.

use super::ast::{
    Command, Direction, Item, Join, List, Node, Part, Pipeline, Redirect, Script, SyntaxError, Word,
};

/// Longest line.
pub(super) const MAX_SOURCE: usize = 16 * 1024;
/// Most commands of a line.
const MAX_COMMANDS: usize = 64;
/// Most commands of a pipeline.
const MAX_PIPELINE: usize = 16;
/// Deepest nesting.
const MAX_DEPTH: usize = 8;
/// Most words of a command.
const MAX_WORDS: usize = 1024;

const RESERVED: [&str; 16] = [
    "if", "then", "elif", "else", "fi", "for", "in", "do", "done", "while", "until", "case", "esac", "{",
    "}", "!",
];

type Parsed<T> = Result<T, SyntaxError>;

/// Parses a line or a script.
pub(super) fn parse(source: &str) -> Parsed<Script> {
    let chars: Vec<char> = source.chars().take(MAX_SOURCE).collect();
    let mut parser = Parser { chars, at: 0, depth: 0, commands: 0, here: Vec::new(), pending: Vec::new() };
    let list = parser.list(&[])?;
    parser.blanks();
    if parser.peek().is_some() {
        return Err(parser.unexpected());
    }
    if !parser.pending.is_empty() {
        return Err(SyntaxError::Incomplete('<'));
    }
    Ok(Script { list, here: parser.here })
}

/// Parses text in which only `$` and backticks mean something (a here document).
pub(super) fn parse_text(source: &str) -> Parsed<Word> {
    let chars: Vec<char> = source.chars().take(MAX_SOURCE).collect();
    let mut parser = Parser { chars, at: 0, depth: 0, commands: 0, here: Vec::new(), pending: Vec::new() };
    let mut word = Word::new();
    parser.quoted(&mut word, None)?;
    Ok(word)
}

struct Pending {
    index: usize,
    end: String,
    raw: bool,
    tabs: bool,
}

pub(super) struct Parser {
    chars: Vec<char>,
    at: usize,
    depth: usize,
    commands: usize,
    here: Vec<Word>,
    pending: Vec<Pending>,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn ahead(&self, steps: usize) -> Option<char> {
        self.chars.get(self.at + steps).copied()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn starts(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(step, c)| self.ahead(step) == Some(c))
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.starts(text);
        if found {
            self.at += text.chars().count();
        }
        found
    }

    fn unexpected(&self) -> SyntaxError {
        let token = match self.peek() {
            None | Some('\n') => "newline".to_owned(),
            Some(c) if is_meta(c) => {
                let double = ["&&", "||", ";;", "<<", ">>"].into_iter().find(|op| self.starts(op));
                double.map_or_else(|| c.to_string(), str::to_owned)
            }
            Some(_) => self.chars.iter().skip(self.at).take_while(|c| !is_meta(**c)).take(40).collect(),
        };
        SyntaxError::Unexpected(token)
    }

    /// The words of an array up to its bracket.
    fn array(&mut self, name: String) -> Parsed<Command> {
        let mut words = Vec::new();
        loop {
            self.blanks();
            match self.peek() {
                Some(')') => {
                    self.at += 1;
                    return Ok(Command::Array { name, words });
                }
                Some('\n') => self.at += 1,
                None => return Err(SyntaxError::Incomplete(')')),
                Some(c) => match self.word()? {
                    Some(word) if words.len() < MAX_WORDS => words.push(word),
                    Some(_) => return Err(SyntaxError::TooMuch),
                    None => return Err(SyntaxError::Unexpected(c.to_string())),
                },
            }
        }
    }

    fn blanks(&mut self) {
        loop {
            match self.peek() {
                Some(' ' | '\t' | '\r') => self.at += 1,
                Some('\\') if self.ahead(1) == Some('\n') => self.at += 2,
                Some('#') => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    fn newlines(&mut self) -> Parsed<()> {
        self.blanks();
        while self.peek() == Some('\n') {
            self.at += 1;
            self.read_here()?;
            self.blanks();
        }
        Ok(())
    }

    /// Takes the texts of `<<` that begin after a newline.
    fn read_here(&mut self) -> Parsed<()> {
        for pending in std::mem::take(&mut self.pending) {
            let mut body = String::new();
            loop {
                if self.peek().is_none() {
                    return Err(SyntaxError::Incomplete('<'));
                }
                let mut line = String::new();
                while let Some(c) = self.take() {
                    if c == '\n' {
                        break;
                    }
                    line.push(c);
                }
                let line = if pending.tabs { line.trim_start_matches('\t') } else { &line };
                if line.trim_end_matches('\r') == pending.end {
                    break;
                }
                body.push_str(line);
                body.push('\n');
            }
            let word = if pending.raw { vec![Part::Quoted(body)] } else { parse_text(&body)? };
            if let Some(slot) = self.here.get_mut(pending.index) {
                *slot = word;
            }
        }
        Ok(())
    }

    /// The reserved word that stands here, if any.
    fn reserved(&self) -> Option<&'static str> {
        RESERVED.into_iter().find(|word| self.starts(word) && self.ahead(word.len()).is_none_or(is_meta))
    }

    fn expect(&mut self, word: &'static str) -> Parsed<()> {
        self.newlines()?;
        if self.reserved() == Some(word) {
            self.at += word.len();
            Ok(())
        } else if self.peek().is_none() {
            Err(SyntaxError::Incomplete('k'))
        } else {
            Err(self.unexpected())
        }
    }

    fn list(&mut self, ends: &[&str]) -> Parsed<List> {
        let mut list = List::new();
        loop {
            self.newlines()?;
            match self.peek() {
                None => return Ok(list),
                Some(')') if ends.contains(&")") => return Ok(list),
                Some(';') if self.starts(";;") && ends.contains(&";;") => return Ok(list),
                Some(c) if is_meta(c) && !matches!(c, '(' | '<' | '>') => return Err(self.unexpected()),
                _ => {}
            }
            if self.reserved().is_some_and(|word| ends.contains(&word)) {
                return Ok(list);
            }
            let mut item = self.item()?;
            self.blanks();
            if self.starts(";;") {
                list.push(item);
                continue;
            }
            match self.peek() {
                Some('&') => {
                    self.at += 1;
                    item.background = true;
                }
                Some(';') => self.at += 1,
                Some('\n') | None => {}
                Some(')') if ends.contains(&")") => {}
                _ => return Err(self.unexpected()),
            }
            list.push(item);
        }
    }

    fn item(&mut self) -> Parsed<Item> {
        let mut pipelines = vec![(Join::First, self.pipeline()?)];
        loop {
            self.blanks();
            let join = if self.eat("&&") {
                Join::And
            } else if self.eat("||") {
                Join::Or
            } else {
                return Ok(Item { pipelines, background: false });
            };
            self.newlines()?;
            if self.peek().is_none() {
                return Err(SyntaxError::Incomplete('k'));
            }
            pipelines.push((join, self.pipeline()?));
        }
    }

    fn pipeline(&mut self) -> Parsed<Pipeline> {
        self.blanks();
        let negate = self.reserved() == Some("!");
        if negate {
            self.at += 1;
            self.blanks();
        }
        let mut nodes = vec![self.node()?];
        loop {
            self.blanks();
            if self.starts("||") || self.peek() != Some('|') {
                return Ok(Pipeline { negate, nodes });
            }
            self.at += 1;
            if self.peek() == Some('&') {
                self.at += 1;
                if let Some(node) = nodes.last_mut() {
                    let one = vec![Part::Quoted("1".into())];
                    node.redirects.push(Redirect { fd: Some(2), direction: Direction::Duplicate, word: one });
                }
            }
            self.newlines()?;
            if self.peek().is_none() {
                return Err(SyntaxError::Incomplete('k'));
            }
            if nodes.len() >= MAX_PIPELINE {
                return Err(SyntaxError::TooMuch);
            }
            nodes.push(self.node()?);
        }
    }

    fn node(&mut self) -> Parsed<Node> {
        self.commands += 1;
        self.depth += 1;
        if self.commands > MAX_COMMANDS || self.depth > MAX_DEPTH {
            return Err(SyntaxError::TooMuch);
        }
        let node = self.node_inside();
        self.depth -= 1;
        node
    }

    fn node_inside(&mut self) -> Parsed<Node> {
        self.blanks();
        let command = match (self.peek(), self.reserved()) {
            (Some('('), _) => {
                self.at += 1;
                let list = self.list(&[")"])?;
                if !self.eat(")") {
                    return Err(SyntaxError::Incomplete('k'));
                }
                if list.is_empty() {
                    return Err(SyntaxError::Unexpected(")".into()));
                }
                Command::Subshell(list)
            }
            (_, Some("{")) => {
                self.at += 1;
                let list = self.list(&["}"])?;
                self.expect("}")?;
                Command::Group(list)
            }
            (_, Some("if")) => self.branches()?,
            (_, Some("for")) => self.for_loop()?,
            (_, Some(word @ ("while" | "until"))) => {
                self.at += word.len();
                let condition = self.list(&["do"])?;
                self.expect("do")?;
                let body = self.list(&["done"])?;
                self.expect("done")?;
                Command::Loop { until: word == "until", condition, body }
            }
            (_, Some("case")) => self.case()?,
            (_, Some(_)) => return Err(self.unexpected()),
            _ => return self.simple(),
        };
        let mut redirects = Vec::new();
        loop {
            self.blanks();
            match self.redirect()? {
                Some(redirect) if redirects.len() < MAX_WORDS => redirects.push(redirect),
                Some(_) => return Err(SyntaxError::TooMuch),
                None => return Ok(Node { command, redirects }),
            }
        }
    }

    fn simple(&mut self) -> Parsed<Node> {
        let (mut assigns, mut words, mut redirects) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            self.blanks();
            if words.len() + redirects.len() + assigns.len() > MAX_WORDS {
                return Err(SyntaxError::TooMuch);
            }
            let double =
                matches!(words.first().map(Vec::as_slice), Some([Part::Plain(first)]) if first == "[[");
            if double && let Some(operator) = self.condition_operator() {
                words.push(vec![Part::Quoted(operator.into())]);
                continue;
            }
            if let Some(redirect) = self.redirect()? {
                redirects.push(redirect);
                continue;
            }
            if words.is_empty() {
                let start = self.at;
                let name = self.name();
                if !name.is_empty() && self.peek() == Some('=') {
                    self.at += 1;
                    if self.peek() == Some('(') && assigns.is_empty() && redirects.is_empty() {
                        self.at += 1;
                        return Ok(Node { command: self.array(name)?, redirects });
                    }
                    assigns.push((name, self.word()?.unwrap_or_default()));
                    continue;
                }
                self.at = start;
            }
            match self.word()? {
                Some(word) if double && matches!(word.as_slice(), [Part::Plain(last)] if last == "]]") => {
                    words.push(word);
                    return Ok(Node { command: Command::Simple { assigns, words }, redirects });
                }
                Some(word) => {
                    if words.is_empty()
                        && let [Part::Plain(name)] = word.as_slice()
                        && self.eat("()")
                    {
                        let name = name.clone();
                        self.newlines()?;
                        let body = Box::new(self.node()?);
                        return Ok(Node { command: Command::Function { name, body }, redirects });
                    }
                    words.push(word);
                }
                None if words.is_empty() && assigns.is_empty() && redirects.is_empty() => {
                    return Err(self.unexpected());
                }
                None => return Ok(Node { command: Command::Simple { assigns, words }, redirects }),
            }
        }
    }

    /// What joins or compares inside `[[ ]]`, where it is no operator of the shell.
    fn condition_operator(&mut self) -> Option<&'static str> {
        ["&&", "||", "<", ">", "(", ")"].into_iter().find(|operator| self.eat(operator))
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.peek() {
            if !(c.is_ascii_alphabetic() || c == '_' || (c.is_ascii_digit() && !name.is_empty())) {
                break;
            }
            name.push(c);
            self.at += 1;
        }
        name
    }

    fn redirect(&mut self) -> Parsed<Option<Redirect>> {
        let start = self.at;
        let mut fd = None;
        if let Some(digit) = self.peek().and_then(|c| c.to_digit(10))
            && matches!(self.ahead(1), Some('<' | '>'))
        {
            fd = u8::try_from(digit).ok();
            self.at += 1;
        }
        let direction = if self.eat("&>>") || self.eat("&>") {
            Direction::Both
        } else if self.eat("<<<") {
            Direction::HereString
        } else if self.starts("<<") {
            self.at += 2;
            return self.here_document(fd).map(Some);
        } else if self.eat(">>") {
            Direction::Append
        } else if self.eat(">&") || self.eat("<&") {
            Direction::Duplicate
        } else if self.eat(">|") || self.eat(">") {
            Direction::Out
        } else if self.eat("<") {
            if fd.is_none() {
                fd = Some(0);
            }
            Direction::In
        } else {
            self.at = start;
            return Ok(None);
        };
        self.blanks();
        let Some(word) = self.word()? else { return Err(self.unexpected()) };
        let digit =
            matches!(word.as_slice(), [Part::Plain(text)] if text == "-" || text.parse::<u8>().is_ok());
        let direction = if direction == Direction::Duplicate && fd.is_none() && !digit {
            Direction::Both
        } else {
            direction
        };
        Ok(Some(Redirect { fd, direction, word }))
    }

    fn here_document(&mut self, fd: Option<u8>) -> Parsed<Redirect> {
        let tabs = self.eat("-");
        self.blanks();
        let Some(word) = self.word()? else { return Err(self.unexpected()) };
        let raw = word.iter().any(|part| matches!(part, Part::Quoted(_)));
        let text = |part: &Part| match part {
            Part::Plain(text) | Part::Quoted(text) => text.clone(),
            _ => String::new(),
        };
        let index = self.here.len();
        if index >= MAX_PIPELINE {
            return Err(SyntaxError::TooMuch);
        }
        self.here.push(Word::new());
        self.pending.push(Pending { index, end: word.iter().map(text).collect(), raw, tabs });
        Ok(Redirect { fd: fd.or(Some(0)), direction: Direction::Here(index), word: Word::new() })
    }
}

/// Whether a character ends a word.
pub(super) fn is_meta(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | ';' | '&' | '|' | '<' | '>' | '(' | ')')
}

#[path = "parse_compound.rs"]
mod compound;
#[path = "parse_word.rs"]
mod word;

#[cfg(test)]
mod tests {
    use super::*;

    fn error(source: &str) -> SyntaxError {
        parse(source).unwrap_err()
    }

    #[test]
    fn unfinished_lines_want_more() {
        for source in [
            "echo 'a",
            "echo \"a",
            "if true",
            "for i in 1 2",
            "a &&",
            "a |",
            "cat <<E\nx",
            "(a",
            "echo `a",
            "echo $(a",
            "case x in",
            "while true; do",
        ] {
            assert!(matches!(error(source), SyntaxError::Incomplete(_)), "{source:?}: {:?}", parse(source));
        }
    }

    #[test]
    fn misplaced_tokens_are_named_as_bash_names_them() {
        for (source, token) in [
            ("; a", ";"),
            ("a ;; b", ";;"),
            (")", ")"),
            ("a | | b", "|"),
            ("fi", "fi"),
            ("&& a", "&&"),
            ("a >", "newline"),
        ] {
            assert_eq!(error(source), SyntaxError::Unexpected(token.into()), "{source:?}");
        }
    }

    #[test]
    fn counts_are_bounded() {
        assert_eq!(error(&"a;".repeat(65)), SyntaxError::TooMuch);
        assert_eq!(error(&"a|".repeat(300)), SyntaxError::TooMuch);
        assert_eq!(error(&"(".repeat(3000)), SyntaxError::TooMuch);
        assert_eq!(error(&"$(".repeat(3000)), SyntaxError::Incomplete(')'));
        assert_eq!(error(&"if ".repeat(3000)), SyntaxError::TooMuch);
        assert!(parse(&"<".repeat(5000)).is_err());
    }

    #[test]
    fn a_line_with_everything_parses() {
        let script = parse("A=1 b \"$x\" 2>/dev/null >>f | c && d || { e; f; } & for i in a b; do g; done; case x in a|b) c;; *) d; esac\nif a; then b; elif c; then d; else e; fi <i\nf() { a; }").unwrap();
        assert_eq!(script.list.len(), 5);
    }
}
