//! Regular expressions for `grep` and `sed`: the common operators, by backtracking with a budget.

use std::cell::Cell;
use std::ops::Range;

/// Steps one search may take; a search that needs more finds nothing.
const MAX_STEPS: usize = 20_000;
/// Steps all searches with one expression may take together.
const MAX_TOTAL: usize = 3_000_000;
/// Most pieces of an expression, and deepest nesting of groups.
const MAX_PIECES: usize = 256;
const MAX_DEPTH: usize = 8;
/// Deepest recursion of a match: bounds the stack.
const MAX_RECURSION: usize = 400;
/// Longest text looked at.
const MAX_TEXT: usize = 16 * 1024;

#[derive(Debug)]
enum Atom {
    Char(char),
    Any,
    Set { negate: bool, ranges: Vec<(char, char)> },
    Group(Vec<Vec<Piece>>),
    Start,
    End,
}

#[derive(Debug)]
struct Piece {
    atom: Atom,
    min: usize,
    max: usize,
}

/// A regular expression.
pub(super) struct Pattern {
    choices: Vec<Vec<Piece>>,
    fold: bool,
    left: Cell<usize>,
}

impl Pattern {
    /// Reads an expression: `extended` as `grep -E` does (`+?|(){}` without backslashes), `fixed` as
    /// plain text. What cannot be read matches literally.
    pub(super) fn new(source: &str, fold: bool, extended: bool, fixed: bool) -> Self {
        let source = if fold { source.to_lowercase() } else { source.to_owned() };
        if fixed {
            let literal = |c| Piece { atom: Atom::Char(c), min: 1, max: 1 };
            let choices = source.split('\n').map(|line| line.chars().take(MAX_PIECES).map(literal).collect());
            return Self { choices: choices.collect(), fold, left: Cell::new(MAX_TOTAL) };
        }
        let mut reader = Reader { chars: source.chars().collect(), at: 0, extended, pieces: 0 };
        Self { choices: reader.choices(0), fold, left: Cell::new(MAX_TOTAL) }
    }

    /// Where the text has it first, the longest choice at that place as far as backtracking finds it.
    pub(super) fn find(&self, text: &str) -> Option<Range<usize>> {
        let given = MAX_STEPS.max(text.len() * 4).min(self.left.get());
        let mut left = given;
        let found = self.search(text, &mut left);
        self.left.set(self.left.get().saturating_sub(given - left + text.len() / 8));
        found
    }

    fn search(&self, text: &str, left: &mut usize) -> Option<Range<usize>> {
        let mut folded = String::new();
        if self.fold {
            folded.extend(text.chars().map(|c| c.to_lowercase().next().unwrap_or(c)));
        }
        let shown: Vec<(usize, char)> = text.char_indices().take(MAX_TEXT).collect();
        let compared: Vec<char> = if self.fold {
            folded.chars().take(MAX_TEXT).collect()
        } else {
            shown.iter().map(|(_, c)| *c).collect()
        };
        let mut search = Search { text: &compared, steps: *left };
        for start in 0..=compared.len() {
            let mut best = None;
            for choice in &self.choices {
                let end = search.sequence(choice, start, 0, &mut |_, end| Some(end));
                best = best.max(end);
            }
            *left = search.steps;
            if let Some(end) = best {
                let byte = |at: usize| shown.get(at).map_or(text.len(), |(byte, _)| *byte);
                return Some(byte(start)..byte(end));
            }
            if search.steps == 0 {
                return None;
            }
        }
        None
    }
}

struct Reader {
    chars: Vec<char>,
    at: usize,
    extended: bool,
    pieces: usize,
}

impl Reader {
    /// Whether an operator stands here; takes it.
    fn operator(&mut self, c: char) -> bool {
        let here = self.chars.get(self.at..).unwrap_or_default();
        let length = match (self.extended, here) {
            (true, [x, ..]) if *x == c => 1,
            (false, ['\\', x, ..]) if *x == c => 2,
            _ => 0,
        };
        self.at += length;
        length > 0
    }

    fn choices(&mut self, depth: usize) -> Vec<Vec<Piece>> {
        let mut all = vec![Vec::new()];
        while self.at < self.chars.len() && self.pieces < MAX_PIECES {
            if depth > 0 && self.operator(')') {
                break;
            }
            if self.operator('|') || self.chars.get(self.at) == Some(&'\n') {
                if self.chars.get(self.at) == Some(&'\n') {
                    self.at += 1;
                }
                all.push(Vec::new());
                continue;
            }
            let first = all.last().is_none_or(Vec::is_empty);
            let Some(atom) = self.atom(first, depth) else { break };
            let (min, max) = if first && !self.extended && matches!(atom, Atom::Char('*')) {
                (1, 1)
            } else {
                self.repeat()
            };
            self.pieces += 1;
            if let Some(choice) = all.last_mut() {
                choice.push(Piece { atom, min, max });
            }
        }
        all
    }

