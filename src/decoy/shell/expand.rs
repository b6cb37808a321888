//! From words to arguments: variables, substitutions, splitting, file names.

use super::ast::{Part, Word};
use super::text::{decode, encode};
use super::{SEPARATOR, Shell, arith, glob};

/// Most bytes all expansions of a line give.
pub(super) const MAX_EXPANSION: usize = 64 * 1024;
/// Most arguments of a command.
const MAX_ARGS: usize = 2048;

/// A field in the making: its text, and the same as a pattern.
#[derive(Default)]
struct Field {
    text: String,
    pattern: String,
    wild: bool,
    any: bool,
}

impl Field {
    fn quoted(&mut self, text: &str) {
        self.text.push_str(text);
        self.pattern.push_str(&glob::escape(text));
        self.any = true;
    }

    fn plain(&mut self, text: &str) {
        self.text.push_str(text);
        self.pattern.push_str(text);
        self.wild |= glob::is_pattern(text);
        self.any |= !text.is_empty();
    }
}

impl Shell {
    /// The arguments that words stand for.
    pub(super) fn expand(&mut self, words: &[Word]) -> Vec<String> {
        let mut args = Vec::new();
        for word in words {
            for word in braces(word, 0) {
                for field in self.fields(&word) {
                    if args.len() >= MAX_ARGS || self.is_stopped() {
                        return args;
                    }
                    if field.wild {
                        let found = self.file_names(&field.pattern);
                        if !found.is_empty() {
                            args.extend(found.into_iter().take(MAX_ARGS));
                            continue;
                        }
                    }
                    args.push(field.text);
                }
            }
        }
        args
    }

    /// One word as one text: no splitting, no file names.
    pub(super) fn expand_one(&mut self, word: &Word) -> String {
        self.joined(word).0
    }

    /// One word as a pattern (`case`).
    pub(super) fn expand_pattern(&mut self, word: &Word) -> String {
        self.joined(word).1
    }

    fn joined(&mut self, word: &Word) -> (String, String) {
        let mut whole = Field::default();
        for (index, part) in word.iter().enumerate() {
            match part {
                Part::Plain(text) if index == 0 => {
                    let text = self.tilde(text);
                    whole.plain(&text);
                }
                Part::Plain(text) => whole.plain(text),
                Part::Quoted(text) => whole.quoted(text),
                other => {
                    let (text, quoted) = self.value(other);
                    if quoted { whole.quoted(&text) } else { whole.plain(&text) }
                }
            }
        }
        (whole.text, whole.pattern)
    }

    fn fields(&mut self, word: &Word) -> Vec<Field> {
        let mut done = Vec::new();
        let mut field = Field::default();
        for (index, part) in word.iter().enumerate() {
            match part {
                Part::Plain(text) if index == 0 => {
                    let text = self.tilde(text);
                    field.plain(&text);
                }
                Part::Plain(text) => field.plain(text),
                Part::Quoted(text) => field.quoted(text),
                Part::Variable { name, operator, quoted: true, .. } if name == "@" && operator.is_empty() => {
                    for (at, param) in self.params().to_vec().iter().enumerate() {
                        if at > 0 {
                            done.push(std::mem::take(&mut field));
                        }
                        field.quoted(param);
                    }
                }
                Part::Variable { name, operator, quoted: true, .. }
                    if name.ends_with("[@]") && operator.is_empty() =>
                {
                    for (at, item) in self.items(name).iter().take(MAX_ARGS).enumerate() {
                        if at > 0 {
                            done.push(std::mem::take(&mut field));
                        }
                        field.quoted(item);
                    }
                }
                other => {
                    let (text, quoted) = self.value(other);
                    if quoted {
                        field.quoted(&text);
                        continue;
                    }
                    let blank = |c: char| matches!(c, ' ' | '\t' | '\n');
                    if text.starts_with(blank) && field.any {
                        done.push(std::mem::take(&mut field));
                    }
                    for (at, piece) in text.split(blank).filter(|p| !p.is_empty()).enumerate() {
                        if done.len() >= MAX_ARGS {
                            break;
                        }
                        if at > 0 {
                            done.push(std::mem::take(&mut field));
                        }
                        field.plain(piece);
                    }
                    if text.ends_with(blank) && field.any {
                        done.push(std::mem::take(&mut field));
                    }
                }
            }
        }
        if field.any {
            done.push(field);
        }
        done
    }

