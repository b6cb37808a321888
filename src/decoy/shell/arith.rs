//! `$((…))`: whole numbers, wrapping.

/// Deepest nesting of parentheses and signs.
const MAX_DEPTH: usize = 32;

/// Works an expression out; `variable` gives a name's value. None where it is no expression.
pub(super) fn evaluate(source: &str, variable: &dyn Fn(&str) -> i64) -> Option<i64> {
    let mut evaluator = Evaluator { chars: source.chars().collect(), at: 0, depth: 0, variable };
    if evaluator.peek().is_none() {
        return Some(0);
    }
    let value = evaluator.level(0)?;
    evaluator.peek().is_none().then_some(value)
}

struct Evaluator<'a> {
    chars: Vec<char>,
    at: usize,
    depth: usize,
    variable: &'a dyn Fn(&str) -> i64,
}

/// Operators, weakest first; longer ones before their beginnings.
const LEVELS: [&[&str]; 8] = [
    &["||"],
    &["&&"],
    &["==", "!="],
    &["<=", ">=", "<", ">"],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
    &[],
];

impl Evaluator<'_> {
    fn peek(&mut self) -> Option<char> {
        while self.chars.get(self.at).is_some_and(char::is_ascii_whitespace) {
            self.at += 1;
        }
        self.chars.get(self.at).copied()
    }

    fn operator(&mut self, level: usize) -> Option<&'static str> {
        self.peek();
        let here = self.chars.get(self.at..)?;
        let found = LEVELS
            .get(level)?
            .iter()
            .find(|op| op.chars().enumerate().all(|(i, c)| here.get(i) == Some(&c)))?;
        // `<` is not the beginning of `<<`.
        if found.len() == 1 && matches!(*found, "<" | ">") && here.get(1) == here.first() {
            return None;
        }
        self.at += found.len();
        Some(found)
    }

    fn level(&mut self, level: usize) -> Option<i64> {
        if level >= LEVELS.len() - 1 {
            return self.unary();
        }
        let mut left = self.level(level + 1)?;
        while let Some(operator) = self.operator(level) {
            let right = self.level(level + 1)?;
            left = match operator {
                "||" => i64::from(left != 0 || right != 0),
                "&&" => i64::from(left != 0 && right != 0),
                "==" => i64::from(left == right),
                "!=" => i64::from(left != right),
                "<=" => i64::from(left <= right),
                ">=" => i64::from(left >= right),
                "<" => i64::from(left < right),
                ">" => i64::from(left > right),
                "<<" => left.wrapping_shl(u32::try_from(right & 63).unwrap_or(0)),
                ">>" => left.wrapping_shr(u32::try_from(right & 63).unwrap_or(0)),
                "+" => left.wrapping_add(right),
                "-" => left.wrapping_sub(right),
                "*" => left.wrapping_mul(right),
                "/" => left.checked_div(right)?,
                _ => left.checked_rem(right)?,
            };
        }
        Some(left)
    }

    fn unary(&mut self) -> Option<i64> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let value = match self.peek()? {
            '-' => {
                self.at += 1;
                self.unary()?.wrapping_neg()
            }
            '+' => {
                self.at += 1;
                self.unary()?
            }
            '!' => {
                self.at += 1;
                i64::from(self.unary()? == 0)
            }
            '(' => {
                self.at += 1;
                let value = self.level(0)?;
                if self.peek()? != ')' {
                    return None;
                }
                self.at += 1;
                value
            }
            c if c.is_ascii_digit() => self.number()?,
            c if c.is_ascii_alphabetic() || c == '_' || c == '$' => {
                let name: String = self.run(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$');
                (self.variable)(name.trim_start_matches('$'))
            }
            _ => return None,
        };
        self.depth -= 1;
        Some(value)
    }

    fn number(&mut self) -> Option<i64> {
        let text = self.run(|c| c.is_ascii_alphanumeric());
        match text.strip_prefix("0x") {
            Some(hex) => i64::from_str_radix(hex, 16).ok(),
            None if text.len() > 1 && text.starts_with('0') => i64::from_str_radix(&text, 8).ok(),
            None => text.parse().ok(),
        }
    }

    fn run(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let text: String = self.chars.iter().skip(self.at).take_while(|c| belongs(**c)).collect();
        self.at += text.chars().count();
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_come_out_right() {
        for (source, expected) in [
            ("1+2*3", Some(7)),
            ("(1+2)*3", Some(9)),
            ("x*2", Some(10)),
            ("$x % 3", Some(2)),
            ("1 << 4 > 15", Some(1)),
            ("0x10 - 010", Some(8)),
            ("-3 + !0", Some(-2)),
            ("1/0", None),
            ("1 +", None),
            ("", Some(0)),
            ("9223372036854775807+1", Some(i64::MIN)),
        ] {
            assert_eq!(evaluate(source, &|_| 5), expected, "{source}");
        }
        assert_eq!(evaluate(&"(".repeat(5000), &|_| 0), None);
    }
}
