//! The expressions and statements of `awk` that one-liners use. No arrays, no functions of one's own.

mod token;
mod value;

use std::collections::BTreeMap;

use super::pattern::Pattern;
use token::{Token, bracket, closing, tokens};
use value::{flag, matches, numeric, operate, printf, shown, truth};

/// Deepest nesting, most steps of a run, longest text.
const DEPTH_MAX: usize = 32;
const STEPS_MAX: usize = 200_000;
const TEXT_MAX: usize = 64 * 1024;

/// When a rule's action runs.
#[derive(Clone, Debug)]
enum When {
    Begin,
    End,
    Always,
    If(Vec<Token>),
    Between(Vec<Token>, Vec<Token>, bool),
}

/// A program.
pub(super) struct Program {
    rules: Vec<(When, Vec<Token>)>,
    vars: BTreeMap<String, String>,
    fields: Vec<String>,
    line: String,
    out: String,
    steps: usize,
    over: bool,
    next: bool,
}

impl Program {
    /// Reads a program; none when it is none.
    pub(super) fn new(source: &str, vars: &[(String, String)]) -> Option<Self> {
        let tokens = tokens(source)?;
        let mut rest = tokens.as_slice();
        let mut rules = Vec::new();
        loop {
            while let [Token::Line | Token::Mark(";"), tail @ ..] = rest {
                rest = tail;
            }
            if rest.is_empty() {
                break;
            }
            let open =
                rest.iter().position(|t| matches!(t, Token::Mark("{") | Token::Line)).unwrap_or(rest.len());
            let (head, tail) = rest.split_at(open);
            let action = match tail {
                [Token::Mark("{"), tail @ ..] => {
                    let end = closing(tail)?;
                    rest = tail.get(end + 1..)?;
                    tail.get(..end)?.to_vec()
                }
                _ => {
                    rest = tail;
                    vec![Token::Word("print".to_owned())]
                }
            };
            let when = match head {
                [] => When::Always,
                [Token::Word(word)] if word == "BEGIN" => When::Begin,
                [Token::Word(word)] if word == "END" => When::End,
                head => match head.iter().position(|t| *t == Token::Mark(",")) {
                    Some(at) => When::Between(head.get(..at)?.to_vec(), head.get(at + 1..)?.to_vec(), false),
                    None => When::If(head.to_vec()),
                },
            };
            rules.push((when, action));
        }
        let mut all: BTreeMap<String, String> =
            [("FS", " "), ("OFS", " "), ("ORS", "\n"), ("NR", "0"), ("FNR", "0"), ("NF", "0")]
                .map(|(n, v)| (n.to_owned(), v.to_owned()))
                .into();
        all.extend(vars.iter().cloned());
        Some(Self {
            rules,
            vars: all,
            fields: Vec::new(),
            line: String::new(),
            out: String::new(),
            steps: 0,
            over: false,
            next: false,
        })
    }

    /// Whether it looks at its input at all.
    pub(super) fn reads(&self) -> bool {
        self.rules.iter().any(|(when, _)| !matches!(when, When::Begin))
    }

    /// Whether it ended.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// The start of a file: `FNR` begins anew.
    pub(super) fn file(&mut self, name: &str) {
        self.set("FNR", "0");
        self.set("FILENAME", name);
    }

    pub(super) fn begin(&mut self) -> Option<String> {
        self.rules(|when| matches!(when, When::Begin))
    }

    pub(super) fn end(&mut self) -> Option<String> {
        self.over = false;
        self.rules(|when| matches!(when, When::End))
    }

    /// One line of input; what was printed.
    pub(super) fn line(&mut self, line: &str) -> Option<String> {
        for name in ["NR", "FNR"] {
            let number = self.number(name) + 1.0;
            self.set(name, &shown(number));
        }
        self.split(line);
        self.rules(|when| !matches!(when, When::Begin | When::End))
    }