    fn repeat(&mut self) -> (usize, usize) {
        if self.chars.get(self.at) == Some(&'*') {
            self.at += 1;
            return (0, usize::MAX);
        }
        if self.operator('+') {
            return (1, usize::MAX);
        }
        if self.operator('?') {
            return (0, 1);
        }
        let before = self.at;
        if self.operator('{') {
            let rest: String = self.chars.iter().skip(self.at).take(12).collect();
            if let Some((inside, _)) = rest.split_once('}') {
                let numbers = inside.trim_end_matches('\\');
                let (low, high) = numbers.split_once(',').unwrap_or((numbers, numbers));
                if let Ok(low) = low.parse::<usize>() {
                    self.at += inside.chars().count() + 1;
                    return (
                        low.min(1000),
                        if high.is_empty() { usize::MAX } else { high.parse().unwrap_or(low) },
                    );
                }
            }
        }
        self.at = before;
        (1, 1)
    }

    fn atom(&mut self, first: bool, depth: usize) -> Option<Atom> {
        if depth < MAX_DEPTH && self.operator('(') {
            return Some(Atom::Group(self.choices(depth + 1)));
        }
        let c = *self.chars.get(self.at)?;
        self.at += 1;
        let last = self
            .chars
            .get(self.at)
            .is_none_or(|c| *c == '\n' || *c == '|' || *c == ')' || *c == '\\' && depth > 0);
        Some(match c {
            '.' => Atom::Any,
            '^' if first || self.extended => Atom::Start,
            '$' if last || self.extended => Atom::End,
            '[' => self.set(),
            '\\' => {
                let c = self.chars.get(self.at).copied().unwrap_or('\\');
                self.at += 1;
                let class = |negate, ranges: &[(char, char)]| Atom::Set { negate, ranges: ranges.to_vec() };
                match c {
                    'w' => class(false, &WORD),
                    'W' => class(true, &WORD),
                    's' => class(false, &SPACE),
                    'S' => class(true, &SPACE),
                    'd' => class(false, &[('0', '9')]),
                    'n' => Atom::Char('\n'),
                    't' => Atom::Char('\t'),
                    // A border of a word: taken as nothing.
                    'b' | '<' | '>' => Atom::Group(vec![Vec::new()]),
                    c => Atom::Char(c),
                }
            }
            c => Atom::Char(c),
        })
    }

    fn set(&mut self) -> Atom {
        let negate = self.chars.get(self.at) == Some(&'^');
        self.at += usize::from(negate);
        let mut ranges = Vec::new();
        let start = self.at;
        while let Some(c) = self.chars.get(self.at).copied() {
            self.at += 1;
            let rest: String = self.chars.iter().skip(self.at).take(10).collect();
            match c {
                ']' if self.at > start + 1 => break,
                '[' if rest.starts_with(':') => {
                    let name = rest.get(1..).and_then(|r| r.split_once(":]")).map_or("", |(name, _)| name);
                    self.at += name.len() + 3;
                    ranges.extend(class(name));
                }
                low if rest.starts_with('-') && !rest.starts_with("-]") && rest.len() > 1 => {
                    let high = self.chars.get(self.at + 1).copied().unwrap_or(low);
                    self.at += 2;
                    ranges.push((low, high));
                }
                c => ranges.push((c, c)),
            }
        }
        Atom::Set { negate, ranges }
    }
}

const WORD: [(char, char); 4] = [('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')];
const SPACE: [(char, char); 2] = [('\t', '\r'), (' ', ' ')];

fn class(name: &str) -> Vec<(char, char)> {
    match name {
        "digit" => vec![('0', '9')],
        "alpha" => vec![('a', 'z'), ('A', 'Z')],
        "alnum" => vec![('a', 'z'), ('A', 'Z'), ('0', '9')],
        "upper" => vec![('A', 'Z')],
        "lower" => vec![('a', 'z')],
        "xdigit" => vec![('0', '9'), ('a', 'f'), ('A', 'F')],
        "space" => SPACE.to_vec(),
        "blank" => vec![(' ', ' '), ('\t', '\t')],
        "punct" => vec![('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        _ => Vec::new(),
    }
}

struct Search<'a> {
    text: &'a [char],
    steps: usize,
}

type Then<'t> = dyn FnMut(&mut Search<'_>, usize) -> Option<usize> + 't;

