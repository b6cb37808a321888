//! SHOW and the tables that describe the rest.

use super::result::{Column, Error, Outcome};
use super::schema::Table;
use super::sql::Sql;
use super::text::{Token, like};
use super::variables;

fn cell(text: impl Into<String>) -> Option<String> {
    Some(text.into())
}

/// What follows LIKE.
fn pattern(rest: &[Token]) -> Option<&str> {
    let at = rest.iter().position(|t| t.is("like"))?;
    rest.get(at + 1)?.value()
}

fn pairs(names: [&str; 2], list: Vec<(String, String)>, rest: &[Token]) -> Outcome {
    let wanted = pattern(rest);
    // WHERE Variable_name = '…' and IN (…) name their variables.
    let named: Vec<&str> = match wanted {
        None if rest.iter().any(|t| t.is("where")) => rest.iter().filter_map(Token::value).collect(),
        _ => Vec::new(),
    };
    let keep = |name: &str| match wanted {
        Some(pattern) => like(pattern, name),
        None => named.is_empty() || named.iter().any(|n| like(n, name)),
    };
    Outcome::table(
        &names,
        list.into_iter()
            .filter(|(name, _)| keep(name))
            .map(|(name, value)| vec![cell(name), cell(value)])
            .collect(),
    )
}

/// Answers SHOW; `from` is the statement from a token on.
pub(super) fn run(sql: &Sql<'_>, rest: &[Token], from: &dyn Fn(usize) -> String) -> Result<Outcome, Error> {
    let skipped = ["full", "global", "session", "extended", "local"];
    let full = rest.first().is_some_and(|t| t.is("full"));
    let tail = if rest.first().is_some_and(|t| skipped.iter().any(|w| t.is(w))) { &rest[1..] } else { rest };
    let what = tail.first().and_then(Token::name).unwrap_or_default().to_lowercase();
    let args = tail.get(1..).unwrap_or_default();
    Ok(match what.as_str() {
        "databases" | "schemas" => {
            let wanted = pattern(args).unwrap_or("%");
            let rows = sql.databases.iter().filter(|d| like(wanted, &d.name)).map(|d| vec![cell(&d.name)]);
            Outcome::table(&["Database"], rows.collect())
        }
        "tables" => tables(sql, args, full)?,
        "variables" => {
            let mut all = variables::all(&sql.host());
            for (name, value) in &mut all {
                if let Some(changed) = sql.changed.get(name) {
                    changed.clone_into(value);
                }
            }
            pairs(["Variable_name", "Value"], all, args)
        }
        "status" => pairs(["Variable_name", "Value"], (sql.context.status)().rows(), args),
        "columns" | "fields" => columns(sql, args.get(1..).unwrap_or_default(), full)?,
        "create" => create(sql, args)?,
        "grants" => {
            let user = &sql.context.user;
            let (name, text) = if sql.product().maria() {
                let hash = &sql.context.hash;
                let by =
                    if hash.is_empty() { String::new() } else { format!(" IDENTIFIED BY PASSWORD '{hash}'") };
                let text = format!("GRANT ALL PRIVILEGES ON *.* TO `{user}`@`%`{by} WITH GRANT OPTION");
                (format!("Grants for {user}@%"), text)
            } else {
                (
                    format!("Grants for {user}@%"),
                    format!("GRANT ALL PRIVILEGES ON *.* TO `{user}`@`%` WITH GRANT OPTION"),
                )
            };
            Outcome::table(&[name.as_str()], vec![vec![cell(text)]])
        }
        "processlist" => {
            let names = ["Id", "User", "Host", "db", "Command", "Time", "State", "Info"];
            let names =
                if sql.product().maria() { [&names[..], &["Progress"]].concat() } else { names.to_vec() };
            let mut row = vec![
                cell(sql.connection().to_string()),
                cell(&sql.context.user),
                cell(format!("{}:{}", sql.context.peer, 32_768 + sql.connection() % 28_000)),
                sql.current(),
                cell("Query"),
                cell("0"),
                cell(if sql.product().maria() { "starting" } else { "init" }),
                cell(if full { "SHOW FULL PROCESSLIST" } else { "SHOW PROCESSLIST" }),
            ];
            if sql.product().maria() {
                row.push(cell("0.000"));
            }
            Outcome::table(&names, vec![row])
        }
        "warnings" | "errors" => {
            let row = |e: &Error| vec![cell("Error"), cell(e.code.to_string()), cell(&e.text)];
            Outcome::table(&["Level", "Code", "Message"], sql.last.iter().map(row).collect())
        }
        "engines" | "storage" => {
            let names = ["Engine", "Support", "Comment", "Transactions", "XA", "Savepoints"];
            let rows = [
                [
                    "InnoDB",
                    "DEFAULT",
                    "Supports transactions, row-level locking, and foreign keys",
                    "YES",
                    "YES",
                    "YES",
                ],
                ["MyISAM", "YES", "MyISAM storage engine", "NO", "NO", "NO"],
                [
                    "MEMORY",
                    "YES",
                    "Hash based, stored in memory, useful for temporary tables",
                    "NO",
                    "NO",
                    "NO",
                ],
                ["CSV", "YES", "CSV storage engine", "NO", "NO", "NO"],
            ];
            Outcome::table(&names, rows.iter().map(|r| r.iter().map(|c| cell(*c)).collect()).collect())
        }
        "plugins" => Outcome::table(
            &["Name", "Status", "Type", "Library", "License"],
            vec![vec![
                cell(sql.product().plugin()),
                cell("ACTIVE"),
                cell("AUTHENTICATION"),
                None,
                cell("GPL"),
            ]],
        ),
        "character" | "charset" => Outcome::table(
            &["Charset", "Description", "Default collation", "Maxlen"],
            vec![vec![
                cell("utf8mb4"),
                cell("UTF-8 Unicode"),
                variables::get(&sql.host(), "collation_server"),
                cell("4"),
            ]],
        ),
        "table" | "triggers" | "events" | "procedure" | "function" | "open" | "index" | "indexes"
        | "keys" | "master" | "slave" | "replica" | "binary" | "collation" | "privileges" | "profiles" => {
            Outcome::table(&["Name"], Vec::new())
        }
        _ => return Err(sql.syntax(&from(0))),
    })
}