    fn rules(&mut self, fits: impl Fn(&When) -> bool) -> Option<String> {
        let rules = std::mem::take(&mut self.rules);
        let mut kept = rules.clone();
        let mut done = Some(());
        for (at, (when, action)) in rules.iter().enumerate() {
            if self.over || self.next || !fits(when) || done.is_none() {
                continue;
            }
            let runs = match when {
                When::Begin | When::End | When::Always => Some(true),
                When::If(test) => self.test(test),
                When::Between(from, to, inside) => {
                    let begins = if *inside { Some(true) } else { self.test(from) };
                    let ends = if begins == Some(true) { self.test(to) } else { Some(true) };
                    if let (Some((When::Between(.., inside), _)), Some(ends)) = (kept.get_mut(at), ends) {
                        *inside = !ends;
                    }
                    begins.filter(|_| ends.is_some())
                }
            };
            done = match runs {
                Some(true) => self.block(action, 0),
                Some(false) => Some(()),
                None => None,
            };
        }
        self.rules = kept;
        self.next = false;
        done.map(|()| std::mem::take(&mut self.out))
    }

    fn test(&mut self, tokens: &[Token]) -> Option<bool> {
        let mut rest = tokens;
        let value = self.expression(&mut rest, 0)?;
        rest.is_empty().then(|| truth(&value))
    }

    fn set(&mut self, name: &str, value: &str) {
        if self.vars.len() < 256 || self.vars.contains_key(name) {
            self.vars.insert(name.to_owned(), value.to_owned());
        }
    }

    fn get(&self, name: &str) -> String {
        self.vars.get(name).cloned().unwrap_or_default()
    }

    fn number(&self, name: &str) -> f64 {
        numeric(self.vars.get(name).map_or("", String::as_str))
    }

    fn split(&mut self, line: &str) {
        let separator = self.get("FS");
        self.fields = match separator.as_str() {
            " " => line.split_whitespace().map(str::to_owned).collect(),
            "\t" | "|" | "." | "," | ":" | ";" | "=" | "/" => {
                line.split(&separator).map(str::to_owned).collect()
            }
            one if one.chars().count() == 1 => line.split(one).map(str::to_owned).collect(),
            pattern => {
                let pattern = Pattern::new(pattern, false, true, false);
                let (mut parts, mut rest) = (Vec::new(), line);
                while let Some(found) = pattern.find(rest).filter(|f| !f.is_empty()) {
                    parts.push(rest.get(..found.start).unwrap_or_default().to_owned());
                    rest = rest.get(found.end..).unwrap_or_default();
                }
                parts.push(rest.to_owned());
                parts
            }
        };
        line.clone_into(&mut self.line);
        self.set("NF", &self.fields.len().to_string());
    }

    fn field(&self, at: f64) -> String {
        if at < 1.0 {
            return self.line.clone();
        }
        (at as usize).checked_sub(1).and_then(|at| self.fields.get(at)).cloned().unwrap_or_default()
    }

    /// Statements up to the end.
    fn block(&mut self, tokens: &[Token], depth: usize) -> Option<()> {
        let mut rest = tokens;
        while !rest.is_empty() && !self.over && !self.next {
            rest = self.statement(rest, true, depth)?;
        }
        Some(())
    }

