//! `echo` and `printf`.

use super::Shell;
use super::text::{byte, encode};

/// Most rounds `printf` goes over its format.
const MAX_ROUNDS: usize = 1024;
/// Widest field.
const MAX_WIDTH: usize = 4096;

/// Backslash escapes as `echo -e` knows them; whether `\c` ended it.
pub(super) fn unescape(text: &str) -> (Vec<u8>, bool) {
    let bytes = encode(text);
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.as_slice();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        let Some((kind, tail)) = rest.split_first() else {
            out.push(b'\\');
            break;
        };
        rest = tail;
        let digits = |rest: &[u8], max: usize, radix: u32| {
            rest.iter().take(max).take_while(|b| char::from(**b).is_digit(radix)).count()
        };
        let (count, radix) = match kind {
            b'x' => (digits(rest, 2, 16), 16),
            b'0' => (digits(rest, 3, 8), 8),
            b'1'..=b'7' => (digits(rest, 2, 8), 8),
            _ => (0, 0),
        };
        match kind {
            b'a' => out.push(7),
            b'b' => out.push(8),
            b'c' => return (out, true),
            b'e' | b'E' => out.push(0x1b),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'v' => out.push(11),
            b'\\' => out.push(b'\\'),
            b'x' if count == 0 => out.extend(b"\\x"),
            b'x' | b'0'..=b'7' => {
                let (number, tail) = rest.split_at(count);
                rest = tail;
                let lead = if (b'1'..=b'7').contains(kind) { u32::from(kind - b'0') } else { 0 };
                let value =
                    number.iter().fold(lead, |v, b| v * radix + char::from(*b).to_digit(radix).unwrap_or(0));
                out.push(u8::try_from(value & 0xff).unwrap_or(0));
            }
            other => out.extend([b'\\', *other]),
        }
    }
    (out, false)
}

/// `echo`.
pub(super) fn echo(sh: &mut Shell, args: &[String]) -> u8 {
    let (mut newline, mut escapes) = (true, false);
    let mut words = args.get(1..).unwrap_or_default();
    // dash interprets escapes by itself and knows only -n.
    let dash = sh.is_dash();
    while let Some((first, rest)) = words.split_first() {
        let Some(flags) = first.strip_prefix('-') else { break };
        let known =
            if dash { flags == "n" } else { !flags.is_empty() && flags.chars().all(|c| "neE".contains(c)) };
        if !known {
            break;
        }
        for flag in flags.chars() {
            match flag {
                'n' => newline = false,
                'e' => escapes = true,
                _ => escapes = false,
            }
        }
        words = rest;
    }
    let text = words.join(" ");
    if escapes || dash {
        let (bytes, ended) = unescape(&text);
        sh.out(&bytes);
        newline &= !ended;
    } else {
        sh.out(&encode(&text));
    }
    if newline {
        sh.out(b"\n");
    }
    0
}

/// `printf`.
pub(super) fn printf(sh: &mut Shell, args: &[String]) -> u8 {
    let Some(format) = args.get(1) else {
        sh.fail("printf: usage: printf [-v var] format [arguments]");
        return 2;
    };
    let mut words = args.get(2..).unwrap_or_default().iter();
    for _ in 0..MAX_ROUNDS {
        let before = words.len();
        let (bytes, ended) = round(format, &mut words);
        sh.out(&bytes);
        if ended || words.len() == 0 || words.len() == before || sh.is_stopped() {
            break;
        }
    }
    0
}

fn round(format: &str, words: &mut std::slice::Iter<'_, String>) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    let mut plain = String::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            plain.push(c);
            continue;
        }
        let (bytes, ended) = unescape(&std::mem::take(&mut plain));
        out.extend(bytes);
        if ended {
            return (out, true);
        }
        let mut spec = String::new();
        while let Some(flag) = chars.next_if(|c| "-+ 0#.123456789".contains(*c)) {
            if spec.len() < 16 {
                spec.push(flag);
            }
        }
        let kind = chars.next().unwrap_or('%');
        if kind == '%' {
            out.push(b'%');
            continue;
        }
        let word = words.next().map_or("", String::as_str);
        let number = || match word.strip_prefix("0x") {
            Some(hex) => i64::from_str_radix(hex, 16).unwrap_or(0),
            None => word.parse::<i64>().unwrap_or(0),
        };
        let body: Vec<u8> = match kind {
            'd' | 'i' => number().to_string().into_bytes(),
            'u' => number().unsigned_abs().to_string().into_bytes(),
            'x' => format!("{:x}", number()).into_bytes(),
            'X' => format!("{:X}", number()).into_bytes(),
            'o' => format!("{:o}", number()).into_bytes(),
            'c' => word.chars().next().map(|c| encode(&c.to_string())).unwrap_or_default(),
            'b' => unescape(word).0,
            'f' => format!("{:.6}", word.parse::<f64>().unwrap_or(0.0)).into_bytes(),
            _ => encode(word),
        };
        out.extend(pad(body, &spec, matches!(kind, 's' | 'b')));
    }
    let (bytes, ended) = unescape(&plain);
    out.extend(bytes);
    (out, ended)
}

fn pad(mut body: Vec<u8>, spec: &str, text: bool) -> Vec<u8> {
    let left = spec.starts_with('-');
    let zero = spec.starts_with('0') && !text;
    let (width, precision) = spec.trim_start_matches(['-', '+', ' ', '0', '#']).split_once('.').map_or_else(
        || (spec.trim_start_matches(['-', '+', ' ', '0', '#']), None),
        |(width, precision)| (width, precision.parse::<usize>().ok()),
    );
    if let Some(max) = precision.filter(|_| text) {
        body.truncate(max);
    }
    let missing = width.parse::<usize>().unwrap_or(0).min(MAX_WIDTH).saturating_sub(body.len());
    let fill = vec![if zero { b'0' } else { b' ' }; missing];
    if left { [body, fill].concat() } else { [fill, body].concat() }
}

/// Text whose every byte is one character, for commands that cut by bytes.
pub(super) fn bytes_as_chars(bytes: &[u8]) -> String {
    bytes.iter().map(|b| byte(*b)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_give_bytes() {
        assert_eq!(unescape("\\x41\\x7fELF\\0101\\n\\q\\"), (b"A\x7fELFA\n\\q\\".to_vec(), false));
        assert_eq!(unescape("a\\cb"), (b"a".to_vec(), true));
        assert_eq!(unescape("\\xff\\377"), (vec![255, 255], false));
    }
}