fn tables(sql: &Sql<'_>, args: &[Token], full: bool) -> Result<Outcome, Error> {
    let named = match args {
        [word, name, ..] if word.is("from") || word.is("in") => name.name().map(ToOwned::to_owned),
        _ => None,
    };
    let Some(database) = named.or_else(|| sql.current()) else {
        return Err(Error { code: 1046, state: "3D000", text: "No database selected".into() });
    };
    let Some(found) = sql.find(&database) else {
        return Err(Error { code: 1049, state: "42000", text: format!("Unknown database '{database}'") });
    };
    let wanted = pattern(args);
    let shown =
        wanted.map_or_else(|| format!("Tables_in_{database}"), |p| format!("Tables_in_{database} ({p})"));
    let rows = found.tables.iter().filter(|t| wanted.is_none_or(|p| like(p, &t.name))).map(|table| {
        let mut row = vec![cell(&table.name)];
        if full {
            row.push(cell("BASE TABLE"));
        }
        row
    });
    let names: &[&str] = if full { &[&shown, "Table_type"] } else { &[&shown] };
    Ok(Outcome::table(names, rows.collect()))
}

/// SHOW COLUMNS and DESCRIBE.
pub(super) fn columns(sql: &Sql<'_>, rest: &[Token], full: bool) -> Result<Outcome, Error> {
    let mut tail = rest;
    let (mut database, name) = sql.table_name(&mut tail)?;
    if let [word, other, ..] = tail
        && (word.is("from") || word.is("in"))
    {
        other.name().unwrap_or_default().clone_into(&mut database);
    }
    let table = sql.table(&database, &name)?;
    let shown = table.shown(&database);
    let rows = table.columns.iter().zip(&shown).map(|((name, kind), column)| {
        let key = if column.primary { "PRI" } else { "" };
        let null = if column.primary { "NO" } else { "YES" };
        let extra = if column.primary { "auto_increment" } else { "" };
        if full {
            let grants = "select,insert,update,references";
            vec![
                cell(name),
                cell(*kind),
                None,
                cell(null),
                cell(key),
                None,
                cell(extra),
                cell(grants),
                cell(""),
            ]
        } else {
            vec![cell(name), cell(*kind), cell(null), cell(key), None, cell(extra)]
        }
    });
    let short = ["Field", "Type", "Null", "Key", "Default", "Extra"];
    let long = ["Field", "Type", "Collation", "Null", "Key", "Default", "Extra", "Privileges", "Comment"];
    Ok(Outcome::table(if full { &long[..] } else { &short[..] }, rows.collect()))
}

