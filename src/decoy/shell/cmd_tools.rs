//! Small tools of every system: arithmetic, drawing, comparing. Messages are those of the GNU programs.

use super::Shell;
use super::arith::evaluate;
use super::cmd_text::{lines, open, tool};
use super::commands::{Command, Options};

/// Most lines that are compared with each other.
const DIFF_MAX: usize = 400;

/// The commands of this file.
pub(super) fn find(name: &str) -> Option<Command> {
    Some(match name {
        "expr" => expr,
        "factor" => factor,
        "shuf" => shuf,
        "cmp" => cmp,
        "diff" => diff,
        _ => return None,
    })
}

fn expr(sh: &mut Shell, args: &[String]) -> u8 {
    let words = args.get(1..).unwrap_or_default();
    let busybox = sh.is_busybox();
    let value = match words {
        [] => {
            let text = if busybox {
                "expr: syntax error"
            } else {
                "expr: missing operand\nTry 'expr --help' for more information."
            };
            return sh.fail(text) + 1;
        }
        [one] => one.clone(),
        [word, text] if word == "length" => text.chars().count().to_string(),
        [a, sign, b] if sign == "=" || sign == "==" => u8::from(a == b).to_string(),
        [a, sign, b] if sign == "!=" => u8::from(a != b).to_string(),
        words => {
            let last = words.last().map_or("", String::as_str);
            if matches!(last, "+" | "-" | "*" | "/" | "%") {
                let text = if busybox {
                    "expr: syntax error".to_owned()
                } else {
                    format!("expr: syntax error: missing argument after ‘{last}’")
                };
                return sh.fail(&text) + 1;
            }
            if words.windows(2).any(|pair| matches!(pair, [a, b] if (a == "/" || a == "%") && b == "0")) {
                return sh.fail("expr: division by zero") + 1;
            }
            let plain =
                words.iter().all(|w| w.chars().all(|c| c.is_ascii_digit() || "+-*/%()<>=".contains(c)));
            match if plain { evaluate(&words.join(" "), &|_| 0) } else { None } {
                Some(number) => number.to_string(),
                None => return sh.fail("expr: non-integer argument") + 1,
            }
        }
    };
    sh.say(&value);
    u8::from(value == "0" || value.is_empty())
}

fn factor(sh: &mut Shell, args: &[String]) -> u8 {
    for word in args.iter().skip(1).take(64) {
        let Ok(number) = word.parse::<u64>() else {
            return sh.fail(&format!("factor: ‘{word}’ is not a valid positive integer"));
        };
        let (mut left, mut text, mut by) = (number, format!("{number}:"), 2u64);
        // What has no small factor is said to be prime: nobody checks.
        while left > 1 && by < 65_536 {
            if left % by == 0 {
                text.push_str(&format!(" {by}"));
                left /= by;
            } else {
                by += 1;
            }
        }
        sh.burn(65_536 / 8);
        if left > 1 {
            text.push_str(&format!(" {left}"));
        }
        sh.say(&text);
    }
    0
}

fn shuf(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "ino");
    let mut all: Vec<Vec<u8>> = match options.value('i').and_then(|range| range.split_once('-')) {
        Some((from, to)) => match (from.parse::<u32>(), to.parse::<u32>()) {
            (Ok(from), Ok(to)) if from <= to => {
                (from..=to).take(20_000).map(|n| n.to_string().into_bytes()).collect()
            }
            _ => return sh.fail(&format!("shuf: invalid input range: ‘{from}-{to}’")),
        },
        None => {
            let bytes = match options.rest.first() {
                Some(name) => match open(sh, name) {
                    Ok(bytes) => bytes,
                    Err(error) => return sh.fail(&format!("shuf: {name}: {error}")),
                },
                None => sh.input(),
            };
            lines(&bytes).map(<[u8]>::to_vec).collect()
        }
    };
    sh.burn(all.len() * 16);
    for at in (1..all.len()).rev() {
        let draw = getrandom::u32().unwrap_or(0) as usize % (at + 1);
        all.swap(at, draw);
    }
    let most = options.value('n').and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
    for line in all.into_iter().take(most) {
        sh.out(&line);
        sh.out(b"\n");
    }
    0
}

