//! File name patterns.

/// Longest text or pattern that is compared; longer ones never match.
const MAX: usize = 4096;

/// Whether `text` as a whole matches `pattern` (`*`, `?`, `[…]`, backslash). Takes time in proportion
/// to the product of both lengths at worst.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    if pattern.len() > MAX || text.len() > MAX {
        return false;
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p + 1, t));
            p += 1;
            continue;
        }
        if let Some(next) = text.get(t).and_then(|c| one(&pattern, p, *c)) {
            p = next;
            t += 1;
            continue;
        }
        let Some((after, from)) = star else { return false };
        star = Some((after, from + 1));
        (p, t) = (after, from + 1);
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|c| *c == '*'))
}

/// Matches one character at `p`; where the pattern goes on.
fn one(pattern: &[char], p: usize, c: char) -> Option<usize> {
    match pattern.get(p)? {
        '?' => Some(p + 1),
        '\\' => (pattern.get(p + 1) == Some(&c)).then_some(p + 2),
        '[' => {
            let negate = matches!(pattern.get(p + 1), Some('!' | '^'));
            let start = p + 1 + usize::from(negate);
            let length = pattern.get(start + 1..)?.iter().position(|c| *c == ']')? + 1;
            let set = pattern.get(start..start + length)?;
            let mut found = false;
            let mut at = 0;
            while let Some(low) = set.get(at) {
                if set.get(at + 1) == Some(&'-') && at + 2 < set.len() {
                    found |= set.get(at + 2).is_some_and(|high| (*low..=*high).contains(&c));
                    at += 3;
                } else {
                    found |= *low == c;
                    at += 1;
                }
            }
            (found != negate).then_some(start + length + 1)
        }
        literal => (*literal == c).then_some(p + 1),
    }
}

/// Puts a backslash before what would mean something in a pattern.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Whether a text has anything of a pattern in it.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_sh() {
        for (pattern, text, expected) in [
            ("*.log", "a.log", true),
            ("*.log", "a.txt", false),
            ("a?c", "abc", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("*a*b*", "xxaxxbxx", true),
            ("[", "[", false),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        assert!(!matches(&"*a".repeat(1000), &"b".repeat(4000)));
        assert!(!matches(&("*a".repeat(1000) + "c"), &"a".repeat(4000)));
    }
}