fn create(sql: &Sql<'_>, args: &[Token]) -> Result<Outcome, Error> {
    let Some((kind, mut tail)) = args.split_first() else { return Err(sql.syntax("")) };
    if kind.is("database") || kind.is("schema") {
        let name = tail.first().and_then(Token::name).unwrap_or_default();
        if sql.find(name).is_none() {
            return Err(Error { code: 1049, state: "42000", text: format!("Unknown database '{name}'") });
        }
        let text = format!("CREATE DATABASE `{name}` /*!40100 DEFAULT CHARACTER SET utf8mb4 */");
        return Ok(Outcome::table(&["Database", "Create Database"], vec![vec![cell(name), cell(text)]]));
    }
    if !kind.is("table") {
        return Err(sql.syntax(kind.name().unwrap_or_default()));
    }
    let (database, name) = sql.table_name(&mut tail)?;
    let table = sql.table(&database, &name)?;
    let mut lines: Vec<String> = Vec::new();
    for (column, shown) in table.columns.iter().zip(table.shown(&database)) {
        let rest = if shown.primary { "NOT NULL AUTO_INCREMENT" } else { "DEFAULT NULL" };
        lines.push(format!("  `{}` {} {rest}", column.0, column.1));
    }
    if table.shown(&database).first().is_some_and(|c| c.primary) {
        lines.push(format!(
            "  PRIMARY KEY (`{}`)",
            table.columns.first().map(|c| c.0.as_str()).unwrap_or_default()
        ));
    }
    let text =
        format!("CREATE TABLE `{name}` (\n{}\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4", lines.join(",\n"));
    Ok(Outcome::table(&["Table", "Create Table"], vec![vec![cell(name), cell(text)]]))
}

