//! Transact-SQL as far as intruders go: who and where am I, what is there, `xp_cmdshell`.

use super::data::Data;
use super::lex::{self, Word};
use super::product::Product;
use super::select;
use super::shell;
use super::token::{Rows, Tokens, Value};
use crate::decoy::ntlm::Host;
use crate::decoy::session::Recorder;
use crate::event::Kind;
use crate::model::Persona;

/// The server's side of one session.
pub(super) struct Sql<'a> {
    pub(super) product: &'a Product,
    pub(super) host: &'a Host,
    pub(super) persona: &'a Persona,
    pub(super) record: &'a Recorder,
    pub(super) data: Data,
    pub(super) user: String,
    pub(super) client: String,
    pub(super) database: String,
    pub(super) process: u16,
    /// Options: name, value, and the value in use.
    options: Vec<(&'static str, i64, i64)>,
}

/// Options that are seen without asking for the advanced ones.
const PLAIN: usize = 4;

/// An error: number, severity and state, text.
pub(super) type Failed = (u32, (u8, u8), String);

impl<'a> Sql<'a> {
    pub(super) fn new(
        product: &'a Product,
        (host, persona, record): (&'a Host, &'a Persona, &'a Recorder),
        user: &str,
        client: &str,
    ) -> Self {
        Self {
            product,
            host,
            persona,
            record,
            data: Data::new(&persona.seed, host, user),
            user: user.to_owned(),
            client: client.to_owned(),
            database: "master".to_owned(),
            process: 51,
            options: [
                ("allow updates", 0),
                ("nested triggers", 1),
                ("remote access", 1),
                ("show advanced options", 0),
                ("clr enabled", 0),
                ("max server memory (MB)", 2_147_483_647),
                ("Ole Automation Procedures", 0),
                ("xp_cmdshell", 0),
            ]
            .map(|(name, value)| (name, value, value))
            .into(),
        }
    }

    /// Runs a batch.
    pub(super) fn batch(&mut self, text: &str, tokens: &mut Tokens<'_>) {
        let words = match lex::words(text) {
            Ok(words) => words,
            Err(rest) => {
                let rest: String = rest.chars().take(120).collect();
                let text = format!("Unclosed quotation mark after the character string '{rest}'.");
                tokens.error(105, (15, 1), &text);
                return tokens.done(false, 0xfd, None, true);
            }
        };
        let statements = lex::statements(words);
        if statements.is_empty() {
            return tokens.done(false, 0xfd, None, false);
        }
        let count = statements.len();
        for (n, statement) in statements.iter().enumerate() {
            let more = n + 1 < count;
            if let Err((number, class, text)) = self.statement(statement, n == 0, more, tokens) {
                tokens.error(number, class, &text);
                // Errors of syntax and of names end the batch.
                let fatal = matches!(number, 102 | 208 | 2812 | 911);
                tokens.done(more && !fatal, 0xfd, None, true);
                if fatal {
                    return;
                }
            }
        }
    }

    fn statement(
        &mut self,
        words: &[Word],
        first: bool,
        more: bool,
        tokens: &mut Tokens<'_>,
    ) -> Result<(), Failed> {
        let Some(head) = words.first() else { return Ok(()) };
        let word = head.text().to_lowercase();
        match word.as_str() {
            "select" => {
                let rows = select::run(self, &words[1..])?;
                tokens.rows(&rows);
                tokens.done(more, 0xc1, Some(rows.rows.len() as u64), false);
            }
            "use" => {
                let name = words.get(1).map(Word::text).unwrap_or_default();
                let Some(known) = self.data.databases.iter().find(|d| d.eq_ignore_ascii_case(&name)).cloned()
                else {
                    let text = format!(
                        "Database '{name}' does not exist. Make sure that the name is entered correctly."
                    );
                    return Err((911, (16, 1), text));
                };
                tokens.change(1, &known, &self.database);
                tokens.info(5701, 1, &format!("Changed database context to '{known}'."));
                self.database = known;
                tokens.done(more, 0xfd, None, false);
            }
            "print" => {
                let text = words.get(1).map(Word::text).unwrap_or_default();
                tokens.info(0, 1, &text);
                tokens.done(more, 0xfd, None, false);
            }
            "exec" | "execute" => self.execute(&words[1..], more, tokens)?,
            "reconfigure" => {
                for option in &mut self.options {
                    option.2 = option.1;
                }
                tokens.done(more, 0xfd, None, false);
            }
            "insert" | "update" | "delete" | "truncate" | "merge" => {
                tokens.done(more, 0xc3, Some(0), false);
            }
            "set" | "declare" | "if" | "begin" | "end" | "while" | "create" | "alter" | "drop" | "grant"
            | "revoke" | "deny" | "backup" | "restore" | "waitfor" | "commit" | "rollback" | "save"
            | "go" | "else" | "with" | "dbcc" | "bulk" | "kill" | "return" | "checkpoint" | "open"
            | "close" => {
                tokens.done(more, 0xfd, None, false);
            }
            "shutdown" => {
                return Err((6004, (10, 1), "User does not have permission to perform this action.".into()));
            }
            _ if first && matches!(head, Word::Name(_)) => self.execute(words, more, tokens)?,
            _ => return Err((102, (15, 1), format!("Incorrect syntax near '{}'.", head.text()))),
        }
        Ok(())
    }

    /// Runs a procedure.
    fn execute(&mut self, mut words: &[Word], more: bool, tokens: &mut Tokens<'_>) -> Result<(), Failed> {
        if let [Word::Name(name), Word::Sign('='), rest @ ..] = words
            && name.starts_with('@')
        {
            words = rest;
        }
        let end = words
            .iter()
            .position(|word| !matches!(word, Word::Name(_) | Word::Sign('.')))
            .unwrap_or(words.len());
        // Names follow one another with points in between; the first that does not is an argument.
        let mut name_end = 0;
        while name_end < end {
            let separated = name_end == 0 || words[name_end].sign('.') || words[name_end - 1].sign('.');
            if !separated {
                break;
            }
            name_end += 1;
        }
        let (name, rest) = words.split_at(name_end);
        let name = name.iter().rev().find(|word| !word.sign('.')).map(Word::text).unwrap_or_default();
        let arguments: Vec<String> = lex::split(rest, ',')
            .into_iter()
            .filter(|part| !part.is_empty())
            .map(|part| {
                let value = part.iter().position(|w| w.sign('=')).map_or(part, |at| &part[at + 1..]);
                value.iter().map(Word::text).collect::<Vec<_>>().concat()
            })
            .collect();
        self.procedure(&name, &arguments, more, tokens)
    }

    /// A procedure with its arguments as texts.
    pub(super) fn procedure(
        &mut self,
        name: &str,
        arguments: &[String],
        more: bool,
        tokens: &mut Tokens<'_>,
    ) -> Result<(), Failed> {
        let argument = |n: usize| arguments.get(n).map(String::as_str).unwrap_or_default();
        let table = |columns: &[&str]| Rows {
            columns: columns.iter().map(|c| (*c).to_owned()).collect(),
            rows: Vec::new(),
        };
        let lower = name.to_lowercase();
        let rows = match lower.as_str() {
            "xp_cmdshell" => return self.shell(argument(0), more, tokens),
            "sp_configure" => return self.configure(arguments, more, tokens),
            "xp_dirtree" | "xp_subdirs" | "xp_fileexist" | "xp_getfiledetails" => {
                self.record
                    .event(Kind::Command, &lower)
                    .outcome(true)
                    .bytes("file.path", argument(0).as_bytes())
                    .emit();
                if lower == "xp_fileexist" {
                    let mut rows = table(&["File Exists", "File is a Directory", "Parent Directory Exists"]);
                    rows.rows.push(vec![Value::Int(0), Value::Int(0), Value::Int(1)]);
                    rows
                } else {
                    table(&["subdirectory", "depth"])
                }
            }
            "xp_regread" | "xp_instance_regread" => table(&["Value", "Data"]),
            "sp_oacreate" | "sp_oamethod" | "sp_oagetproperty" => {
                self.record
                    .event(Kind::Command, &lower)
                    .outcome(false)
                    .text("mssql.argument", argument(0))
                    .emit();
                return Err(blocked("Ole Automation Procedures", &lower));
            }
            "sp_databases" => {
                let mut rows = table(&["DATABASE_NAME", "DATABASE_SIZE", "REMARKS"]);
                rows.rows.extend(self.data.databases.iter().map(|name| {
                    let size = 8192 + self.persona.seed.number(&format!("mssql/size/{name}"), 90_000);
                    vec![Value::Text(name.clone()), Value::Int(i64::try_from(size).unwrap_or(0)), Value::Null]
                }));
                rows
            }
            "sp_linkedservers" => {
                let mut rows = table(&["SRV_NAME", "SRV_PROVIDERNAME", "SRV_PRODUCT"]);
                let server = Value::Text(self.product.server.clone());
                rows.rows.push(vec![server, Value::Text("SQLNCLI".into()), Value::Text("SQL Server".into())]);
                rows
            }
            "sp_who" | "sp_who2" => {
                table(&["spid", "ecid", "status", "loginame", "hostname", "blk", "dbname", "cmd"])
            }
            "sp_addsrvrolemember"
            | "sp_addlogin"
            | "sp_password"
            | "sp_addlinkedserver"
            | "sp_droplogin"
            | "sp_dropextendedproc"
            | "sp_addextendedproc"
            | "sp_reset_connection"
            | "sp_setapprole" => {
                tokens.returned(0, more);
                return Ok(());
            }
            _ => {
                return Err((2812, (16, 62), format!("Could not find stored procedure '{name}'.")));
            }
        };
        tokens.rows(&rows);
        tokens.done_in_procedure(rows.rows.len() as u64);
        tokens.returned(0, more);
        Ok(())
    }

    fn shell(&mut self, command: &str, more: bool, tokens: &mut Tokens<'_>) -> Result<(), Failed> {
        let on = self.option("xp_cmdshell").is_some_and(|option| option.2 == 1);
        self.record
            .event(Kind::Command, "xp_cmdshell")
            .outcome(on)
            .bytes("process.command_line", command.as_bytes())
            .emit();
        if !on {
            return Err(blocked("xp_cmdshell", "xp_cmdshell"));
        }
        if !self.product.windows {
            let text = "Could not load the DLL xpstar.dll, or one of the DLLs it references. Reason: 126(The specified module could not be found.).";
            return Err((17750, (16, 0), text.to_owned()));
        }
        let mut rows = Rows { columns: vec!["output".to_owned()], rows: Vec::new() };
        for line in shell::run(command, self.persona, self.host, self.product) {
            rows.rows.push(vec![if line.is_empty() { Value::Null } else { Value::Text(line) }]);
        }
        rows.rows.push(vec![Value::Null]);
        tokens.rows(&rows);
        tokens.done_in_procedure(rows.rows.len() as u64);
        tokens.returned(0, more);
        Ok(())
    }

    fn option(&self, name: &str) -> Option<&(&'static str, i64, i64)> {
        let advanced = self.options[PLAIN - 1].2 == 1;
        self.options
            .iter()
            .take(if advanced || name == "xp_cmdshell" { usize::MAX } else { PLAIN })
            .find(|option| option.0.to_lowercase() == name.to_lowercase())
    }

    /// All options.
    pub(super) fn options(&self) -> &[(&'static str, i64, i64)] {
        &self.options
    }

    fn configure(&mut self, arguments: &[String], more: bool, tokens: &mut Tokens<'_>) -> Result<(), Failed> {
        let advanced = self.options[PLAIN - 1].2 == 1;
        let shown = if advanced { self.options.len() } else { PLAIN };
        let Some(name) = arguments.first() else {
            return self.show(0..shown, more, tokens);
        };
        let found =
            self.options.iter().position(|option| option.0.eq_ignore_ascii_case(name)).filter(|n| *n < shown);
        let Some(at) = found else {
            let text =
                format!("The configuration option '{name}' does not exist, or it may be an advanced option.");
            return Err((15123, (16, 1), text));
        };
        let Some(value) = arguments.get(1) else { return self.show(at..at + 1, more, tokens) };
        let Ok(value) = value.parse::<i64>() else {
            return Err((8114, (16, 5), "Error converting data type varchar to int.".into()));
        };
        let option = &mut self.options[at];
        let (name, old) = (option.0, option.1);
        option.1 = value;
        self.record
            .event(Kind::Command, "sp_configure")
            .outcome(true)
            .text("mssql.option", name)
            .field("mssql.value", value)
            .emit();
        let text = format!(
            "Configuration option '{name}' changed from {old} to {value}. Run the RECONFIGURE statement to install."
        );
        tokens.info(15457, 1, &text);
        tokens.returned(0, more);
        Ok(())
    }

    fn show(&self, which: std::ops::Range<usize>, more: bool, tokens: &mut Tokens<'_>) -> Result<(), Failed> {
        let columns = ["name", "minimum", "maximum", "config_value", "run_value"].map(str::to_owned).into();
        let row = |option: &(&'static str, i64, i64)| {
            let most = if option.1 > 1 { 2_147_483_647 } else { 1 };
            let name = Value::Text(option.0.to_owned());
            vec![name, Value::Int(0), Value::Int(most), Value::Int(option.1), Value::Int(option.2)]
        };
        let rows: Vec<_> = self.options.get(which).unwrap_or_default().iter().map(row).collect();
        let rows = Rows { columns, rows };
        tokens.rows(&rows);
        tokens.done_in_procedure(rows.rows.len() as u64);
        tokens.returned(0, more);
        Ok(())
    }
}

fn blocked(option: &str, procedure: &str) -> Failed {
    let text = format!(
        "SQL Server blocked access to procedure 'sys.{procedure}' of component '{option}' because this component is turned off as part of the security configuration for this server. A system administrator can enable the use of '{option}' by using sp_configure. For more information about enabling '{option}', search for '{option}' in SQL Server Books Online."
    );
    (15281, (16, 1), text)
}
