//! Messages of the protocol, version 3.

use super::product::Product;

/// What a server complains of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Error(Box<Fault>);

/// All that it says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) severity: &'static str,
    pub(super) code: &'static str,
    pub(super) text: String,
    pub(super) detail: Option<String>,
    pub(super) hint: Option<String>,
    /// Byte of the query that it is about, from 0.
    pub(super) position: Option<usize>,
    pub(super) context: Option<String>,
    /// Where in the source it is raised: file, line, routine.
    pub(super) place: (&'static str, u32, &'static str),
}

impl std::ops::Deref for Error {
    type Target = Fault;

    fn deref(&self) -> &Fault {
        &self.0
    }
}

/// Where an error is raised.
pub(super) type Place = (&'static str, u32, &'static str);

impl Error {
    /// One that ends a statement.
    pub(super) fn new(code: &'static str, text: impl Into<String>, place: Place) -> Self {
        Self(Box::new(Fault {
            severity: "ERROR",
            code,
            text: text.into(),
            detail: None,
            hint: None,
            position: None,
            context: None,
            place,
        }))
    }

    fn with(mut self, change: impl FnOnce(&mut Fault)) -> Self {
        change(&mut self.0);
        self
    }

    /// One that ends the connection.
    pub(super) fn fatal(code: &'static str, text: impl Into<String>, place: Place) -> Self {
        Self::new(code, text, place).severity("FATAL")
    }

    /// The same as a notice or a warning.
    pub(super) fn severity(self, severity: &'static str) -> Self {
        self.with(|fault| fault.severity = severity)
    }

    /// The same with a detail.
    pub(super) fn detail(self, detail: impl Into<String>) -> Self {
        self.with(|fault| fault.detail = Some(detail.into()))
    }

    /// The same with a hint.
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        self.with(|fault| fault.hint = Some(hint.into()))
    }

    /// The same about a place of the query.
    pub(super) fn at(self, position: usize) -> Self {
        self.with(|fault| fault.position = Some(position))
    }

    /// The same with what was going on.
    pub(super) fn context(self, context: impl Into<String>) -> Self {
        self.with(|fault| fault.context = Some(context.into()))
    }

    /// The message: an error, or a notice.
    pub(super) fn message(&self, product: &Product) -> Vec<u8> {
        let (file, line, routine) = self.place;
        let (line, file) = (line.to_string(), product.file(file));
        let position = self.position.map(|p| p.saturating_add(1).to_string());
        // Servers before 9.6 say the severity once.
        let plain = (product.major >= 10).then_some(self.severity);
        let fields = [
            (b'S', Some(self.severity)),
            (b'V', plain),
            (b'C', Some(self.code)),
            (b'M', Some(self.text.as_str())),
            (b'D', self.detail.as_deref()),
            (b'H', self.hint.as_deref()),
            (b'P', position.as_deref()),
            (b'W', self.context.as_deref()),
            (b'F', Some(&file)),
            (b'L', Some(&line)),
            (b'R', Some(routine)),
        ];
        let mut body = Vec::new();
        for (tag, value) in fields {
            if let Some(value) = value {
                body.push(tag);
                body.extend(value.bytes().filter(|b| *b != 0));
                body.push(0);
            }
        }
        body.push(0);
        let kind = if matches!(self.severity, "ERROR" | "FATAL") { b'E' } else { b'N' };
        message(kind, &body)
    }
}

/// A message of the server.
pub(super) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend_from_slice(&u32::try_from(body.len().saturating_add(4)).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(body);
    out
}

/// A message that is one text.
pub(super) fn text(kind: u8, text: &str) -> Vec<u8> {
    message(kind, &[text.as_bytes(), b"\0"].concat())
}

/// `ReadyForQuery`.
pub(super) fn ready(status: u8) -> Vec<u8> {
    message(b'Z', &[status])
}

/// `ParameterStatus`.
pub(super) fn parameter(name: &str, value: &str) -> Vec<u8> {
    message(b'S', &[name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing;
    use crate::model::Settings;

    #[test]
    fn errors_are_byte_true() {
        let product = Product::new(&testing::persona(&[]), &Settings::new());
        let error = Error::new(
            "42P01",
            "relation \"nope\" does not exist",
            ("parse_relation.c", 1392, "parserOpenTable"),
        );
        assert_eq!(
            error.at(14).message(&product),
            b"E\0\0\0gSERROR\0VERROR\0C42P01\0Mrelation \"nope\" does not exist\0P15\0Fparse_relation.c\0L1392\0RparserOpenTable\0\0"
        );
    }
}
