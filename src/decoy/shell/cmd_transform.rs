//! Changing text: `sort`, `uniq`, `cut`, `tr`, and the commonest forms of `sed` and `awk`.

use super::awk::Program;
use super::cmd_text::{inputs, lines};
use super::commands::{Command, Options};
use super::echo::{bytes_as_chars, unescape};
use super::pattern::Pattern;
use super::text::{decode, encode};
use super::{MAX_OUTPUT, Shell};

/// The commands of this file.
pub(super) fn find(name: &str) -> Option<Command> {
    Some(match name {
        "sort" => sort,
        "uniq" => uniq,
        "cut" => cut,
        "tr" => tr,
        "sed" => sed,
        "awk" | "gawk" | "mawk" => awk,
        _ => return None,
    })
}

fn sort(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "ktoST");
    let mut status = 0;
    let texts = inputs(sh, "sort", &options.rest, &mut status);
    let mut all: Vec<String> = texts.iter().flat_map(|(_, b)| lines(b)).map(decode).collect();
    let total: usize = all.iter().map(String::len).sum();
    sh.burn(total * 4 + all.len() * 64);
    let column = options.value('k').and_then(|k| k.split([',', '.', 'n', 'r']).next()?.parse::<usize>().ok());
    let numeric = options.has('n') || options.has('h') || options.value('k').is_some_and(|k| k.contains('n'));
    let split = options.value('t').and_then(|t| t.chars().next());
    let key = |line: &String| -> String {
        let Some(column) = column else { return line.clone() };
        let field = match split {
            Some(c) => line.split(c).nth(column.saturating_sub(1)),
            None => line.split_whitespace().nth(column.saturating_sub(1)),
        };
        field.unwrap_or_default().to_owned()
    };
    let number = |text: &str| -> i64 {
        let text = text.trim_start();
        let digits: String = text
            .chars()
            .enumerate()
            .take_while(|(i, c)| c.is_ascii_digit() || (*i == 0 && *c == '-'))
            .map(|(_, c)| c)
            .collect();
        digits.parse().unwrap_or(0)
    };
    if numeric {
        all.sort_by_cached_key(|line| (number(&key(line)), line.clone()));
    } else {
        all.sort_by_cached_key(|line| (key(line), line.clone()));
    }
    if options.has('r') || options.value('k').is_some_and(|k| k.contains('r')) {
        all.reverse();
    }
    if options.has('u') {
        all.dedup();
    }
    for line in all {
        sh.say(&line);
    }
    status
}

fn uniq(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "fsw");
    let mut status = 0;
    let texts =
        inputs(sh, "uniq", options.rest.get(..1.min(options.rest.len())).unwrap_or_default(), &mut status);
    let bytes = texts.into_iter().map(|(_, b)| b).next().unwrap_or_default();
    let mut groups: Vec<(usize, &[u8])> = Vec::new();
    for line in lines(&bytes) {
        match groups.last_mut() {
            Some((count, last)) if *last == line => *count += 1,
            _ => groups.push((1, line)),
        }
    }
    for (count, line) in groups {
        if (options.has('d') && count < 2) || (options.has('u') && count > 1) {
            continue;
        }
        if options.has('c') {
            sh.out(format!("{count:>7} ").as_bytes());
        }
        sh.out(line);
        sh.out(b"\n");
    }
    status
}

/// Ranges like `1,3-5,7-`; positions from 1.
fn ranges(text: &str) -> Vec<(usize, usize)> {
    let one = |part: &str| {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        Some((
            if low.is_empty() { 1 } else { low.parse().ok()? },
            if high.is_empty() { usize::MAX } else { high.parse().ok()? },
        ))
    };
    text.split(',').take(64).filter_map(one).collect()
}

fn cut(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "dfcb");
    let Some((letter, list)) = options.values.iter().find(|(l, _)| "fcb".contains(*l)) else {
        return sh.fail("cut: you must specify a list of bytes, characters, or fields\nTry 'cut --help' for more information.");
    };
    let ranges = ranges(list);
    let within = |at: usize| ranges.iter().any(|(low, high)| (*low..=*high).contains(&at));
    let delimiter = options.value('d').and_then(|d| d.chars().next()).unwrap_or('\t');
    let mut status = 0;
    for (_, bytes) in inputs(sh, "cut", &options.rest, &mut status) {
        sh.burn(bytes.len() * ranges.len());
        for line in lines(&bytes) {
            let text = decode(line);
            if *letter == 'f' {
                if !text.contains(delimiter) {
                    if !options.has('s') {
                        sh.say(&text);
                    }
                    continue;
                }
                let fields: Vec<&str> = text
                    .split(delimiter)
                    .enumerate()
                    .filter(|(at, _)| within(at + 1))
                    .map(|(_, f)| f)
                    .collect();
                sh.say(&fields.join(&delimiter.to_string()));
            } else {
                let kept: Vec<u8> =
                    line.iter().enumerate().filter(|(at, _)| within(at + 1)).map(|(_, b)| *b).collect();
                sh.out(&kept);
                sh.out(b"\n");
            }
        }
    }
    status
}