fn cmp(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "");
    let [one, two] = options.rest.as_slice() else {
        return sh.fail("cmp: missing operand after 'cmp'\ncmp: Try 'cmp --help' for more information.") + 1;
    };
    let (a, b) = match (open(sh, one), open(sh, two)) {
        (Ok(a), Ok(b)) => (a, b),
        (Err(error), _) => return sh.fail(&format!("cmp: {one}: {error}")) + 1,
        (_, Err(error)) => return sh.fail(&format!("cmp: {two}: {error}")) + 1,
    };
    let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let line = a.get(..same).unwrap_or_default().iter().filter(|c| **c == b'\n').count() + 1;
    if a == b {
        return 0;
    }
    if !options.has('s') {
        if same < a.len().min(b.len()) {
            sh.say(&format!("{one} {two} differ: byte {}, line {line}", same + 1));
        } else {
            let short = if a.len() < b.len() { one } else { two };
            let text = if same == 0 {
                format!("cmp: EOF on {short} which is empty")
            } else {
                format!("cmp: EOF on {short} after byte {same}, line {}", line - 1)
            };
            sh.fail(&text);
        }
    }
    1
}

fn diff(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "");
    let [one, two] = options.rest.as_slice() else {
        let after = options.rest.last().cloned().unwrap_or_else(|| tool(args));
        return sh.fail(&format!(
            "diff: missing operand after '{after}'\ndiff: Try 'diff --help' for more information."
        )) + 1;
    };
    let (a, b) = match (open(sh, one), open(sh, two)) {
        (Ok(a), Ok(b)) => (a, b),
        (Err(error), _) => return sh.fail(&format!("diff: {one}: {error}")) + 1,
        (_, Err(error)) => return sh.fail(&format!("diff: {two}: {error}")) + 1,
    };
    if a == b {
        return 0;
    }
    if a.contains(&0) || b.contains(&0) {
        sh.say(&format!("Binary files {one} and {two} differ"));
        return 2;
    }
    if options.has('q') {
        sh.say(&format!("Files {one} and {two} differ"));
        return 1;
    }
    let a: Vec<&[u8]> = lines(&a).take(DIFF_MAX).collect();
    let b: Vec<&[u8]> = lines(&b).take(DIFF_MAX).collect();
    sh.burn(a.len() * b.len());
    for change in changes(&a, &b) {
        let ((a0, a1), (b0, b1)) = change;
        let range = |from: usize, to: usize| {
            if to - from > 1 { format!("{},{to}", from + 1) } else { to.to_string() }
        };
        let verb = match (a1 > a0, b1 > b0) {
            (true, true) => 'c',
            (true, false) => 'd',
            _ => 'a',
        };
        let left = if a1 > a0 { range(a0, a1) } else { a0.to_string() };
        let right = if b1 > b0 { range(b0, b1) } else { b0.to_string() };
        sh.say(&format!("{left}{verb}{right}"));
        for line in a.get(a0..a1).unwrap_or_default() {
            sh.out(&[b"< ", *line, b"\n"].concat());
        }
        if verb == 'c' {
            sh.say("---");
        }
        for line in b.get(b0..b1).unwrap_or_default() {
            sh.out(&[b"> ", *line, b"\n"].concat());
        }
    }
    1
}

type Range = (usize, usize);

/// Where two lists of lines differ, by their longest common subsequence.
fn changes(a: &[&[u8]], b: &[&[u8]]) -> Vec<(Range, Range)> {
    let wide = b.len() + 1;
    let mut length = vec![0u16; (a.len() + 1) * wide];
    let get = |length: &[u16], i: usize, j: usize| length.get(i * wide + j).copied().unwrap_or(0);
    for (i, x) in a.iter().enumerate().rev() {
        for (j, y) in b.iter().enumerate().rev() {
            let value = if x == y {
                get(&length, i + 1, j + 1).saturating_add(1)
            } else {
                get(&length, i + 1, j).max(get(&length, i, j + 1))
            };
            if let Some(cell) = length.get_mut(i * wide + j) {
                *cell = value;
            }
        }
    }
    let (mut i, mut j, mut found) = (0, 0, Vec::new());
    while i < a.len() || j < b.len() {
        let (from_a, from_b) = (i, j);
        while (i < a.len() || j < b.len()) && !(i < a.len() && j < b.len() && a.get(i) == b.get(j)) {
            if j >= b.len() || i < a.len() && get(&length, i + 1, j) >= get(&length, i, j + 1) {
                i += 1;
            } else {
                j += 1;
            }
        }
        if i > from_a || j > from_b {
            found.push(((from_a, i), (from_b, j)));
        }
        i += 1;
        j += 1;
    }
    found
}
