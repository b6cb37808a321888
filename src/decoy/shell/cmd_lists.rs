//! Making and handing on lists: `seq`, `yes`, `xargs`, and their like.

use super::Shell;
use super::cmd_text::{inputs, lines};
use super::commands::{Command, Options};
use super::text::{decode, encode};

/// Most numbers `seq` counts.
const MAX_COUNT: i64 = 20_000;

/// The commands of this file.
pub(super) fn find(name: &str) -> Option<Command> {
    Some(match name {
        "nl" => nl,
        "strings" => strings,
        "seq" => seq,
        "yes" => yes,
        "xargs" => xargs,
        _ => return None,
    })
}

fn nl(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "bw");
    let mut status = 0;
    let texts = inputs(sh, "nl", &options.rest, &mut status);
    for (_, bytes) in texts {
        for (number, line) in lines(&bytes).enumerate() {
            sh.say(&format!("{:>6}\t{}", number + 1, decode(line)));
        }
    }
    status
}

fn strings(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "n");
    let mut status = 0;
    let texts = inputs(sh, "strings", &options.rest, &mut status);
    for (_, bytes) in texts {
        for run in bytes.split(|b| !(0x20..0x7f).contains(b)).filter(|run| run.len() >= 4) {
            sh.out(run);
            sh.out(b"\n");
        }
    }
    status
}

fn seq(sh: &mut Shell, args: &[String]) -> u8 {
    let numbers: Vec<i64> = args.iter().skip(1).filter_map(|a| a.parse().ok()).collect();
    let (first, step, last) = match numbers.as_slice() {
        [last] => (1, 1, *last),
        [first, last] => (*first, 1, *last),
        [first, step, last] => (*first, *step, *last),
        _ => return sh.fail("seq: missing operand\nTry 'seq --help' for more information."),
    };
    if step == 0 {
        return sh.fail("seq: invalid Zero increment value: '0'");
    }
    let (mut at, mut count) = (first, 0);
    while (step > 0 && at <= last || step < 0 && at >= last) && count < MAX_COUNT && !sh.is_stopped() {
        sh.say(&at.to_string());
        count += 1;
        let Some(next) = at.checked_add(step) else { break };
        at = next;
    }
    0
}

fn yes(sh: &mut Shell, args: &[String]) -> u8 {
    let word = if args.len() > 1 { args.get(1..).unwrap_or_default().join(" ") } else { "y".to_owned() };
    let line = encode(&(word + "\n"));
    // As much as a pipe takes: whoever reads it has had enough.
    let times = (32 * 1024 / line.len().max(1)).max(1);
    sh.out(&line.repeat(times));
    0
}

fn xargs(sh: &mut Shell, args: &[String]) -> u8 {
    let mut words = args.iter().skip(1).peekable();
    let mut replace = None;
    let mut each = usize::MAX;
    while let Some(option) = words.next_if(|w| w.starts_with('-')) {
        let (flag, value) = option.split_at(option.char_indices().nth(2).map_or(option.len(), |(at, _)| at));
        let mut value = || if value.is_empty() { words.next().cloned() } else { Some(value.to_owned()) };
        match flag {
            "-I" => replace = value(),
            "-i" => replace = Some("{}".to_owned()),
            "-n" | "-L" => each = value().and_then(|n| n.parse().ok()).unwrap_or(each).max(1),
            "-P" | "-d" | "-s" => {
                value();
            }
            _ => {}
        }
    }
    let command: Vec<String> =
        if words.peek().is_none() { vec!["echo".to_owned()] } else { words.cloned().collect() };
    let input = decode(&sh.input());
    let mut status = 0;
    let program = command.first().map_or("", String::as_str).to_owned();
    if !sh.is_busybox() && sh.find_program(&program).is_none_or(|path| sh.vfs.stat(&path).is_err()) {
        return sh.fail(&format!("xargs: {program}: No such file or directory")) + 126;
    }
    if let Some(mark) = replace.filter(|m| !m.is_empty()) {
        for line in input.lines().take(256) {
            let args: Vec<String> = command.iter().map(|w| w.replace(&mark, line)).collect();
            status = sh.call(&args);
        }
        return status;
    }
    let items: Vec<String> = input.split_whitespace().take(2048).map(str::to_owned).collect();
    for chunk in items.chunks(each.min(items.len().max(1))).take(256) {
        let args = [command.as_slice(), chunk].concat();
        status = sh.call(&args);
        if sh.is_stopped() {
            break;
        }
    }
    status
}
