//! COPY: files, programs, and the client's own rows.
//!
//! A program is never run. What it would have printed comes from the decoy shell, which sees the decoy's file system.

use super::ast::Parser;
use super::engine::{Engine, Outcome};
use super::lex::Token;
use super::select::{Rows, run};
use super::value::Value;
use super::wire::Error;
use crate::decoy::shell::Shell;
use crate::event::Kind;

/// Most bytes of a program or of what it prints that are kept.
const SHOWN: usize = 8 * 1024;

/// Where rows come from or go to.
enum End {
    Client,
    File(String),
    Program(String),
}

/// A field as COPY writes it.
fn field(value: &Value) -> String {
    match value.shown() {
        None => "\\N".to_owned(),
        Some(text) => {
            text.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t")
        }
    }
}

/// A field as COPY reads it.
fn unfield(text: &str) -> Value {
    if text == "\\N" {
        return Value::Null;
    }
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            (c, false) => out.push(c),
        }
    }
    Value::Text(out)
}

impl Engine<'_> {
    pub(super) fn copy(&mut self, parser: &mut Parser<'_>) -> Result<Outcome, Error> {
        parser.at += 1;
        let (name, rows) = if parser.mark('(') {
            let query = parser.select()?;
            parser.need(')')?;
            (None, run(self, &query, None)?)
        } else {
            let (schema, name, _) = parser.qualified()?;
            let Some(rows) = self.relation(schema.as_deref(), &name) else {
                let text = format!("relation \"{name}\" does not exist");
                return Err(Error::new("42P01", text, ("namespace.c", 433, "RangeVarGetRelidExtended")));
            };
            if parser.mark('(') {
                while !parser.mark(')') {
                    parser.name()?;
                    parser.mark(',');
                }
            }
            (Some(name), rows)
        };
        let from = parser.word("from");
        if !from {
            parser.need_word("to")?;
        }
        let end = match parser.peek() {
            Some(Token::Word(w)) if w == "stdin" || w == "stdout" => End::Client,
            Some(Token::Word(w)) if w == "program" => {
                parser.at += 1;
                match parser.peek() {
                    Some(Token::Text(program)) => End::Program(program.clone()),
                    _ => return Err(parser.wrong()),
                }
            }
            Some(Token::Text(path)) => End::File(path.clone()),
            _ => return Err(parser.wrong()),
        };
        match (from, end, name) {
            (true, _, None) => Err(parser.wrong()),
            (true, End::Client, Some(name)) => Ok(Outcome::CopyIn(name, rows.columns.len())),
            (true, End::Program(program), Some(name)) => {
                let output = self.program(&program, &[])?;
                Ok(self.fill(&name, &output, rows.columns.len()))
            }
            (true, End::File(path), Some(name)) => {
                self.file_seen("read", &path, None);
                let bytes = self.read(&path).map_err(|e| {
                    let code = if e == crate::decoy::vfs::VfsError::NotFound { "58P01" } else { "42501" };
                    let text = format!("could not open file \"{path}\" for reading: {e}");
                    let hint = "COPY FROM instructs the PostgreSQL server process to read a file. You may want a client-side facility such as psql's \\copy.";
                    Error::new(code, text, ("copyfrom.c", 1523, "BeginCopyFrom")).hint(hint)
                })?;
                Ok(self.fill(&name, &bytes, rows.columns.len()))
            }
            (false, end, _) => self.copy_to(&end, &rows),
        }
    }

    fn copy_to(&mut self, end: &End, rows: &Rows) -> Result<Outcome, Error> {
        let mut data = Vec::new();
        for row in &rows.rows {
            let fields: Vec<String> = row.iter().map(field).collect();
            data.extend_from_slice(fields.join("\t").as_bytes());
            data.push(b'\n');
            self.burn(data.len().min(4096))?;
        }
        match end {
            End::Client => return Ok(Outcome::CopyOut(data, rows.columns.len())),
            End::Program(program) => {
                self.program(program, &data)?;
            }
            End::File(path) => {
                self.file_seen("write", path, Some(&data));
                if !path.starts_with('/') && !path.contains(':') {
                    let text = "relative path not allowed for COPY to file";
                    return Err(Error::new("42602", text, ("copyto.c", 678, "BeginCopyTo")));
                }
                let full = self.path(path);
                self.context.files.write(&full, &data).map_err(|e| {
                    let code = if e == crate::decoy::vfs::VfsError::NotFound { "58P01" } else { "42501" };
                    let text = format!("could not open file \"{path}\" for writing: {e}");
                    let hint = "COPY TO instructs the PostgreSQL server process to write a file. You may want a client-side facility such as psql's \\copy.";
                    Error::new(code, text, ("copyto.c", 703, "BeginCopyTo")).hint(hint)
                })?;
            }
        }
        Ok(Outcome::Done(format!("COPY {}", rows.rows.len())))
    }

    /// What a program would print; an error when it would fail.
    fn program(&mut self, program: &str, input: &[u8]) -> Result<Vec<u8>, Error> {
        let files = &self.context.files;
        let shell = self.shell.get_or_insert_with(|| {
            let mut shell = Shell::on(files.clone(), "postgres");
            let data = self.context.product.data.clone();
            shell.exec_command(format!("cd {data} 2>/dev/null").as_bytes());
            shell
        });
        let done = shell.exec_command(program.as_bytes());
        let cut = |bytes: &[u8]| bytes.get(..bytes.len().min(SHOWN)).unwrap_or_default().to_vec();
        let record = &self.context.record;
        let mut event = record
            .event(Kind::Command, "copy_program")
            .bytes("process.command_line", &cut(program.as_bytes()));
        event = event.field("process.exit_code", done.status).bytes("process.output", &cut(&done.output));
        if !input.is_empty() {
            event = event.bytes("process.input", &cut(input));
        }
        event.outcome(done.status == 0).emit();
        if done.status == 0 {
            return Ok(done.output);
        }
        let detail = match done.status {
            127 => "command not found".to_owned(),
            126 => "command not executable".to_owned(),
            status @ 129.. => format!("child process was terminated by signal {}", status - 128),
            status => format!("child process exited with exit code {status}"),
        };
        let text = format!("program \"{program}\" failed");
        Err(Error::new("38000", text, ("copyfrom.c", 1622, "ClosePipeFromProgram")).detail(detail))
    }

    /// Puts rows of text into a table.
    pub(super) fn fill(&mut self, name: &str, data: &[u8], columns: usize) -> Outcome {
        let text = String::from_utf8_lossy(data);
        let mut count = 0usize;
        for line in text.lines().take_while(|line| *line != "\\.") {
            let mut row: Vec<Value> = if columns <= 1 {
                vec![unfield(line)]
            } else {
                line.split('\t').take(columns).map(unfield).collect()
            };
            row.resize(columns, Value::Null);
            self.keep(name, row);
            count += 1;
        }
        Outcome::Done(format!("COPY {count}"))
    }
}