    fn tilde(&self, text: &str) -> String {
        let Some(rest) = text.strip_prefix('~') else { return text.to_owned() };
        let (name, tail) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let home = if name.is_empty() {
            self.variable("HOME")
        } else {
            self.vfs.machine().user(name).map(|u| u.home.clone())
        };
        home.map_or_else(|| text.to_owned(), |home| home + tail)
    }

    /// The value of a part that has one, and whether it was in quotes.
    fn value(&mut self, part: &Part) -> (String, bool) {
        match part {
            Part::Plain(text) => (text.clone(), false),
            Part::Quoted(text) => (text.clone(), true),
            Part::Variable { name, operator, word, quoted } => {
                let value = self.operate(name, operator, word);
                (self.counted(value), *quoted)
            }
            Part::Command { source, quoted } => {
                let mut bytes = self.substitute(source);
                while bytes.last() == Some(&b'\n') {
                    bytes.pop();
                }
                bytes.retain(|b| *b != 0);
                (self.counted(decode(&bytes)), *quoted)
            }
            Part::Arithmetic { source, quoted } => {
                let word = super::parse::parse_text(source).unwrap_or_default();
                let source = self.expand_one(&word);
                let lookup =
                    |name: &str| self.variable(name).and_then(|v| v.trim().parse().ok()).unwrap_or(0);
                let value = arith::evaluate(&source, &lookup);
                if value.is_none() {
                    let zero = source.split_once(['/', '%']).is_some_and(|(_, by)| {
                        arith::evaluate(by.trim_start_matches(['/', '=']), &lookup) == Some(0)
                    });
                    let token = source.rsplit(['/', '%']).next().unwrap_or_default().to_owned();
                    let last = source.trim_end().chars().next_back().map_or_else(String::new, String::from);
                    let message = if zero {
                        format!("{source}: division by 0 (error token is \"{token}\")")
                    } else {
                        format!("{source}: syntax error: operand expected (error token is \"{last}\")")
                    };
                    self.shell_error(&message);
                    self.exhaust_quietly();
                }
                (value.unwrap_or(0).to_string(), *quoted)
            }
        }
    }

    /// Counts what an expansion gave; too much in all ends the line.
    fn counted(&mut self, mut text: String) -> String {
        self.expanded += text.len();
        if self.expanded > MAX_EXPANSION {
            self.exhaust();
            text.clear();
        }
        text
    }

    fn operate(&mut self, name: &str, operator: &str, word: &Word) -> String {
        let value = self.variable(name);
        let set = if operator.starts_with(':') {
            value.as_ref().is_some_and(|v| !v.is_empty())
        } else {
            value.is_some()
        };
        match operator {
            "" => value.unwrap_or_default(),
            "L" if name.ends_with("[@]") || name.ends_with("[*]") => self.items(name).len().to_string(),
            "L" => value.unwrap_or_default().chars().count().to_string(),
            "-" | ":-" if !set => self.expand_one(word),
            "=" | ":=" if !set => {
                let text = self.expand_one(word);
                self.set_variable(name, &text);
                text
            }
            "+" | ":+" => {
                if set {
                    self.expand_one(word)
                } else {
                    String::new()
                }
            }
            "?" | ":?" if !set => {
                let text = self.expand_one(word);
                let text = if text.is_empty() { "parameter null or not set".to_owned() } else { text };
                self.shell_error(&format!("{name}: {text}"));
                self.exhaust_quietly();
                String::new()
            }
            "#" | "##" | "%" | "%%" => {
                let pattern = self.expand_pattern(word);
                trim(&value.unwrap_or_default(), &pattern, operator)
            }
            "/" | "//" => {
                let both = self.expand_one(word);
                let (from, to) = both.split_once('/').unwrap_or((&both, ""));
                let value = value.unwrap_or_default();
                if from.is_empty() {
                    value
                } else if value.len().saturating_mul(to.len() + 1) > MAX_EXPANSION * 64 {
                    String::new()
                } else if operator == "/" {
                    value.replacen(from, to, 1)
                } else {
                    value.replace(from, to)
                }
            }
            "^^" => value.unwrap_or_default().to_uppercase(),
            ",," => value.unwrap_or_default().to_lowercase(),
            ":" => {
                let spec = self.expand_one(word);
                slice(&value.unwrap_or_default(), &spec)
            }
            _ => value.unwrap_or_default(),
        }
    }