impl Search<'_> {
    fn single(&self, atom: &Atom, at: usize) -> bool {
        let Some(c) = self.text.get(at) else { return false };
        match atom {
            Atom::Char(known) => known == c,
            Atom::Any => true,
            Atom::Set { negate, ranges } => {
                ranges.iter().any(|(low, high)| (low..=high).contains(&c)) != *negate
            }
            _ => false,
        }
    }

    /// Matches pieces from `at`, then what follows; the end of it all.
    fn sequence(&mut self, pieces: &[Piece], at: usize, depth: usize, then: &mut Then<'_>) -> Option<usize> {
        self.steps = self.steps.checked_sub(1)?;
        if depth > MAX_RECURSION {
            return None;
        }
        let Some((piece, rest)) = pieces.split_first() else { return then(self, at) };
        match &piece.atom {
            Atom::Start => {
                if at == 0 {
                    self.sequence(rest, at, depth + 1, then)
                } else {
                    None
                }
            }
            Atom::End => {
                if at == self.text.len() {
                    self.sequence(rest, at, depth + 1, then)
                } else {
                    None
                }
            }
            Atom::Group(choices) => self.group(choices, piece, 0, at, depth + 1, &mut |search, end| {
                search.sequence(rest, end, depth + 1, then)
            }),
            atom => {
                let mut count = 0;
                while count < piece.max && self.single(atom, at + count) {
                    count += 1;
                    self.steps = self.steps.checked_sub(1)?;
                }
                while count >= piece.min {
                    if let Some(end) = self.sequence(rest, at + count, depth + 1, then) {
                        return Some(end);
                    }
                    if count == 0 || self.steps == 0 {
                        return None;
                    }
                    count -= 1;
                }
                None
            }
        }
    }

    fn group(
        &mut self,
        choices: &[Vec<Piece>],
        piece: &Piece,
        done: usize,
        at: usize,
        depth: usize,
        then: &mut Then<'_>,
    ) -> Option<usize> {
        if depth > MAX_RECURSION || self.steps == 0 {
            return None;
        }
        if done < piece.max {
            for choice in choices {
                let found = self.sequence(choice, at, depth + 1, &mut |search, end| {
                    // A turn that took nothing would go on for ever.
                    if end == at && done >= piece.min {
                        None
                    } else {
                        search.group(choices, piece, done + 1, end, depth + 1, then)
                    }
                });
                if found.is_some() {
                    return found;
                }
            }
        }
        if done >= piece.min { then(self, at) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn expressions_match_as_grep_matches_them() {
        for (source, extended, text, expected) in [
            ("^root:", false, "root:x", Some("root:")),
            ("^root:", false, "a root:x", None),
            ("l\\+", false, "hello", Some("ll")),
            ("l+", true, "hello", Some("ll")),
            ("a|b+", true, "xbbb", Some("bbb")),
            ("a\\|b", false, "xb", Some("b")),
            ("[0-9]\\{2,3\\}", false, "a12345", Some("123")),
            ("(ab)*c", true, "ababc", Some("ababc")),
            ("(a|b)+$", true, "cab", Some("ab")),
            ("[^:]*", false, "ab:c", Some("ab")),
            ("[[:digit:]]+", true, "x42", Some("42")),
            ("\\.log$", false, "a.log", Some(".log")),
            ("*a", false, "x*a", Some("*a")),
            ("", false, "abc", Some("")),
            ("a.*c", false, "xabcbcx", Some("abcbc")),
        ] {
            let found = Pattern::new(source, false, extended, false).find(text).map(|r| text.get(r).unwrap());
            assert_eq!(found, expected, "{source}");
        }
        assert!(Pattern::new("ROOT", true, false, false).find("xrooT").is_some());
        assert!(Pattern::new("a.b", false, false, true).find("axb a.b").is_some_and(|r| r == (4..7)));
    }

    #[test]
    fn evil_expressions_give_up() {
        let text = "a".repeat(3000);
        for source in ["(a*)*b", "(a|aa)+$b", "((a+)+)+b", "(((((((((a", "a*a*a*a*a*a*b"] {
            assert_eq!(Pattern::new(source, false, true, false).find(&text), None, "{source}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn any_expression_is_taken(source in "[ab().*+?|{}0-9,\\[\\]^$\\\\-]{0,40}", text in "\\PC{0,60}", extended: bool) {
            if let Some(range) = Pattern::new(&source, false, extended, false).find(&text) {
                prop_assert!(text.get(range).is_some());
            }
        }
    }
}
