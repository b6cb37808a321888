//! Expressions read.

use super::ast::{Expr, ITEMS_MAX, Parser, RESERVED};
use super::lex::Token;
use super::value::{Type, Value};
use super::wire::Error;

impl Parser<'_> {
    /// Expressions with commas between.
    pub(super) fn list(&mut self) -> Result<Vec<Expr>, Error> {
        let mut list = vec![self.expr(0)?];
        while self.mark(',') {
            if list.len() >= ITEMS_MAX {
                return Err(self.wrong());
            }
            list.push(self.expr(0)?);
        }
        Ok(list)
    }

    /// An expression whose operators bind tighter than `least`.
    pub(super) fn expr(&mut self, least: u8) -> Result<Expr, Error> {
        self.deeper(|parser| {
            let start = parser.position();
            let mut left = parser.prefix()?;
            while let Some(next) = parser.infix(&mut left, least, start)? {
                left = next;
            }
            Ok(left)
        })
    }

    /// Goes on with an operator after `left`, if it binds tighter than `least`.
    fn infix(&mut self, left: &mut Expr, least: u8, start: usize) -> Result<Option<Expr>, Error> {
        let at = self.position();
        let take = |left: &mut Expr| Box::new(std::mem::replace(left, Expr::Star(None)));
        let Some(token) = self.peek() else { return Ok(None) };
        let binary = |parser: &mut Self, left: &mut Expr, op: &str, power: u8| {
            parser.at += 1;
            let right = parser.expr(power)?;
            Ok(Some(Expr::Binary(op.to_owned(), take(left), Box::new(right), at)))
        };
        match token {
            Token::Op(op) => {
                let power = match op.as_str() {
                    "::" => 13,
                    "=" | "<" | ">" | "<=" | ">=" | "<>" | "!=" => 5,
                    "+" | "-" => 8,
                    "*" | "/" | "%" => 9,
                    "^" => 10,
                    _ => 7,
                };
                if power <= least {
                    return Ok(None);
                }
                if op == "::" {
                    self.at += 1;
                    let kind = self.type_name()?;
                    return Ok(Some(Expr::Cast(take(left), kind, start)));
                }
                binary(self, left, op, power)
            }
            Token::Mark('[') if least < 12 => {
                self.at += 1;
                self.expr(0)?;
                self.need(']')?;
                Ok(Some(std::mem::replace(left, Expr::Star(None))))
            }
            Token::Word(word) => match word.as_str() {
                "or" if least < 1 => binary(self, left, "or", 1),
                "and" if least < 2 => binary(self, left, "and", 2),
                "is" if least < 4 => {
                    self.at += 1;
                    let not = self.word("not");
                    let what = ["null", "true", "false", "unknown"].into_iter().find(|w| self.word(w));
                    let what = what.ok_or_else(|| self.wrong())?;
                    Ok(Some(Expr::Is(take(left), what, not)))
                }
                "isnull" | "notnull" if least < 4 => {
                    self.at += 1;
                    Ok(Some(Expr::Is(take(left), "null", word == "notnull")))
                }
                "collate" => {
                    self.at += 1;
                    self.qualified()?;
                    Ok(Some(std::mem::replace(left, Expr::Star(None))))
                }
                "operator" if least < 7 => {
                    self.at += 1;
                    self.need('(')?;
                    if self.peek().and_then(Token::name).is_some() {
                        self.name()?;
                        self.need('.')?;
                    }
                    let Some(Token::Op(op)) = self.peek() else { return Err(self.wrong()) };
                    let op = op.clone();
                    self.at += 1;
                    self.need(')')?;
                    let right = self.expr(7)?;
                    Ok(Some(Expr::Binary(op, take(left), Box::new(right), at)))
                }
                "not" | "like" | "ilike" | "in" | "between" | "similar" if least < 6 => {
                    self.membership(left, least)
                }
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    fn membership(&mut self, left: &mut Expr, _least: u8) -> Result<Option<Expr>, Error> {
        let at = self.position();
        let not = self.word("not");
        let value = Box::new(std::mem::replace(left, Expr::Star(None)));
        let wrap = |expr: Expr| if not { Expr::Not(Box::new(expr)) } else { expr };
        if self.word("in") {
            self.need('(')?;
            if self.peek().is_some_and(|t| t.is("select") || t.is("values") || t.is("with")) {
                let inner = self.select()?;
                self.need(')')?;
                return Ok(Some(Expr::InSelect(value, Box::new(inner), not)));
            }
            let list = self.list()?;
            self.need(')')?;
            return Ok(Some(Expr::In(value, list, not)));
        }
        if self.word("between") {
            let low = self.expr(6)?;
            self.need_word("and")?;
            let high = self.expr(6)?;
            let below = Expr::Binary(">=".into(), value.clone(), Box::new(low), at);
            let above = Expr::Binary("<=".into(), value, Box::new(high), at);
            return Ok(Some(wrap(Expr::Binary("and".into(), Box::new(below), Box::new(above), at))));
        }
        let op = if self.word("ilike") { "~~*" } else { "~~" };
        if op == "~~" && !self.word("like") {
            self.need_word("similar")?;
            self.need_word("to")?;
        }
        let right = self.expr(6)?;
        if self.word("escape") {
            self.expr(6)?;
        }
        Ok(Some(wrap(Expr::Binary(op.into(), value, Box::new(right), at))))
    }

    fn prefix(&mut self) -> Result<Expr, Error> {
        let at = self.position();
        let Some(token) = self.peek() else { return Err(self.wrong()) };
        match token {
            Token::Number(number) => {
                self.at += 1;
                Ok(match number.parse::<i64>() {
                    Ok(n) => Expr::Value(
                        Value::Int(n),
                        if i32::try_from(n).is_ok() { Type::Int4 } else { Type::Int8 },
                    ),
                    Err(_) => Expr::Value(Value::Text(number.clone()), Type::Numeric),
                })
            }
            Token::Text(text) => {
                self.at += 1;
                Ok(Expr::Value(Value::Text(text.clone()), Type::Text))
            }
            Token::Param(number) => {
                self.at += 1;
                Ok(Expr::Param(*number))
            }
            Token::Op(op) => match op.as_str() {
                "-" => {
                    self.at += 1;
                    Ok(Expr::Negative(Box::new(self.expr(10)?)))
                }
                "+" => {
                    self.at += 1;
                    self.expr(10)
                }
                "*" => {
                    self.at += 1;
                    Ok(Expr::Star(None))
                }
                _ => Err(self.wrong()),
            },
            Token::Mark('(') => {
                self.at += 1;
                if self.peek().is_some_and(|t| t.is("select") || t.is("values") || t.is("with")) {
                    let inner = self.select()?;
                    self.need(')')?;
                    return Ok(Expr::Scalar(Box::new(inner)));
                }
                let inner = self.expr(0)?;
                if self.mark(',') {
                    self.list()?;
                }
                self.need(')')?;
                // A field of a row: `(f()).*`.
                if self.mark('.') {
                    self.at += 1;
                }
                Ok(inner)
            }
            Token::Mark(_) => Err(self.wrong()),
            Token::Name(_) => self.reference(at),
            Token::Word(word) => self.word_prefix(word, at),
        }
    }

    fn word_prefix(&mut self, word: &str, at: usize) -> Result<Expr, Error> {
        let next_is = |mark: char| self.second() == Some(&Token::Mark(mark));
        let (call, bracket) = (next_is('('), next_is('['));
        match word {
            "null" => self.literal(Value::Null, Type::Text),
            "true" => self.literal(Value::Bool(true), Type::Bool),
            "false" => self.literal(Value::Bool(false), Type::Bool),
            "not" => {
                self.at += 1;
                Ok(Expr::Not(Box::new(self.expr(3)?)))
            }
            "case" => self.case(),
            "exists" if call => {
                self.at += 2;
                let inner = self.select()?;
                self.need(')')?;
                Ok(Expr::Exists(Box::new(inner)))
            }
            "array" if call => {
                self.at += 2;
                let inner = self.select()?;
                self.need(')')?;
                Ok(Expr::ArraySelect(Box::new(inner)))
            }
            "array" if bracket => {
                self.at += 2;
                let list = if self.peek() == Some(&Token::Mark(']')) { Vec::new() } else { self.list()? };
                self.need(']')?;
                Ok(Expr::Array(list))
            }
            "cast" if call => {
                self.at += 2;
                let at = self.position();
                let inner = self.expr(0)?;
                self.need_word("as")?;
                let kind = self.type_name()?;
                self.need(')')?;
                Ok(Expr::Cast(Box::new(inner), kind, at))
            }
            "current_user" | "session_user" | "user" | "current_role" | "current_catalog"
            | "current_timestamp" | "current_date" | "localtimestamp" | "current_time"
                if !call =>
            {
                self.at += 1;
                Ok(Expr::Call(word.to_owned(), Vec::new(), at))
            }
            // A type before a string: `interval '1 day'`.
            _ if matches!(self.second(), Some(Token::Text(_))) => {
                let kind = self.type_name()?;
                let inner = self.prefix()?;
                Ok(Expr::Cast(Box::new(inner), kind, at))
            }
            _ if RESERVED.contains(&word) => Err(self.wrong()),
            _ => self.reference(at),
        }
    }

    fn literal(&mut self, value: Value, kind: Type) -> Result<Expr, Error> {
        self.at += 1;
        Ok(Expr::Value(value, kind))
    }

    fn case(&mut self) -> Result<Expr, Error> {
        self.at += 1;
        let operand =
            if self.peek().is_some_and(|t| t.is("when")) { None } else { Some(Box::new(self.expr(0)?)) };
        let mut arms = Vec::new();
        while self.word("when") {
            let when = self.expr(0)?;
            self.need_word("then")?;
            arms.push((when, self.expr(0)?));
            if arms.len() > 256 {
                return Err(self.wrong());
            }
        }
        let other = if self.word("else") { Some(Box::new(self.expr(0)?)) } else { None };
        self.need_word("end")?;
        Ok(Expr::Case(operand, arms, other))
    }

    /// A column, `table.*`, or a call.
    fn reference(&mut self, at: usize) -> Result<Expr, Error> {
        let mut first = self.name()?;
        let mut table = None;
        while self.mark('.') {
            if self.op("*") {
                return Ok(Expr::Star(Some(first)));
            }
            table = Some(std::mem::replace(&mut first, self.name()?));
        }
        if !self.mark('(') {
            return Ok(Expr::Column(table, first, at));
        }
        let mut args = Vec::new();
        self.word("distinct");
        if !self.mark(')') {
            loop {
                args.push(self.expr(0)?);
                // `substring(a from 1 for 2)`, `position(a in b)` and the like.
                if self.mark(',') || self.word("from") || self.word("for") {
                    continue;
                }
                break;
            }
            if self.word("order") {
                self.need_word("by")?;
                self.list()?;
            }
            self.need(')')?;
        }
        if self.word("over") {
            self.need('(')?;
            while !self.mark(')') {
                if self.peek().is_none() {
                    return Err(self.wrong());
                }
                self.at += 1;
            }
        }
        Ok(Expr::Call(first, args, at))
    }

    /// The name of a type, without what it is bounded by.
    pub(super) fn type_name(&mut self) -> Result<String, Error> {
        let (_, name, _) = self.qualified()?;
        if name == "double" {
            self.word("precision");
        }
        if name == "character" {
            self.word("varying");
        }
        if self.mark('(') {
            while !self.mark(')') {
                if self.peek().is_none() {
                    return Err(self.wrong());
                }
                self.at += 1;
            }
        }
        if self.word("with") || self.word("without") {
            self.need_word("time")?;
            self.need_word("zone")?;
        }
        while self.mark('[') {
            if matches!(self.peek(), Some(Token::Number(_))) {
                self.at += 1;
            }
            self.need(']')?;
        }
        Ok(name)
    }
}
