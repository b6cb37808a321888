//! Values of awk: texts that are numbers where they are used as such.

use crate::decoy::shell::pattern::Pattern;

pub(super) fn matches(text: &str, pattern: &str) -> bool {
    Pattern::new(pattern, false, true, false).find(text).is_some()
}

pub(super) fn flag(yes: bool) -> String {
    if yes { "1" } else { "0" }.to_owned()
}

pub(super) fn truth(value: &str) -> bool {
    match value.trim().parse::<f64>() {
        Ok(number) => number != 0.0,
        Err(_) => !value.is_empty(),
    }
}

/// The number a text begins with.
pub(super) fn numeric(text: &str) -> f64 {
    let text = text.trim_start();
    let end = text
        .char_indices()
        .find(|(at, c)| !(c.is_ascii_digit() || *c == '.' || *at == 0 && matches!(c, '-' | '+')))
        .map_or(text.len(), |(at, _)| at);
    text.get(..end).and_then(|t| t.parse().ok()).unwrap_or(0.0)
}

/// A number as awk prints it.
pub(super) fn shown(number: f64) -> String {
    if number == number.trunc() && number.abs() < 1e15 {
        return format!("{number:.0}").replace("-0", if number == 0.0 { "0" } else { "-0" });
    }
    // `%.6g`.
    let digits = 5i32.saturating_sub(number.abs().log10().floor() as i32).clamp(0, 17);
    let text = format!("{number:.0$}", usize::try_from(digits).unwrap_or(6));
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

pub(super) fn operate(sign: &str, left: &str, right: &str) -> String {
    let (a, b) = (numeric(left), numeric(right));
    let both = left.trim().parse::<f64>().is_ok() && right.trim().parse::<f64>().is_ok();
    let order = if both { a.partial_cmp(&b) } else { Some(left.cmp(right)) };
    match sign {
        "+" => shown(a + b),
        "-" => shown(a - b),
        "*" => shown(a * b),
        "/" if b != 0.0 => shown(a / b),
        "%" if b != 0.0 => shown(a % b),
        "&&" => flag(truth(left) && truth(right)),
        "||" => flag(truth(left) || truth(right)),
        "~" => flag(matches(left, right)),
        "!~" => flag(!matches(left, right)),
        "==" => flag(order.is_some_and(std::cmp::Ordering::is_eq)),
        "!=" => flag(order.is_none_or(std::cmp::Ordering::is_ne)),
        "<" => flag(order.is_some_and(std::cmp::Ordering::is_lt)),
        ">" => flag(order.is_some_and(std::cmp::Ordering::is_gt)),
        "<=" => flag(order.is_some_and(std::cmp::Ordering::is_le)),
        ">=" => flag(order.is_some_and(std::cmp::Ordering::is_ge)),
        _ => "0".to_owned(),
    }
}

/// `printf` with `%s`, `%d`, `%f`, `%c`, `%x`, widths and precisions.
pub(super) fn printf(format: &str, args: &[String]) -> String {
    let mut args = args.iter();
    let mut out = String::new();
    let mut rest = format.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut flags = String::new();
        while let Some(c) = rest.next_if(|c| c.is_ascii_digit() || "-+ 0.".contains(*c)) {
            flags.push(c);
        }
        let (width, precision) = flags.trim_start_matches(['-', '+', ' ']).split_once('.').map_or_else(
            || (flags.trim_start_matches(['-', '+', ' ']).parse().ok(), None),
            |(w, p)| (w.parse::<usize>().ok(), p.parse::<usize>().ok()),
        );
        let mut arg = || args.next().map_or("", String::as_str);
        let text = match rest.next() {
            Some('%') => "%".to_owned(),
            Some('d' | 'i') => format!("{:.0}", numeric(arg()).trunc()),
            Some('f') => format!("{:.*}", precision.unwrap_or(6).min(20), numeric(arg())),
            Some('x') => format!("{:x}", numeric(arg()).trunc() as i64),
            Some('c') => arg().chars().take(1).collect(),
            Some('s') => arg().chars().take(precision.unwrap_or(usize::MAX)).collect(),
            _ => return out,
        };
        let pad = width.unwrap_or(0).min(1024).saturating_sub(text.chars().count());
        let zero = flags.starts_with('0');
        let fill = if zero { "0" } else { " " }.repeat(pad);
        if flags.contains('-') { out.push_str(&(text + &fill)) } else { out.push_str(&(fill + &text)) }
    }
    out
}