fn set(text: &str) -> Vec<u8> {
    let named = text
        .replace("[:upper:]", "A-Z")
        .replace("[:lower:]", "a-z")
        .replace("[:digit:]", "0-9")
        .replace("[:alnum:]", "A-Za-z0-9")
        .replace("[:alpha:]", "A-Za-z")
        .replace("[:space:]", " \\t\\n\\r");
    let bytes = unescape(&named).0;
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (bytes.get(at + 1), bytes.get(at + 2)) {
            (Some(b'-'), Some(high)) if high >= byte => {
                all.extend(*byte..=*high);
                at += 3;
            }
            _ => {
                all.push(*byte);
                at += 1;
            }
        }
    }
    all.truncate(1024);
    all
}

fn tr(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "");
    let Some(first) = options.rest.first() else {
        return sh.fail("tr: missing operand\nTry 'tr --help' for more information.");
    };
    let from = set(first);
    let to = options.rest.get(1).map(|t| set(t)).unwrap_or_default();
    let complement = options.letters.contains(['c', 'C']);
    let mut table: [Option<u8>; 256] = std::array::from_fn(|byte| u8::try_from(byte).ok());
    let mut member = [false; 256];
    for byte in 0..=255u8 {
        let at = from.iter().position(|b| *b == byte);
        if at.is_none() != complement {
            continue;
        }
        member[usize::from(byte)] = true;
        table[usize::from(byte)] = if options.has('d') {
            None
        } else {
            let at = at.unwrap_or(usize::MAX);
            to.get(at).or(to.last()).copied().or(Some(byte))
        };
    }
    let squeeze = options.has('s');
    let mut last = None;
    let mut out = Vec::new();
    for byte in sh.input() {
        let Some(new) = table[usize::from(byte)] else { continue };
        if squeeze && member[usize::from(byte)] && last == Some(new) {
            continue;
        }
        last = Some(new);
        out.push(new);
    }
    sh.out(&out);
    0
}

/// One step of a `sed` script.
struct Step {
    from: Option<Address>,
    to: Option<Address>,
    action: Action,
}

enum Address {
    Line(usize),
    Last,
    Match(Pattern),
}

enum Action {
    Replace { pattern: Pattern, with: String, all: bool, print: bool },
    Delete,
    Print,
    Quit,
}

fn address(text: &str) -> (Option<Address>, &str) {
    if let Some(rest) = text.strip_prefix('$') {
        return (Some(Address::Last), rest);
    }
    if let Some((pattern, tail)) = text.strip_prefix('/').and_then(|rest| rest.split_once('/')) {
        return (Some(Address::Match(Pattern::new(pattern, false, false, false))), tail);
    }
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, rest) = text.split_at(digits);
    (number.parse().ok().map(Address::Line), rest)
}

fn step(text: &str, extended: bool) -> Option<Step> {
    let (from, mut rest) = address(text.trim());
    let mut to = None;
    if let Some(tail) = rest.strip_prefix(',') {
        (to, rest) = address(tail);
    }
    let action = match rest.chars().next()? {
        'd' => Action::Delete,
        'p' => Action::Print,
        'q' => Action::Quit,
        's' => {
            let mark = rest.chars().nth(1)?;
            let parts: Vec<&str> = rest.get(1 + mark.len_utf8()..)?.split(mark).collect();
            let [pattern, with, flags] = parts.as_slice() else { return None };
            Action::Replace {
                pattern: Pattern::new(pattern, flags.contains(['i', 'I']), extended, false),
                with: (*with).to_owned(),
                all: flags.contains('g'),
                print: flags.contains('p'),
            }
        }
        _ => return None,
    };
    Some(Step { from, to, action })
}

fn sed(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "ef");
    let mut rest = options.rest.clone();
    let scripts: Vec<String> =
        options.values.iter().filter(|(l, _)| *l == 'e').map(|(_, v)| v.clone()).collect();
    let script = if !scripts.is_empty() {
        scripts.join(";")
    } else if rest.is_empty() {
        sh.fail("Usage: sed [OPTION]... {script-only-if-no-other-script} [input-file]...");
        return 1;
    } else {
        rest.remove(0)
    };
    let mut steps = Vec::new();
    for part in script.split(';').take(32).filter(|p| !p.trim().is_empty()) {
        match step(part, options.has('E') || options.has('r')) {
            Some(step) => steps.push(step),
            None => {
                return sh.fail(&format!(
                    "sed: -e expression #1, char {}: unknown command: `{}'",
                    part.len(),
                    part.chars().next().unwrap_or('?')
                ));
            }
        }
    }
    let mut status = 0;
    let in_place = options.has('i');
    for (name, bytes) in inputs(sh, "sed", &rest, &mut status) {
        sh.burn(bytes.len() * (steps.len() + 1) * 2);
        let out = edit(&bytes, &steps, options.has('n'));
        if in_place && !name.is_empty() {
            let path = sh.path(&name);
            if let Err(error) = sh.vfs.write(&path, &out) {
                status = sh.fail(&format!("sed: couldn't open temporary file {name}: {error}"));
            }
        } else {
            sh.out(&out);
        }
    }
    status
}