/// Tables made up from the session: `information_schema` and `mysql.user`.
pub(super) fn virtual_table(sql: &Sql<'_>, database: &str, name: &str) -> Option<Table> {
    let build = |columns: &[&str], rows: Vec<Vec<Option<String>>>| Table {
        name: name.to_owned(),
        columns: columns.iter().map(|c| ((*c).to_owned(), "varchar(255)")).collect(),
        rows,
    };
    match (database.to_lowercase().as_str(), name.to_lowercase().as_str()) {
        ("information_schema", "schemata") => Some(build(
            &[
                "CATALOG_NAME",
                "SCHEMA_NAME",
                "DEFAULT_CHARACTER_SET_NAME",
                "DEFAULT_COLLATION_NAME",
                "SQL_PATH",
            ],
            sql.databases
                .iter()
                .map(|d| vec![cell("def"), cell(&d.name), cell("utf8mb4"), cell("utf8mb4_general_ci"), None])
                .collect(),
        )),
        ("information_schema", "tables") => {
            let mut rows = Vec::new();
            for database in &sql.databases {
                for table in &database.tables {
                    let count = cell(table.rows.len().to_string());
                    let kind = cell("BASE TABLE");
                    rows.push(vec![
                        cell("def"),
                        cell(&database.name),
                        cell(&table.name),
                        kind,
                        cell("InnoDB"),
                        count,
                    ]);
                }
            }
            Some(build(
                &["TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME", "TABLE_TYPE", "ENGINE", "TABLE_ROWS"],
                rows,
            ))
        }
        ("information_schema", "columns") => {
            let mut rows = Vec::new();
            for database in &sql.databases {
                for table in &database.tables {
                    for ((column, kind), shown) in table.columns.iter().zip(table.shown(&database.name)) {
                        let plain = kind.split('(').next().unwrap_or_default();
                        let extra = if shown.primary { "auto_increment" } else { "" };
                        let texts = ["def", &database.name, &table.name, column, plain, kind, extra];
                        rows.push(texts.into_iter().map(cell).chain([None]).collect());
                    }
                }
            }
            let names = [
                "TABLE_CATALOG",
                "TABLE_SCHEMA",
                "TABLE_NAME",
                "COLUMN_NAME",
                "DATA_TYPE",
                "COLUMN_TYPE",
                "EXTRA",
                "GENERATION_EXPRESSION",
            ];
            Some(build(&names, rows))
        }
        // They exist and are empty; whatever column is asked for, there is no row to show it.
        (
            "information_schema",
            "files"
            | "events"
            | "routines"
            | "triggers"
            | "views"
            | "partitions"
            | "key_column_usage"
            | "referential_constraints"
            | "table_constraints"
            | "statistics",
        ) => Some(build(&[], Vec::new())),
        ("mysql", "user") => {
            let plugin = sql.product().plugin();
            let maria = sql.product().maria();
            let row = |host: &str, user: &str, rights: &str, hash: &str| {
                let mut row = vec![cell(host), cell(user)];
                if maria {
                    row.push(cell(hash));
                }
                row.extend(std::iter::repeat_n(cell(rights), 6));
                row.extend([cell(plugin), cell(hash)]);
                row
            };
            let mut names = vec!["Host", "User"];
            if maria {
                names.push("Password");
            }
            names.extend([
                "Select_priv",
                "Insert_priv",
                "Create_priv",
                "File_priv",
                "Grant_priv",
                "Super_priv",
            ]);
            names.extend(["plugin", "authentication_string"]);
            let own = if maria { ["mariadb.sys", "mysql"] } else { ["mysql.session", "mysql.sys"] };
            let locked = "$A$005$THISISACOMBINATIONOFINVALIDSALTANDPASSWORDTHATMUSTNEVERBRBEUSED";
            let rows = vec![
                row("localhost", own[0], "N", if maria { "" } else { locked }),
                row("localhost", "root", "Y", if maria { "invalid" } else { "" }),
                row(
                    "localhost",
                    own[1],
                    if maria { "Y" } else { "N" },
                    if maria { "invalid" } else { locked },
                ),
                row("%", &sql.context.user, "Y", &sql.context.hash),
            ];
            Some(build(&names, rows))
        }
        ("mysql", "func") => Some(build(&["name", "ret", "dl", "type"], Vec::new())),
        _ => None,
    }
}

/// COM_FIELD_LIST: the columns of a table of the current database.
pub(super) fn field_list(sql: &Sql<'_>, name: &str) -> Result<Vec<Column>, Error> {
    let database = sql.current().ok_or_else(|| Error {
        code: 1046,
        state: "3D000",
        text: "No database selected".into(),
    })?;
    Ok(sql.table(&database, name)?.shown(&database))
}