    /// A variable's value, the special ones included.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        match name {
            "?" => Some(self.status.to_string()),
            "$" => Some(self.pid().to_string()),
            "!" => Some(if self.last_job > 0 { self.last_job.to_string() } else { String::new() }),
            "#" => Some(self.params().len().to_string()),
            "@" | "*" => Some(self.params().join(" ")),
            "-" => Some("himBHs".to_owned()),
            "0" => Some(self.name()),
            "RANDOM" => Some((getrandom::u32().unwrap_or(0) % 32_768).to_string()),
            "SECONDS" => Some((super::super::vfs::now() - self.started()).to_string()),
            "EPOCHSECONDS" => Some(super::super::vfs::now().to_string()),
            "PWD" => Some(self.cwd().to_owned()),
            "UID" | "EUID" => Some(self.vfs.uid().to_string()),
            _ if name.starts_with(|c: char| c.is_ascii_digit()) => {
                let at: usize = name.parse().ok()?;
                self.params().get(at.checked_sub(1)?).cloned()
            }
            _ => match name.strip_suffix(']').and_then(|n| n.split_once('[')) {
                Some((_, "@" | "*")) => Some(self.items(name).join(" ")),
                Some((array, at)) => {
                    let number = |name: &str| self.variable(name).and_then(|v| v.parse().ok()).unwrap_or(0);
                    let at = usize::try_from(arith::evaluate(at, &number)?).ok()?;
                    self.env_get(array)?.split(SEPARATOR).nth(at).map(str::to_owned)
                }
                None => self
                    .env_get(name)
                    .map(|value| value.split(SEPARATOR).next().unwrap_or_default().to_owned()),
            },
        }
    }

    /// The elements of an array, of which `name[…]` names any.
    fn items(&self, name: &str) -> Vec<String> {
        let array = name.split('[').next().unwrap_or_default();
        let value = self.env_get(array).filter(|value| !value.is_empty());
        value.map_or_else(Vec::new, |value| value.split(SEPARATOR).map(str::to_owned).collect())
    }

    /// The files a pattern names, sorted; patterns in the last two names of the path at most.
    fn file_names(&mut self, pattern: &str) -> Vec<String> {
        let mut found = vec![String::new()];
        if pattern.starts_with('/') {
            found = vec!["/".to_owned()];
        }
        let names: Vec<&str> = pattern.split('/').filter(|n| !n.is_empty()).collect();
        let mut wild = 0;
        for (depth, name) in names.iter().enumerate() {
            let last = depth + 1 == names.len();
            if !glob::is_pattern(name) {
                let plain = name.replace('\\', "");
                for path in &mut found {
                    path.push_str(&plain);
                    if !last {
                        path.push('/');
                    }
                }
                found.retain(|path| self.vfs.lstat(&self.vfs.resolve(self.cwd(), path)).is_ok());
                continue;
            }
            wild += 1;
            if wild > 2 {
                return Vec::new();
            }
            let mut next = Vec::new();
            for path in &found {
                let dir = self.vfs.resolve(self.cwd(), path);
                let list = self.vfs.list(&dir).unwrap_or_default();
                self.burn(list.len() * 8 + 64);
                for (entry, _) in list {
                    let hidden = entry.starts_with('.') && !name.starts_with('.');
                    if !hidden && glob::matches(name, &entry) && next.len() < MAX_ARGS {
                        next.push(format!("{path}{entry}{}", if last { "" } else { "/" }));
                    }
                }
            }
            found = next;
        }
        let total: usize = found.iter().map(String::len).sum();
        self.expanded += total;
        if self.expanded > MAX_EXPANSION {
            self.exhaust();
            return Vec::new();
        }
        found
    }

    /// What a command prints, run in a shell of its own.
    fn substitute(&mut self, source: &str) -> Vec<u8> {
        self.captured(|sh| sh.nested(source))
    }
}

