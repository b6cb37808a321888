//! Why a plan was refused.

use std::net::Ipv4Addr;

use serde::Serialize;

use crate::model::DeckySpec;

/// The kinds of refusal: each has an exit code of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// It collides with what is recorded.
    Conflict,
    /// What is asked for cannot be.
    Invalid,
    /// A bound was hit or consent is missing.
    Refused,
    /// There is no such decky.
    NotFound,
    /// The host lacks something.
    Environment,
}

/// One reason why nothing will be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Which kind.
    pub kind: RefusalKind,
    /// What is wrong and what to do about it.
    pub message: String,
    /// `replace_fleet` where replacing the fleet is the way out.
    pub hint: Option<&'static str>,
    /// The decky it is about.
    pub decky: Option<String>,
    /// The address it is about.
    pub address: Option<Ipv4Addr>,
    /// The file it was asked for in.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<u32>,
    /// Another line of the file that has to do with it.
    pub related_line: Option<u32>,
}

/// The hint that names `--replace-fleet`.
pub(super) const REPLACE_FLEET: &str = "replace_fleet";

impl Refusal {
    /// A refusal with a message and nothing else.
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
            decky: None,
            address: None,
            file: None,
            line: None,
            related_line: None,
        }
    }

    /// A conflict that replacing the fleet resolves.
    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self { hint: Some(REPLACE_FLEET), ..Self::new(RefusalKind::Conflict, message) }
    }

    /// A conflict over an address: only another one resolves it.
    pub(super) fn taken(message: impl Into<String>) -> Self {
        Self::new(RefusalKind::Conflict, message)
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(RefusalKind::Invalid, message)
    }

    /// About this decky, at its section.
    pub(super) fn about(mut self, spec: &DeckySpec) -> Self {
        self.decky = Some(spec.name.to_string());
        self.at(spec, spec.origin.line)
    }

    /// About this decky's address, at its `ip` key.
    pub(super) fn about_ip(mut self, spec: &DeckySpec, ip: Ipv4Addr) -> Self {
        self.decky = Some(spec.name.to_string());
        self.address = Some(ip);
        self.at(spec, ip_line(spec))
    }

    pub(super) fn naming(mut self, name: &str) -> Self {
        self.decky = Some(name.to_owned());
        self
    }

    pub(super) fn related(mut self, line: usize) -> Self {
        self.related_line = place(line);
        self
    }

    fn at(mut self, spec: &DeckySpec, line: usize) -> Self {
        self.file = (!spec.origin.file.is_empty()).then(|| spec.origin.file.clone());
        self.line = place(line);
        self
    }
}

/// 0 stands for "no line".
fn place(line: usize) -> Option<u32> {
    u32::try_from(line).ok().filter(|line| *line > 0)
}

/// The line of the `ip` key, else of the section; 0 when there is neither.
pub(super) fn ip_line(spec: &DeckySpec) -> usize {
    if spec.origin.ip_line > 0 { spec.origin.ip_line } else { spec.origin.line }
}