fn edit(bytes: &[u8], steps: &[Step], silent: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let all: Vec<&[u8]> = lines(bytes).collect();
    'lines: for (at, line) in all.iter().enumerate() {
        let number = at + 1;
        let mut text = decode(line);
        let mut quit = false;
        for step in steps {
            let hits = |address: &Address| match address {
                Address::Line(n) => *n == number,
                Address::Last => number == all.len(),
                Address::Match(pattern) => pattern.find(&text).is_some(),
            };
            let applies = match (&step.from, &step.to) {
                (None, _) => true,
                (Some(Address::Line(low)), Some(Address::Line(high))) => (*low..=*high).contains(&number),
                (Some(Address::Line(low)), Some(Address::Last)) => number >= *low,
                (Some(from), _) => hits(from),
            };
            if !applies {
                continue;
            }
            match &step.action {
                Action::Delete => continue 'lines,
                Action::Print => {
                    out.extend(encode(&text));
                    out.push(b'\n');
                }
                Action::Quit => quit = true,
                Action::Replace { pattern, with, all, print } => {
                    let (new, changed) = replace(&text, pattern, with, *all);
                    text = new;
                    if changed && *print {
                        out.extend(encode(&text));
                        out.push(b'\n');
                    }
                }
            }
        }
        if !silent {
            out.extend(encode(&text));
            out.push(b'\n');
        }
        if quit || out.len() > MAX_OUTPUT {
            break;
        }
    }
    out
}

fn replace(text: &str, pattern: &Pattern, with: &str, all: bool) -> (String, bool) {
    let mut out = String::new();
    let mut rest = text;
    let mut count = 0;
    while let Some(range) = pattern.find(rest) {
        let Some(hit) = rest.get(range.clone()) else { break };
        out.push_str(rest.get(..range.start).unwrap_or_default());
        out.push_str(&with.replace("\\n", "\n").replace('&', hit).replace('\\', ""));
        rest = rest.get(range.end..).unwrap_or_default();
        count += 1;
        if !all || hit.is_empty() || count >= 256 || out.len() > 64 * 1024 {
            break;
        }
    }
    out.push_str(rest);
    (out, count > 0)
}

/// `awk '{print $1, $NF}'`, with `-F`, `/pattern/` and `NR==n` before it.
fn awk(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "Fvf");
    let mut rest = options.rest.clone();
    let version = options.letters.contains('W') || options.has_long("version");
    if version {
        sh.say("mawk 1.3.4 20200120\nCopyright 2008-2019,2020, Thomas E. Dickey\nCopyright 1991-1996,2014, Michael D. Brennan");
        return 0;
    }
    let source = match options.value('f').map(str::to_owned) {
        Some(file) => match super::cmd_text::open(sh, &file) {
            Ok(bytes) => decode(&bytes),
            Err(error) => return sh.fail(&format!("awk: cannot open {file} ({error})")) + 1,
        },
        None if rest.is_empty() => {
            return sh.fail("usage: awk [-F fs][-v var=value][prog | -f progfile][file ...]") + 1;
        }
        None => rest.remove(0),
    };
    let mut vars: Vec<(String, String)> = Vec::new();
    for (letter, value) in &options.values {
        match (letter, value.split_once('=')) {
            ('F', _) => {
                let separator = bytes_as_chars(&unescape(value).0);
                vars.push(("FS".to_owned(), if separator == "t" { "\t".to_owned() } else { separator }));
            }
            ('v', Some((name, value))) => vars.push((name.to_owned(), bytes_as_chars(&unescape(value).0))),
            _ => {}
        }
    }
    sh.burn(source.len() * 4);
    // What is not understood prints nothing: an error would be one that the real one does not make.
    let Some(mut program) = Program::new(&source, &vars) else { return 0 };
    let mut status = 0;
    if let Some(text) = program.begin() {
        sh.out(&encode(&text));
    }
    if program.reads() && !program.is_over() {
        for (name, bytes) in inputs(sh, "awk", &rest, &mut status) {
            program.file(&name);
            for line in lines(&bytes) {
                sh.burn(400 + line.len() * 4);
                if sh.is_stopped() || program.is_over() {
                    break;
                }
                let Some(text) = program.line(&decode(line)) else { return status };
                sh.out(&encode(&text));
            }
        }
        if let Some(text) = program.end() {
            sh.out(&encode(&text));
        }
    }
    status
}