/// `{a,b}` and `{1..9}` in an unquoted word; bounded.
fn braces(word: &Word, depth: usize) -> Vec<Word> {
    if depth > 4 {
        return vec![word.clone()];
    }
    let Some((at, Part::Plain(text))) =
        word.iter().enumerate().find(|(_, p)| matches!(p, Part::Plain(t) if t.contains('{')))
    else {
        return vec![word.clone()];
    };
    let Some((before, rest)) = text.split_once('{') else { return vec![word.clone()] };
    let Some((inside, after)) = rest.split_once('}') else { return vec![word.clone()] };
    let choices: Vec<String> = if inside.contains(',') {
        inside.split(',').take(256).map(str::to_owned).collect()
    } else if let Some((low, high)) = inside.split_once("..") {
        match (low.parse::<i32>(), high.parse::<i32>()) {
            (Ok(low), Ok(high)) if low <= high => (low..=high).take(256).map(|n| n.to_string()).collect(),
            (Ok(low), Ok(high)) => (high..=low).rev().take(256).map(|n| n.to_string()).collect(),
            _ => return vec![word.clone()],
        }
    } else {
        return vec![word.clone()];
    };
    let make = |choice: &String| {
        let mut copy = word.clone();
        if let Some(part) = copy.get_mut(at) {
            *part = Part::Plain(format!("{before}{choice}{after}"));
        }
        copy
    };
    choices.iter().map(make).flat_map(|word| braces(&word, depth + 1)).take(MAX_ARGS).collect()
}

fn trim(value: &str, pattern: &str, operator: &str) -> String {
    // Every cut is compared: bounded by keeping value and pattern short.
    if value.len() > 1024 || pattern.len() > 256 {
        return value.to_owned();
    }
    let cuts: Vec<usize> = value.char_indices().map(|(at, _)| at).chain([value.len()]).collect();
    let front = operator.starts_with('#');
    let fits = |at: &&usize| {
        let part = if front { value.get(..**at) } else { value.get(**at..) };
        part.is_some_and(|part| glob::matches(pattern, part))
    };
    // The shortest piece from the front is the first cut, from the back the last one.
    let cut =
        if (operator.len() == 1) == front { cuts.iter().find(fits) } else { cuts.iter().rev().find(fits) };
    match (cut, front) {
        (Some(at), true) => value.get(*at..).unwrap_or_default().to_owned(),
        (Some(at), false) => value.get(..*at).unwrap_or_default().to_owned(),
        (None, _) => value.to_owned(),
    }
}

fn slice(value: &str, spec: &str) -> String {
    let (start, length) = spec.split_once(':').map_or((spec, None), |(s, l)| (s, Some(l)));
    let count = value.chars().count();
    let start: i64 = start.trim().parse().unwrap_or(0);
    let start = if start < 0 {
        count.saturating_sub(usize::try_from(start.unsigned_abs()).unwrap_or(usize::MAX))
    } else {
        usize::try_from(start).unwrap_or(0)
    };
    let length = length.and_then(|l| l.trim().parse::<usize>().ok()).unwrap_or(count);
    value.chars().skip(start).take(length).collect()
}

/// A file name as a message shows it: bash and the tools quote odd ones.
pub(super) fn shown(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%=^~".contains(c);
    if !name.is_empty() && name.chars().all(plain) {
        name.to_owned()
    } else {
        String::from_utf8_lossy(&encode(&format!("'{name}'"))).into_owned()
    }
}
