//! Queries as trees. What is not understood is a syntax error at the place where it stops making sense.

use super::lex::{Spanned, Token, syntax};
use super::value::{Type, Value};
use super::wire::Error;

/// Deepest nesting.
const DEPTH_MAX: u32 = 40;
/// Most items of a list.
const ITEMS_MAX: usize = 1600;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    Value(Value, Type),
    Column(Option<String>, String, usize),
    Star(Option<String>),
    Call(String, Vec<Expr>, usize),
    Binary(String, Box<Expr>, Box<Expr>, usize),
    Not(Box<Expr>),
    Negative(Box<Expr>),
    /// What is asked (`null`, `true`, `false`), and whether the opposite is.
    Is(Box<Expr>, &'static str, bool),
    Case(Option<Box<Expr>>, Vec<(Expr, Expr)>, Option<Box<Expr>>),
    Cast(Box<Expr>, String, usize),
    In(Box<Expr>, Vec<Expr>, bool),
    InSelect(Box<Expr>, Box<Select>, bool),
    Array(Vec<Expr>),
    ArraySelect(Box<Select>),
    Scalar(Box<Select>),
    Exists(Box<Select>),
    Param(usize),
}

/// An item of a select list.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    pub(super) expr: Expr,
    pub(super) alias: Option<String>,
}

/// What rows come from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum From {
    /// Schema, name, position.
    Table(Option<String>, String, usize),
    Call(Expr),
    Select(Box<Select>),
}

/// A source of rows, and how it is joined to those before.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Source {
    pub(super) from: From,
    pub(super) alias: Option<String>,
    pub(super) names: Vec<String>,
    /// Rows without a match stay.
    pub(super) left: bool,
    pub(super) on: Option<Expr>,
}

/// A query.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Select {
    pub(super) with: Vec<(String, Select)>,
    pub(super) distinct: bool,
    pub(super) items: Vec<Item>,
    pub(super) values: Vec<Vec<Expr>>,
    pub(super) from: Vec<Source>,
    pub(super) filter: Option<Expr>,
    pub(super) group: Vec<Expr>,
    pub(super) order: Vec<(Expr, bool)>,
    pub(super) limit: Option<Expr>,
    pub(super) offset: Option<Expr>,
    /// A query whose rows follow, and whether all of them do.
    pub(super) union: Option<(Box<Select>, bool)>,
}

/// Words that end an expression or a source, so that they are no alias.
const RESERVED: &[&str] = &[
    "from",
    "where",
    "group",
    "order",
    "limit",
    "offset",
    "union",
    "having",
    "on",
    "join",
    "left",
    "right",
    "inner",
    "cross",
    "full",
    "natural",
    "as",
    "and",
    "or",
    "not",
    "in",
    "is",
    "like",
    "ilike",
    "between",
    "then",
    "else",
    "end",
    "when",
    "using",
    "returning",
    "fetch",
    "for",
    "except",
    "intersect",
    "collate",
    "asc",
    "desc",
    "into",
    "window",
    "select",
    "set",
    "values",
    "with",
    "similar",
    "limit",
    "case",
    "operator",
    "isnull",
    "notnull",
];

/// A parser.
pub(super) struct Parser<'a> {
    pub(super) source: &'a str,
    pub(super) tokens: &'a [Spanned],
    pub(super) at: usize,
    depth: u32,
}

impl<'a> Parser<'a> {
    /// At the start of a statement.
    pub(super) fn new(source: &'a str, tokens: &'a [Spanned]) -> Self {
        Self { source, tokens, at: 0, depth: 0 }
    }

