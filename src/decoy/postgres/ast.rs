//! Queries as trees. What is not understood is a syntax error at the place where it stops making sense.

use super::lex::{Spanned, Token, syntax};
use super::value::{Type, Value};
use super::wire::Error;

/// Deepest nesting.
const DEPTH_MAX: u32 = 40;
/// Most items of a list.
pub(super) const ITEMS_MAX: usize = 1600;

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
pub(super) const RESERVED: &[&str] = &[
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

    pub(super) fn second(&self) -> Option<&'a Token> {
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

    pub(super) fn op(&mut self, op: &str) -> bool {
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

    pub(super) fn deeper<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
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
        if !empty {
            self.items(&mut select.items)?;
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

    fn items(&mut self, items: &mut Vec<Item>) -> Result<(), Error> {
        loop {
            let expr = self.expr(0)?;
            let alias = self.alias()?;
            items.push(Item { expr, alias });
            if !self.mark(',') || items.len() >= ITEMS_MAX {
                return Ok(());
            }
        }
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