    /// One statement, run or only passed over; what follows it.
    fn statement<'t>(&mut self, tokens: &'t [Token], run: bool, depth: usize) -> Option<&'t [Token]> {
        self.steps += 1;
        if depth > DEPTH_MAX || self.steps > STEPS_MAX {
            return None;
        }
        match tokens {
            [Token::Mark(";") | Token::Line, rest @ ..] => Some(rest),
            [Token::Mark("{"), rest @ ..] => {
                let end = closing(rest)?;
                if run {
                    self.block(rest.get(..end)?, depth + 1)?;
                }
                rest.get(end + 1..)
            }
            [Token::Word(word), Token::Mark("("), rest @ ..] if word == "if" => {
                let end = bracket(rest)?;
                let yes = run && self.test(rest.get(..end)?)?;
                let mut rest = self.statement(rest.get(end + 1..)?, yes, depth + 1)?;
                while let [Token::Mark(";") | Token::Line, tail @ ..] = rest {
                    if !tail.first().is_some_and(|t| *t == Token::Word("else".to_owned())) {
                        break;
                    }
                    rest = tail;
                }
                match rest {
                    [Token::Word(word), tail @ ..] if word == "else" => {
                        self.statement(tail, run && !yes, depth + 1)
                    }
                    rest => Some(rest),
                }
            }
            tokens => {
                let mut level = 0usize;
                let end = tokens.iter().position(|t| {
                    match t {
                        Token::Mark("(") => level += 1,
                        Token::Mark(")") => level = level.saturating_sub(1),
                        _ => {}
                    }
                    level == 0 && matches!(t, Token::Mark(";" | "}") | Token::Line)
                });
                let (head, rest) = tokens.split_at(end.unwrap_or(tokens.len()));
                if run {
                    self.simple(head)?;
                }
                Some(rest)
            }
        }
    }

    fn simple(&mut self, tokens: &[Token]) -> Option<()> {
        match tokens {
            [Token::Word(word), rest @ ..] if word == "print" || word == "printf" => {
                // Where it goes is not played: files and commands of awk are rare.
                let mut level = 0usize;
                let to = rest.iter().position(|t| {
                    match t {
                        Token::Mark("(") => level += 1,
                        Token::Mark(")") => level = level.saturating_sub(1),
                        _ => {}
                    }
                    level == 0 && matches!(t, Token::Mark(">" | "|"))
                });
                let to = to.unwrap_or(rest.len());
                let mut rest = rest.get(..to)?;
                if let [Token::Mark("("), inner @ ..] = rest
                    && bracket(inner) == Some(inner.len().checked_sub(1)?)
                {
                    rest = inner.get(..inner.len() - 1)?;
                }
                let values = self.list(rest)?;
                let text = if word == "printf" {
                    let (format, args) = values.split_first()?;
                    printf(format, args)
                } else if values.is_empty() {
                    format!("{}{}", self.line, self.get("ORS"))
                } else {
                    format!("{}{}", values.join(&self.get("OFS")), self.get("ORS"))
                };
                if self.out.len() + text.len() <= TEXT_MAX {
                    self.out.push_str(&text);
                }
                Some(())
            }
            [Token::Word(word), ..] if word == "exit" => {
                self.over = true;
                Some(())
            }
            [Token::Word(word)] if word == "next" => {
                self.next = true;
                Some(())
            }
            tokens => {
                let mut rest = tokens;
                self.expression(&mut rest, 0)?;
                rest.is_empty().then_some(())
            }
        }
    }

    fn list(&mut self, tokens: &[Token]) -> Option<Vec<String>> {
        let (mut rest, mut values) = (tokens, Vec::new());
        while !rest.is_empty() {
            values.push(self.expression(&mut rest, 0)?);
            match rest {
                [Token::Mark(","), tail @ ..] if !tail.is_empty() => rest = tail,
                [] => break,
                _ => return None,
            }
        }
        Some(values)
    }

    /// One expression, by precedence: `?:`, `||`, `&&`, `~`, comparison, concatenation, sums, products.
    fn expression(&mut self, rest: &mut &[Token], depth: usize) -> Option<String> {
        self.steps += 1;
        if depth > DEPTH_MAX || self.steps > STEPS_MAX {
            return None;
        }
        if let [Token::Word(name), Token::Mark(sign @ ("=" | "+=" | "-=" | "*=" | "/=")), tail @ ..] = *rest {
            *rest = tail;
            let right = self.expression(rest, depth + 1)?;
            let (old, by) = (self.number(name), numeric(&right));
            let value = match *sign {
                "+=" => shown(old + by),
                "-=" => shown(old - by),
                "*=" => shown(old * by),
                "/=" => shown(old / by),
                _ => right,
            };
            self.set(name, &value);
            return Some(value);
        }
        let value = self.binary(rest, depth + 1, 0)?;
        if let [Token::Mark("?"), tail @ ..] = *rest {
            *rest = tail;
            let yes = self.expression(rest, depth + 1)?;
            let [Token::Mark(":"), tail @ ..] = *rest else { return None };
            *rest = tail;
            let no = self.expression(rest, depth + 1)?;
            return Some(if truth(&value) { yes } else { no });
        }
        Some(value)
    }

    fn binary(&mut self, rest: &mut &[Token], depth: usize, level: usize) -> Option<String> {
        const LEVELS: [&[&str]; 7] = [
            &["||"],
            &["&&"],
            &["~", "!~"],
            &["==", "!=", "<=", ">=", "<", ">"],
            // Concatenation has no sign of its own.
            &[],
            &["+", "-"],
            &["*", "/", "%"],
        ];
        let Some(signs) = LEVELS.get(level) else { return self.primary(rest, depth + 1) };
        let mut left = self.binary(rest, depth, level + 1)?;
        loop {
            match *rest {
                [Token::Mark(sign), tail @ ..] if signs.contains(sign) => {
                    *rest = tail;
                    let right = match *rest {
                        [Token::Regex(pattern), tail @ ..] if matches!(*sign, "~" | "!~") => {
                            *rest = tail;
                            pattern.clone()
                        }
                        _ => self.binary(rest, depth, level + 1)?,
                    };
                    left = operate(sign, &left, &right);
                }
                [Token::Word(word), ..] if level == 4 && word == "in" => return None,
                [Token::Word(_) | Token::Number(_) | Token::Text(_) | Token::Mark("$" | "("), ..]
                    if level == 4 =>
                {
                    let right = self.binary(rest, depth, level + 1)?;
                    if left.len() + right.len() > TEXT_MAX {
                        return None;
                    }
                    left.push_str(&right);
                }
                _ => return Some(left),
            }
        }
    }

    fn primary(&mut self, rest: &mut &[Token], depth: usize) -> Option<String> {
        self.steps += 1;
        if depth > DEPTH_MAX * 2 || self.steps > STEPS_MAX {
            return None;
        }
        let (first, tail) = rest.split_first()?;
        *rest = tail;
        match first {
            Token::Number(number) => Some(shown(*number)),
            Token::Text(text) => Some(text.clone()),
            Token::Regex(pattern) => Some(flag(matches(&self.line, pattern))),
            Token::Mark("$") => {
                let at = self.primary(rest, depth + 1)?;
                Some(self.field(numeric(&at)))
            }
            Token::Mark("-") => Some(shown(-numeric(&self.primary(rest, depth + 1)?))),
            Token::Mark("+") => Some(shown(numeric(&self.primary(rest, depth + 1)?))),
            Token::Mark("!") => Some(flag(!truth(&self.primary(rest, depth + 1)?))),
            Token::Mark("(") => {
                let value = self.expression(rest, depth + 1)?;
                let [Token::Mark(")"), tail @ ..] = *rest else { return None };
                *rest = tail;
                Some(value)
            }
            Token::Mark(sign @ ("++" | "--")) => {
                let (Token::Word(name), tail) = rest.split_first()? else { return None };
                *rest = tail;
                let value = shown(self.number(name) + if *sign == "++" { 1.0 } else { -1.0 });
                self.set(name, &value);
                Some(value)
            }
            Token::Word(name) => match *rest {
                [Token::Mark(sign @ ("++" | "--")), tail @ ..] => {
                    *rest = tail;
                    let old = self.number(name);
                    self.set(name, &shown(old + if *sign == "++" { 1.0 } else { -1.0 }));
                    Some(shown(old))
                }
                [Token::Mark("("), tail @ ..] if CALLS.contains(&name.as_str()) => {
                    let end = bracket(tail)?;
                    *rest = tail.get(end + 1..)?;
                    let args = self.list(tail.get(..end)?)?;
                    self.call(name, &args)
                }
                _ if name == "length" => Some(self.line.chars().count().to_string()),
                _ if matches!(name.as_str(), "getline" | "function" | "while" | "for" | "do" | "delete") => {
                    None
                }
                _ => Some(self.get(name)),
            },
            _ => None,
        }
    }

    fn call(&mut self, name: &str, args: &[String]) -> Option<String> {
        let first = args.first().cloned();
        Some(match name {
            "length" => first.unwrap_or_else(|| self.line.clone()).chars().count().to_string(),
            "toupper" => first?.to_uppercase(),
            "tolower" => first?.to_lowercase(),
            "int" => shown(numeric(&first?).trunc()),
            "index" => {
                let (text, wanted) = (first?, args.get(1)?);
                text.find(wanted.as_str())
                    .map_or(0, |at| text.get(..at).map_or(0, |t| t.chars().count()) + 1)
                    .to_string()
            }
            "substr" => {
                let (from, most) = (numeric(args.get(1)?), args.get(2).map_or(f64::MAX, |n| numeric(n)));
                let end = from + most;
                first?
                    .chars()
                    .zip(1u32..)
                    .filter(|(_, at)| f64::from(*at) >= from && f64::from(*at) < end)
                    .map(|(c, _)| c)
                    .collect()
            }
            "sprintf" => printf(&first?, args.get(1..).unwrap_or_default()),
            // It runs nothing here.
            "system" => "0".to_owned(),
            _ => return None,
        })
    }
}

const CALLS: [&str; 8] = ["length", "toupper", "tolower", "int", "index", "substr", "sprintf", "system"];