    pub(super) fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at).map(|t| &t.0)
    }

    fn second(&self) -> Option<&'a Token> {
        self.tokens.get(self.at + 1).map(|t| &t.0)
    }

    /// Where the next piece is.
    pub(super) fn position(&self) -> usize {
        let byte = self.tokens.get(self.at).map_or(self.source.len(), |t| t.1);
        self.source.get(..byte).map_or(0, |s| s.chars().count())
    }

    /// The error that the next piece is.
    pub(super) fn wrong(&self) -> Error {
        match self.tokens.get(self.at) {
            Some((_, from, to)) => syntax(self.source, *from, *to),
            None => {
                let end = self.tokens.last().map_or(self.source.len(), |t| t.2);
                // A statement that others follow ends at its semicolon.
                let more = self.source.get(end..).is_some_and(|rest| rest.trim_start().starts_with(';'));
                if more {
                    syntax(self.source, end, end + 1)
                } else {
                    syntax(self.source, self.source.len(), self.source.len())
                }
            }
        }
    }

    /// Takes a word if it is the next piece.
    pub(super) fn word(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|t| t.is(word));
        self.at += usize::from(found);
        found
    }

    pub(super) fn mark(&mut self, mark: char) -> bool {
        let found = self.peek() == Some(&Token::Mark(mark));
        self.at += usize::from(found);
        found
    }

    fn op(&mut self, op: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Op(o)) if o == op);
        self.at += usize::from(found);
        found
    }

    pub(super) fn need_word(&mut self, word: &str) -> Result<(), Error> {
        if self.word(word) { Ok(()) } else { Err(self.wrong()) }
    }

    pub(super) fn need(&mut self, mark: char) -> Result<(), Error> {
        if self.mark(mark) { Ok(()) } else { Err(self.wrong()) }
    }

    /// A name.
    pub(super) fn name(&mut self) -> Result<String, Error> {
        let name = self.peek().and_then(Token::name).ok_or_else(|| self.wrong())?.to_owned();
        self.at += 1;
        Ok(name)
    }

    /// `name` or `schema.name`.
    pub(super) fn qualified(&mut self) -> Result<(Option<String>, String, usize), Error> {
        let at = self.position();
        let first = self.name()?;
        if self.mark('.') { Ok((Some(first), self.name()?, at)) } else { Ok((None, first, at)) }
    }

    /// Nothing may follow.
    pub(super) fn end(&self) -> Result<(), Error> {
        if self.peek().is_none() { Ok(()) } else { Err(self.wrong()) }
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let hint = "Increase the configuration parameter \"max_stack_depth\" (currently 2048kB), after ensuring the platform's stack depth limit is adequate.";
            return Err(Error::new(
                "54001",
                "stack depth limit exceeded",
                ("postgres.c", 3603, "check_stack_depth"),
            )
            .hint(hint));
        }
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// A query: `SELECT`, `VALUES`, `TABLE`, `WITH`, or one in parentheses.
    pub(super) fn select(&mut self) -> Result<Select, Error> {
        self.deeper(Self::whole_select)
    }

    fn whole_select(&mut self) -> Result<Select, Error> {
        let mut with = Vec::new();
        if self.word("with") {
            self.word("recursive");
            loop {
                let name = self.name()?;
                self.need_word("as")?;
                self.need('(')?;
                with.push((name, self.select()?));
                self.need(')')?;
                if !self.mark(',') || with.len() >= 16 {
                    break;
                }
            }
        }
        let mut select = self.simple_select()?;
        if self.word("union") {
            let all = self.word("all");
            select.union = Some((Box::new(self.deeper(Self::simple_union)?), all));
        }
        select.with = with;
        self.tail(&mut select)?;
        Ok(select)
    }

    fn simple_union(&mut self) -> Result<Select, Error> {
        let mut select = self.simple_select()?;
        if self.word("union") {
            let all = self.word("all");
            select.union = Some((Box::new(self.deeper(Self::simple_union)?), all));
        }
        Ok(select)
    }

    fn simple_select(&mut self) -> Result<Select, Error> {
        if self.mark('(') {
            let inner = self.select()?;
            self.need(')')?;
            return Ok(inner);
        }
        let mut select = Select::default();
        if self.word("values") {
            loop {
                self.need('(')?;
                select.values.push(self.list()?);
                self.need(')')?;
                if !self.mark(',') || select.values.len() >= ITEMS_MAX {
                    return Ok(select);
                }
            }
        }
        if self.word("table") {
            let (schema, name, at) = self.qualified()?;
            select.items.push(Item { expr: Expr::Star(None), alias: None });
            let from = From::Table(schema, name, at);
            select.from.push(Source { from, alias: None, names: Vec::new(), left: false, on: None });
            return Ok(select);
        }
        self.need_word("select")?;
        self.word("all");
        select.distinct = self.word("distinct");
        let empty = self.peek().is_none_or(|t| *t == Token::Mark(')') || t.is("from") || t.is("where"));
        while !empty {
            let expr = self.expr(0)?;
            let alias = self.alias()?;
            select.items.push(Item { expr, alias });
            if !self.mark(',') || select.items.len() >= ITEMS_MAX {
                break;
            }
        }
        if self.word("from") {
            self.sources(&mut select.from)?;
        }
        if self.word("where") {
            select.filter = Some(self.expr(0)?);
        }
        if self.word("group") {
            self.need_word("by")?;
            select.group = self.list()?;
        }
        if self.word("having") {
            self.expr(0)?;
        }
        Ok(select)
    }

    fn tail(&mut self, select: &mut Select) -> Result<(), Error> {
        if self.word("order") {
            self.need_word("by")?;
            loop {
                let expr = self.expr(0)?;
                let down = self.word("desc");
                self.word("asc");
                if self.word("nulls") && !self.word("first") {
                    self.need_word("last")?;
                }
                select.order.push((expr, down));
                if !self.mark(',') || select.order.len() >= 64 {
                    break;
                }
            }
        }
        for _ in 0..2 {
            if self.word("limit") {
                select.limit = if self.word("all") { None } else { Some(self.expr(0)?) };
            }
            if self.word("offset") {
                select.offset = Some(self.expr(0)?);
                let _ = self.word("rows") || self.word("row");
            }
        }
        if self.word("for") {
            let _ = self.word("update") || self.word("share");
        }
        Ok(())
    }

    /// `AS name`, or a name that can be nothing else.
    fn alias(&mut self) -> Result<Option<String>, Error> {
        if self.word("as") {
            return self.name().map(Some);
        }
        match self.peek() {
            Some(Token::Word(word)) if !RESERVED.contains(&word.as_str()) => self.name().map(Some),
            Some(Token::Name(_)) => self.name().map(Some),
            _ => Ok(None),
        }
    }

    fn sources(&mut self, list: &mut Vec<Source>) -> Result<(), Error> {
        list.push(self.source(false)?);
        while list.len() < 16 {
            if self.mark(',') {
                list.push(self.source(false)?);
                continue;
            }
            let cross = self.word("cross");
            let left = self.word("left") || self.word("full") || self.word("right");
            let _ = self.word("inner") || self.word("outer");
            if !self.word("join") {
                if cross || left {
                    return Err(self.wrong());
                }
                break;
            }
            let mut source = self.source(left)?;
            if self.word("on") {
                source.on = Some(self.expr(0)?);
            } else if !cross {
                return Err(self.wrong());
            }
            list.push(source);
        }
        Ok(())
    }

    fn source(&mut self, left: bool) -> Result<Source, Error> {
        self.word("lateral");
        self.word("only");
        let from = if self.mark('(') {
            let inner = self.select()?;
            self.need(')')?;
            From::Select(Box::new(inner))
        } else {
            let before = self.at;
            let (schema, name, at) = self.qualified()?;
            if self.peek() == Some(&Token::Mark('(')) {
                self.at = before;
                From::Call(self.expr(12)?)
            } else {
                From::Table(schema, name, at)
            }
        };
        let alias = self.alias()?;
        let mut names = Vec::new();
        if alias.is_some() && self.mark('(') {
            loop {
                names.push(self.name()?);
                // A type may follow in a column definition list.
                if self.peek().and_then(Token::name).is_some() {
                    self.type_name()?;
                }
                if !self.mark(',') || names.len() >= 64 {
                    break;
                }
            }
            self.need(')')?;
        }
        Ok(Source { from, alias, names, left, on: None })
    }

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
            let mut left = parser.prefix()?;
            while let Some(next) = parser.infix(&mut left, least)? {
                left = next;
            }
            Ok(left)
        })
    }

    /// Goes on with an operator after `left`, if it binds tighter than `least`.
    fn infix(&mut self, left: &mut Expr, least: u8) -> Result<Option<Expr>, Error> {
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
                    return Ok(Some(Expr::Cast(take(left), kind, at)));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::postgres::lex::tokens;
    use proptest::prelude::*;

    fn parse(source: &str) -> Result<Select, Error> {
        let tokens = tokens(source)?;
        let mut parser = Parser::new(source, &tokens);
        let select = parser.select()?;
        parser.end()?;
        Ok(select)
    }

    #[test]
    fn trees_and_errors() {
        let select = parse("SELECT a.b AS c, count(*) FROM t a LEFT JOIN u ON a.x = u.y WHERE NOT a.z IN (1, 2) ORDER BY 1 DESC LIMIT 3").unwrap();
        assert_eq!((select.items.len(), select.from.len(), select.from[1].left), (2, 2, true));
        for (source, text, position) in [
            ("select 1 from", "syntax error at end of input", 13),
            ("select (1", "syntax error at end of input", 9),
            ("select 1 1", "syntax error at or near \"1\"", 9),
            ("select 1 as", "syntax error at end of input", 11),
        ] {
            let error = parse(source).unwrap_err();
            assert_eq!((error.text.as_str(), error.position), (text, Some(position)), "{source}");
        }
        let deep = format!("select {}1{}", "(".repeat(5000), ")".repeat(5000));
        assert_eq!(parse(&deep).unwrap_err().code, "54001");
    }

    proptest! {
        #[test]
        fn any_words_are_read_or_refused(words in proptest::collection::vec(
            "select|from|where|case|when|then|end|in|\\(|\\)|\\[|\\]|,|\\*|::|=|'a'|1|x|order|by|limit|union|all|values|array|not|between|and|with|as|join|left|on|cast|\\.|-", 0..24)) {
            let _ = parse(&format!("select {}", words.join(" ")));
        }
    }
}
