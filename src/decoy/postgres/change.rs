//! Statements that change tables and what else there is.

use super::ast::{Expr, Parser};
use super::catalog;
use super::engine::{Engine, Outcome};
use super::eval::{Column, Env, eval, kind};
use super::lex::Token;
use super::select::{Rows, no_relation, run};
use super::value::{Type, Value};
use super::wire::Error;

impl Engine<'_> {
    /// The columns that expressions on a table can name.
    fn scope(&self, name: &str, at: usize) -> Result<Vec<Column>, Error> {
        let mut columns = self.relation(None, name).ok_or_else(|| no_relation(None, name, at))?.columns;
        for column in &mut columns {
            name.clone_into(&mut column.alias);
        }
        Ok(columns)
    }

    /// `RETURNING`: the rows that were touched, as it wants them.
    fn returning(
        &mut self,
        parser: &mut Parser<'_>,
        columns: &[Column],
        rows: &[Vec<Value>],
        done: String,
    ) -> Result<Outcome, Error> {
        if !parser.word("returning") {
            parser.end()?;
            return Ok(Outcome::Done(done));
        }
        let list = parser.list()?;
        parser.end()?;
        let mut out = Rows::default();
        for expr in &list {
            match expr {
                Expr::Star(_) => out.columns.extend(columns.iter().cloned()),
                expr => {
                    let env = Env { columns, row: &[], group: None, outer: None };
                    let kind = kind(self, expr, &env)?;
                    let name =
                        if let Expr::Column(_, name, _) = expr { name.clone() } else { "?column?".into() };
                    out.columns.push(Column { alias: String::new(), name, kind, origin: (0, 0) });
                }
            }
        }
        for row in rows {
            let mut made = Vec::new();
            for expr in &list {
                match expr {
                    Expr::Star(_) => made.extend(row.iter().cloned()),
                    expr => made.push(eval(self, expr, &Env { columns, row, group: None, outer: None })?),
                }
            }
            out.rows.push(made);
        }
        let tag = if done.starts_with("INSERT") {
            "INSERT 0"
        } else if done.starts_with('U') {
            "UPDATE"
        } else {
            "DELETE"
        };
        Ok(Outcome::Rows(out, tag))
    }

    pub(super) fn insert(&mut self, parser: &mut Parser<'_>) -> Result<Outcome, Error> {
        parser.at += 1;
        parser.need_word("into")?;
        let (schema, name, at) = parser.qualified()?;
        let columns = match self.relation(schema.as_deref(), &name) {
            Some(rows) => rows.columns,
            None => return Err(no_relation(schema.as_deref(), &name, at)),
        };
        let mut places: Vec<usize> = Vec::new();
        if parser.mark('(') {
            loop {
                let at = parser.position();
                let column = parser.name()?;
                let place = columns.iter().position(|c| c.name == column).ok_or_else(|| {
                    let text = format!("column \"{column}\" of relation \"{name}\" does not exist");
                    Error::new("42703", text, ("parse_target.c", 1075, "checkInsertTargets")).at(at)
                })?;
                places.push(place);
                if !parser.mark(',') || places.len() >= 64 {
                    break;
                }
            }
            parser.need(')')?;
        } else {
            places.extend(0..columns.len());
        }
        let start = parser.position();
        let query = if parser.word("default") {
            parser.need_word("values")?;
            None
        } else {
            Some(parser.select()?)
        };
        let given = match &query {
            Some(query) => run(self, query, None)?,
            None => Rows { columns: Vec::new(), rows: vec![Vec::new()] },
        };
        if given.columns.len() > places.len() {
            let text = "INSERT has more expressions than target columns";
            return Err(Error::new("42601", text, ("analyze.c", 1017, "transformInsertRow")).at(start));
        }
        if parser.word("on") {
            parser.need_word("conflict")?;
            while parser.peek().is_some_and(|t| !t.is("returning")) {
                parser.at += 1;
            }
        }
        let mut added = Vec::new();
        for values in given.rows {
            let mut row = vec![Value::Null; columns.len()];
            for (place, value) in places.iter().zip(values) {
                let (Some(column), Some(slot)) = (columns.get(*place), row.get_mut(*place)) else { continue };
                if column.kind == Type::Int4 && value != Value::Null && value.whole().is_none() {
                    let text = format!(
                        "invalid input syntax for type integer: \"{}\"",
                        value.shown().unwrap_or_default()
                    );
                    return Err(Error::new("22P02", text, ("numutils.c", 232, "pg_strtoint32")).at(start));
                }
                *slot = value;
            }
            self.keep(&name, row.clone());
            added.push(row);
        }
        let done = format!("INSERT 0 {}", added.len());
        self.returning(parser, &columns, &added, done)
    }

    pub(super) fn delete(&mut self, parser: &mut Parser<'_>) -> Result<Outcome, Error> {
        parser.at += 1;
        parser.need_word("from")?;
        let (_, name, at) = parser.qualified()?;
        let columns = self.scope(&name, at)?;
        let filter = if parser.word("where") { Some(parser.expr(0)?) } else { None };
        let rows = self.relation(None, &name).map(|r| r.rows).unwrap_or_default();
        let (mut kept, mut gone) = (Vec::new(), Vec::new());
        for row in rows {
            let env = Env { columns: &columns, row: &row, group: None, outer: None };
            let fits = filter.as_ref().map_or(Ok(true), |f| eval(self, f, &env).map(|v| v.truth()))?;
            if fits { gone.push(row) } else { kept.push(row) }
        }
        if let Some(table) = self.table(&name) {
            table.rows = kept;
        }
        let done = format!("DELETE {}", gone.len());
        self.returning(parser, &columns, &gone, done)
    }

    pub(super) fn update(&mut self, parser: &mut Parser<'_>) -> Result<Outcome, Error> {
        parser.at += 1;
        let (_, name, at) = parser.qualified()?;
        let columns = self.scope(&name, at)?;
        parser.need_word("set")?;
        let mut changes = Vec::new();
        loop {
            let at = parser.position();
            let column = parser.name()?;
            let place = columns.iter().position(|c| c.name == column).ok_or_else(|| {
                let text = format!("column \"{column}\" of relation \"{name}\" does not exist");
                Error::new("42703", text, ("analyze.c", 2572, "transformUpdateTargetList")).at(at)
            })?;
            match parser.peek() {
                Some(Token::Op(op)) if op == "=" => parser.at += 1,
                _ => return Err(parser.wrong()),
            }
            changes.push((place, parser.expr(0)?));
            if !parser.mark(',') || changes.len() >= 64 {
                break;
            }
        }
        let filter = if parser.word("where") { Some(parser.expr(0)?) } else { None };
        let mut rows = self.relation(None, &name).map(|r| r.rows).unwrap_or_default();
        let mut changed = Vec::new();
        for row in &mut rows {
            let before = row.clone();
            let env = Env { columns: &columns, row: &before, group: None, outer: None };
            if !filter.as_ref().map_or(Ok(true), |f| eval(self, f, &env).map(|v| v.truth()))? {
                continue;
            }
            for (place, expr) in &changes {
                let value = eval(self, expr, &env)?;
                if let Some(slot) = row.get_mut(*place) {
                    *slot = value;
                }
            }
            changed.push(row.clone());
        }
        if let Some(table) = self.table(&name) {
            table.rows = rows;
        }
        let done = format!("UPDATE {}", changed.len());
        self.returning(parser, &columns, &changed, done)
    }

    pub(super) fn create(&mut self, parser: &mut Parser<'_>) -> Result<Outcome, Error> {
        parser.at += 1;
        if parser.word("or") {
            parser.need_word("replace")?;
        }
        let _ = ["temp", "temporary", "unlogged", "global", "local", "trusted", "unique", "materialized"]
            .iter()
            .any(|w| parser.word(w));
        let what = parser.peek().and_then(Token::name).map(str::to_owned).ok_or_else(|| parser.wrong())?;
        match what.as_str() {
            "user" | "role" | "group" => self.role(parser, "CREATE ROLE"),
            "table" => self.create_table(parser),
            "database" => {
                parser.at += 1;
                let name = parser.name()?;
                if self.databases.contains(&name) || name == "template0" {
                    let text = format!("database \"{name}\" already exists");
                    return Err(Error::new("42P04", text, ("dbcommands.c", 1241, "createdb")));
                }
                if self.databases.len() < 32 {
                    self.databases.push(name);
                }
                Ok(Outcome::Done("CREATE DATABASE".into()))
            }
            "extension" | "language" => {
                parser.at += 1;
                let lenient = parser.word("if");
                let _ = parser.word("not") && parser.word("exists");
                let name = parser.name()?;
                self.extension(&name, lenient, &what)
            }
            "function" | "procedure" => self.function(parser),
            "view" | "index" | "schema" | "sequence" | "trigger" | "type" | "domain" | "aggregate"
            | "operator" | "cast" | "server" | "foreign" | "publication" | "subscription" | "policy"
            | "rule" | "tablespace" | "event" | "collation" | "text" => {
                let tag = match what.as_str() {
                    "foreign" => "CREATE FOREIGN TABLE".to_owned(),
                    "event" => "CREATE EVENT TRIGGER".to_owned(),
                    word => format!("CREATE {}", word.to_uppercase()),
                };
                Ok(Outcome::Done(tag))
            }
            _ => Err(parser.wrong()),
        }
    }

    fn extension(&mut self, name: &str, lenient: bool, what: &str) -> Result<Outcome, Error> {
        let tag = format!("CREATE {}", what.to_uppercase());
        if self.extensions.iter().any(|e| e == name) {
            if lenient || what == "language" {
                let text = format!("extension \"{name}\" already exists, skipping");
                let notice = Error::new("42710", text, ("extension.c", 1788, "CreateExtension"));
                self.notices.push(notice.severity("NOTICE"));
                return Ok(Outcome::Done(tag));
            }
            let text = format!("extension \"{name}\" already exists");
            return Err(Error::new("42710", text, ("extension.c", 1795, "CreateExtension")));
        }
        if !catalog::EXTENSIONS.split(' ').any(|e| e == name) {
            let product = self.context.product;
            let folder = match (product.windows, product.tls) {
                (true, _) => format!("C:/Program Files/PostgreSQL/{}/share/extension", product.major),
                (false, true) => format!("/usr/share/postgresql/{}/extension", product.major),
                (false, false) => "/usr/share/pgsql/extension".to_owned(),
            };
            let detail = format!(
                "Could not open extension control file \"{folder}/{name}.control\": No such file or directory."
            );
            let error = Error::new(
                "0A000",
                format!("extension \"{name}\" is not available"),
                ("extension.c", 671, "parse_extension_control_file"),
            );
            return Err(error
                .detail(detail)
                .hint("The extension must first be installed on the system where PostgreSQL is running."));
        }
        if self.extensions.len() < 64 {
            self.extensions.push(name.to_owned());
        }
        Ok(Outcome::Done(tag))
    }

    fn function(&mut self, parser: &mut Parser<'_>) -> Result<Outcome, Error> {
        let rest = parser.tokens.get(parser.at..).unwrap_or_default();
        let language = rest.iter().position(|t| t.0.is("language")).and_then(|at| rest.get(at + 1));
        let language = match language.map(|t| &t.0) {
            Some(Token::Word(word) | Token::Name(word) | Token::Text(word)) => word.to_lowercase(),
            _ => "sql".to_owned(),
        };
        let body =
            rest.iter().position(|t| t.0.is("as")).and_then(|at| rest.get(at + 1)).map(|t| t.0.clone());
        if language == "c" {
            let Some(Token::Text(path)) = body else { return Err(parser.wrong()) };
            return Err(self.library(&path));
        }
        let known = ["sql", "plpgsql", "internal"].contains(&language.as_str());
        if !known && !self.extensions.contains(&language) {
            let text = format!("language \"{language}\" does not exist");
            let hint = "Use CREATE EXTENSION to load the language into the database.";
            let error = Error::new("42704", text, ("functioncmds.c", 1116, "CreateFunction"));
            return Err(if language.starts_with("pl") { error.hint(hint) } else { error });
        }
        Ok(Outcome::Done("CREATE FUNCTION".into()))
    }

    fn create_table(&mut self, parser: &mut Parser<'_>) -> Result<Outcome, Error> {
        parser.at += 1;
        let mut lenient = false;
        if parser.word("if") {
            parser.need_word("not")?;
            parser.need_word("exists")?;
            lenient = true;
        }
        let (_, name, _) = parser.qualified()?;
        let exists = self.tables.iter().any(|t| t.name == name);
        let mut columns = Vec::new();
        let mut rows = Vec::new();
        if parser.word("as") {
            let query = parser.select()?;
            let made = run(self, &query, None)?;
            columns = made.columns.into_iter().map(|c| (c.name, c.kind)).collect();
            rows = made.rows;
        } else {
            parser.need('(')?;
            if !parser.mark(')') {
                self.columns(parser, &mut columns)?;
            }
        }
        if exists {
            if lenient {
                let text = format!("relation \"{name}\" already exists, skipping");
                let notice = Error::new("42P07", text, ("parse_utilcmd.c", 207, "transformCreateStmt"));
                self.notices.push(notice.severity("NOTICE"));
                return Ok(Outcome::Done("CREATE TABLE".into()));
            }
            let text = format!("relation \"{name}\" already exists");
            return Err(Error::new("42P07", text, ("heap.c", 1454, "heap_create_with_catalog")));
        }
        let tag = if rows.is_empty() { "CREATE TABLE".to_owned() } else { format!("SELECT {}", rows.len()) };
        self.add_table(&name, columns, rows);
        Ok(Outcome::Done(tag))
    }

    fn columns(&mut self, parser: &mut Parser<'_>, columns: &mut Vec<(String, Type)>) -> Result<(), Error> {
        loop {
            let word = parser.peek().and_then(Token::name).ok_or_else(|| parser.wrong())?;
            let constraint =
                ["primary", "unique", "constraint", "foreign", "check", "exclude", "like"].contains(&word);
            if !constraint {
                let name = parser.name()?;
                let at = parser.position();
                let kind = parser.type_name()?;
                const KNOWN: &[&str] = &[
                    "text",
                    "varchar",
                    "character",
                    "char",
                    "json",
                    "jsonb",
                    "uuid",
                    "date",
                    "time",
                    "interval",
                    "xml",
                    "regclass",
                    "bpchar",
                    "cstring",
                    "point",
                    "money",
                ];
                if Type::named(&kind) == Type::Text && !KNOWN.contains(&kind.as_str()) {
                    let text = format!("type \"{kind}\" does not exist");
                    return Err(Error::new("42704", text, ("parse_type.c", 270, "typenameType")).at(at));
                }
                if columns.len() < 64 {
                    columns.push((name, Type::named(&kind)));
                }
            }
            let mut depth = 0u32;
            loop {
                match parser.peek() {
                    None => return Err(parser.wrong()),
                    Some(Token::Mark('(')) => depth = depth.saturating_add(1),
                    Some(Token::Mark(')')) if depth == 0 => {
                        parser.at += 1;
                        return Ok(());
                    }
                    Some(Token::Mark(')')) => depth -= 1,
                    Some(Token::Mark(',')) if depth == 0 => break,
                    Some(_) => {}
                }
                parser.at += 1;
            }
            parser.at += 1;
        }
    }

    pub(super) fn alter_table(&mut self, parser: &mut Parser<'_>) -> Result<Outcome, Error> {
        parser.at += 1;
        let _ = parser.word("if") && parser.word("exists");
        let (_, name, at) = parser.qualified()?;
        if self.relation(None, &name).is_none() {
            let error = no_relation(None, &name, at);
            return Err(Error::new(
                "42P01",
                error.text.clone(),
                ("namespace.c", 433, "RangeVarGetRelidExtended"),
            ));
        }
        if parser.word("add") {
            parser.word("column");
            let column = parser.name()?;
            let kind = Type::named(&parser.type_name()?);
            if let Some(table) = self.table(&name).filter(|t| t.columns.len() < 64) {
                table.columns.push((column, kind));
                for row in &mut table.rows {
                    row.push(Value::Null);
                }
            }
        }
        Ok(Outcome::Done("ALTER TABLE".into()))
    }

    pub(super) fn drop(&mut self, parser: &mut Parser<'_>) -> Result<Outcome, Error> {
        parser.at += 1;
        let what = parser.peek().and_then(Token::name).map(str::to_owned).ok_or_else(|| parser.wrong())?;
        parser.at += 1;
        let lenient = parser.word("if");
        if lenient {
            parser.need_word("exists")?;
        }
        let tag = match what.as_str() {
            "user" | "group" => "DROP ROLE".to_owned(),
            "owned" => return Ok(Outcome::Done("DROP OWNED".into())),
            word => format!("DROP {}", word.to_uppercase()),
        };
        loop {
            let (_, name, _) = parser.qualified()?;
            let known = match what.as_str() {
                "table" => {
                    let before = self.tables.len();
                    self.tables.retain(|t| t.name != name);
                    self.tables.len() < before
                }
                "database" => {
                    let before = self.databases.len();
                    if name == self.context.database {
                        let text = "cannot drop the currently open database";
                        return Err(Error::new("55006", text, ("dbcommands.c", 1574, "dropdb")));
                    }
                    self.databases.retain(|d| *d != name);
                    self.databases.len() < before
                }
                "user" | "role" | "group" => {
                    if name == self.context.user {
                        let text = "current user cannot be dropped";
                        return Err(Error::new("55006", text, ("user.c", 968, "DropRole")));
                    }
                    let before = self.roles.len();
                    self.roles.retain(|r| r.name != name);
                    self.roles.len() < before
                }
                "extension" => {
                    let before = self.extensions.len();
                    self.extensions.retain(|e| *e != name);
                    self.extensions.len() < before
                }
                "function" | "view" | "index" | "schema" | "sequence" | "trigger" | "type" | "aggregate"
                | "language" | "server" | "foreign" | "event" | "tablespace" | "policy" => false,
                _ => {
                    parser.at = 1;
                    return Err(parser.wrong());
                }
            };
            if !known {
                self.missing(&what, &name, lenient)?;
            }
            if !parser.mark(',') {
                return Ok(Outcome::Done(tag));
            }
        }
    }

    /// What dropping something that does not exist comes to.
    fn missing(&mut self, what: &str, name: &str, lenient: bool) -> Result<(), Error> {
        let (code, word, place) = match what {
            "database" => ("3D000", "database", ("dbcommands.c", 1548, "dropdb")),
            "user" | "role" | "group" => ("42704", "role", ("user.c", 951, "DropRole")),
            "function" => ("42883", "function", ("parse_func.c", 2164, "LookupFuncNameInternal")),
            "table" | "view" | "index" | "sequence" => {
                ("42P01", what, ("tablecmds.c", 1331, "DropErrorMsgNonExistent"))
            }
            "schema" => ("3F000", "schema", ("dropcmds.c", 532, "does_not_exist_skipping")),
            other => ("42704", other, ("objectaddress.c", 1027, "get_object_address")),
        };
        if lenient {
            let shown = if what == "function" { format!("{name}()") } else { format!("\"{name}\"") };
            let text = format!("{word} {shown} does not exist, skipping");
            let notice = Error::new("00000", text, ("tablecmds.c", 1338, "DropErrorMsgNonExistent"));
            self.notices.push(notice.severity("NOTICE"));
            return Ok(());
        }
        let text = if what == "function" {
            format!("could not find a function named \"{name}\"")
        } else {
            format!("{word} \"{name}\" does not exist")
        };
        Err(Error::new(code, text, place))
    }
}