/// The rows of an outcome.
#[cfg(test)]
pub(super) fn rows_of(outcome: &Outcome) -> Vec<Vec<Option<String>>> {
    match outcome {
        Outcome::Rows(rows) => rows.rows.clone(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::mysql::product::Product;
    use crate::decoy::mysql::schema;
    use crate::decoy::mysql::sql::Context;
    use crate::decoy::mysql::variables::Status;
    use crate::decoy::testing;
    use crate::model::Settings;
    use proptest::prelude::*;

    fn with<T>(work: impl FnOnce(&mut Sql<'_>) -> T) -> T {
        let persona = testing::persona(&[]);
        let product = Product::new(&persona, &Settings::new());
        let status = || Status { uptime: 1000, questions: 20, threads: 1 };
        let context = Context {
            product: &product,
            hostname: "files02",
            user: "app".into(),
            hash: String::new(),
            peer: "127.0.0.1".into(),
            connection: 26,
            status: &status,
        };
        let mut databases = schema::build(&persona.seed, persona.born);
        databases.iter_mut().filter(|d| d.tables.len() == 3).for_each(|d| d.name = "appdb".into());
        work(&mut Sql::new(context, databases))
    }

    fn told(outcome: &Outcome) -> String {
        match outcome {
            Outcome::Done { affected, .. } => format!("ok {affected}"),
            Outcome::Error(e) => format!("{} {} {}", e.code, e.state, e.text),
            Outcome::Rows(rows) => {
                let cells = rows.rows.iter().flatten().map(|c| c.clone().unwrap_or("NULL".into()));
                format!(
                    "{}: {}",
                    rows.columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>().join(","),
                    cells.collect::<Vec<_>>().join(",")
                )
            }
        }
    }

    /// Answers of a genuine MariaDB 10.11.19 to the same statements in the same order.
    #[test]
    fn statements_are_answered_as_measured() {
        const SYNTAX: &str = "1064 42000 You have an error in your SQL syntax; check the manual that corresponds to your \
                              MariaDB server version for the right syntax to use near";
        with(|sql| {
            for (statement, want) in [
                ("select 1", "1: 1".to_owned()),
                ("select @@version_comment limit 1", "@@version_comment: Debian 12".into()),
                ("select 'a','b'", "a,b: a,b".into()),
                ("select 1+1", "1+1: 2".into()),
                ("select null", "NULL: NULL".into()),
                ("show tables", "1046 3D000 No database selected".into()),
                ("select nofunc()", "1305 42000 FUNCTION nofunc does not exist".into()),
                ("use nodb", "1049 42000 Unknown database 'nodb'".into()),
                ("use appdb", "ok 0".into()),
                ("show tables", "Tables_in_appdb: orders,settings,users".into()),
                ("select * from nouser", "1146 42S02 Table 'appdb.nouser' doesn't exist".into()),
                ("foo", format!("{SYNTAX} 'foo' at line 1")),
                ("show warnings", format!("Level,Code,Message: Error,1064,{} 'foo' at line 1", &SYNTAX[11..])),
                ("select", format!("{SYNTAX} '' at line 1")),
                ("show foo", format!("{SYNTAX} 'foo' at line 1")),
                ("", "1065 42000 Query was empty".into()),
                ("set names utf8", "ok 0".into()),
                ("set foo=1", "1193 HY000 Unknown system variable 'foo'".into()),
                ("select user(),database()", "user(),database(): app@127.0.0.1,appdb".into()),
                ("select load_file('/etc/passwd')", "load_file('/etc/passwd'): NULL".into()),
                (
                    "select 1 into outfile '/tmp/x'",
                    "1290 HY000 The MariaDB server is running with the --secure-file-priv option so it cannot execute \
                     this statement"
                        .into(),
                ),
                ("select @@nosuch", "1193 HY000 Unknown system variable 'nosuch'".into()),
                ("select foo", "1054 42S22 Unknown column 'foo' in 'SELECT'".into()),
                ("select id, nocol from users", "1054 42S22 Unknown column 'nocol' in 'SELECT'".into()),
                ("select version() as v, 1 b", "v,b: 10.11.19-MariaDB-0+deb12u1,1".into()),
                ("drop database nodb", "1008 HY000 Can't drop database 'nodb'; database doesn't exist".into()),
                ("drop table zz", "1051 42S02 Unknown table 'appdb.zz'".into()),
                ("create table users(id int)", "1050 42S01 Table 'users' already exists".into()),
                ("insert into users values(1)", "1136 21S01 Column count doesn't match value count at row 1".into()),
                ("select sys_eval('id')", "1305 42000 FUNCTION appdb.sys_eval does not exist".into()),
                ("kill 9999", "1094 HY000 Unknown thread id: 9999".into()),
                ("call foo()", "1305 42000 PROCEDURE appdb.foo does not exist".into()),
                ("show variables like 'port'", "Variable_name,Value: port,3306".into()),
                ("select count(*) from settings", "count(*): 5".into()),
                ("select value from settings where name='maintenance' limit 1", "value: 0".into()),
                ("select table_name from information_schema.tables where table_schema='appdb'", "TABLE_NAME: orders,settings,users".into()),
                ("create database README", "ok 1".into()),
                ("create table README.note (msg text)", "ok 0".into()),
                ("insert into README.note values ('pay 0.1 BTC')", "ok 1".into()),
                ("select * from README.note", "msg: pay 0.1 BTC".into()),
                ("drop database appdb", "ok 3".into()),
                ("select database()", "database(): NULL".into()),
            ] {
                assert_eq!(told(&sql.run(statement)), want, "{statement}");
            }
            sql.run("select sleep(3)");
            assert!((sql.sleep - 3.0).abs() < 0.01);
            assert!(!rows_of(&sql.run("show databases")).is_empty());
        });
    }

    #[test]
    fn what_intruders_try_beyond_single_questions() {
        let shown = |sql: &mut Sql<'_>, statement: &str| match sql.run(statement) {
            Outcome::Rows(rows) => {
                let text = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "NULL".to_owned());
                rows.rows
                    .iter()
                    .map(|r| r.iter().map(text).collect::<Vec<_>>().join("|"))
                    .collect::<Vec<_>>()
                    .join(";")
            }
            Outcome::Error(error) => format!("{} {}", error.code, error.text),
            Outcome::Done { .. } => "ok".to_owned(),
        };
        with(|sql| {
            for (statement, answer) in [
                ("SELECT 1 UNION SELECT 2", "1;2"),
                ("SELECT 1 UNION SELECT 1", "1"),
                ("SELECT 1,'a' UNION ALL SELECT 1,@@version_compile_os", "1|a;1|debian-linux-gnu"),
                (
                    "SELECT 1 UNION SELECT 1,2",
                    "1222 The used SELECT statements have a different number of columns",
                ),
                ("SELECT 'a' 'b', MD5('a')", "ab|0cc175b9c0f1b6a831c399e269772661"),
                ("SET @a = 'x', @b = 1+1", "ok"),
                ("SELECT @a, @B, @c", "x|2|NULL"),
                ("SET GLOBAL general_log = 'ON'", "ok"),
                ("SELECT @@general_log", "1"),
                ("SHOW VARIABLES LIKE 'general_log'", "general_log|ON"),
                (
                    "SET GLOBAL general_log_file = '/var/www/html/s.php'",
                    "1231 Variable 'general_log_file' can't be set to the value of '/var/www/html/s.php'",
                ),
                ("SELECT * FROM mysql.func", ""),
                ("DROP FUNCTION sys_exec", "1305 FUNCTION (UDF) sys_exec does not exist"),
                ("SELECT extractvalue(1,concat(0x7e,user()))", "1105 XPATH syntax error: '~app@127.0.0.1'"),
                ("SELECT substring('secret',2,3)", "ecr"),
                (
                    "INSTALL PLUGIN x SONAME 'x.so'",
                    "1126 Can't open shared library '/usr/lib/mysql/plugin/x.so' (errno: 2, cannot open shared object file: No such file or directory)",
                ),
            ] {
                assert_eq!(shown(sql, statement), answer, "{statement}");
            }
        });
    }

    proptest! {
        #[test]
        fn any_statement_is_answered(
            verb in "select|show|insert into|create table|drop|use|set|delete from|update|desc|alter table|load|",
            rest in "[ a-z0-9@'\"`(),.;=*%_/-]{0,60}|(users|where|id|=|1|'a'|,|values|\\(|\\)|tables|from|like|into|limit| ){0,20}",
            any: String,
        ) {
            with(|sql| {
                sql.run("use appdb");
                sql.run(&format!("{verb} {rest}"));
                sql.run(&any);
                sql.run(&format!("{verb} {any}"));
            });
        }
    }
}
