//! Problems of a file: what, where, and what to do.

use std::collections::HashSet;
use std::ops::Range;

use serde::Serialize;

use super::text::Text;
use crate::catalog;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but probably says something else than was meant.
    Warning,
}

/// A second place that belongs to a problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Related {
    /// Line from 1.
    pub line: usize,
    /// Column from 1, in characters.
    pub column: usize,
    /// Bytes of the decoded text.
    pub span: Range<usize>,
    /// What is there.
    pub label: String,
}

/// One problem of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// Stable name of the kind of problem, one of [`CODES`].
    pub code: &'static str,
    /// What is wrong, in a sentence without a full stop. Text of the file in it is escaped.
    pub message: String,
    /// The file's name as the caller gave it.
    pub file: String,
    /// Line from 1; 0 when there is none.
    pub line: usize,
    /// Column from 1, in characters; 0 when there is none.
    pub column: usize,
    /// Bytes of the decoded text; empty when it is the whole line.
    pub span: Range<usize>,
    /// What to write beside the carets.
    pub label: Option<String>,
    /// Other places that belong to it.
    pub related: Vec<Related>,
    /// What to do.
    pub help: Option<String>,
}

macro_rules! codes {
    ($($severity:ident $code:literal $what:literal,)*) => {
        /// Every code with its severity (before `strict`) and what it stands for.
        pub const CODES: &[(&str, Severity, &str)] = &[$(($code, Severity::$severity, $what)),*];
    };
}

codes! {
    Error "too-large" "the file is over 512 KiB",
    Error "not-utf8" "the file is not UTF-8",
    Error "no-decky" "the file has no decky",
    Error "too-many-deckies" "the file expands to more deckies than can be held",
    Error "too-many-problems" "further problems were left out",
    Error "no-section" "a key stands before the first section",
    Error "not-ini" "a line is neither blank, comment, section, key nor continuation",
    Error "bad-header" "a section header is not closed, empty or ambiguous",
    Error "empty-key" "nothing stands before the `=`",
    Error "duplicate-section" "a section is there twice",
    Error "duplicate-key" "a key is there twice in one section",
    Error "parsers-disagree" "a second INI parser reads the file differently",
    Warning "text-after-header" "text follows a section header on its line",
    Warning "joined-header" "a section header seems to be glued to the end of a comment or value",
    Warning "joined-key" "a key seems to be glued to the end of a comment",
    Warning "header-in-value" "an indented line looks like a section header but continues a value",
    Error "general-name" "a section is nearly called [general]",
    Warning "default-name" "a section is nearly called [DEFAULT]",
    Error "near-service" "the last part of a section's name nearly is a service",
    Warning "subsection-or-decky" "a decky's name ends like a misspelt service",
    Error "bad-name" "a section's name is no decky name",
    Error "bad-custom" "a custom service's name is no slug",
    Error "custom-takes-builtin" "a custom service has the name of a built-in one",
    Warning "unknown-key" "a key means nothing where it stands",
    Warning "empty-value" "a key has no value and is left out",
    Error "unknown-service" "there is no such service",
    Error "unknown-archetype" "there is no such archetype",
    Error "unknown-os" "there is no such OS family",
    Error "unknown-distro" "there is no such distro",
    Error "unknown-driver" "there is no such driver",
    Error "bad-amount" "`amount` is no whole number from 1 to 100",
    Error "bad-interval" "`mutate_interval` is no whole number of minutes from 1",
    Error "bad-address" "an address is no IPv4 address",
    Error "reserved-address" "an address that no decky can have",
    Error "off-subnet" "an address outside the network",
    Error "duplicate-address" "two deckies have one address",
    Error "bad-net" "`net` is no IPv4 network, or none the driver can use",
    Error "bad-gateway" "`gw` is no usable address of the network",
    Error "bad-interface" "`interface` is no interface name",
    Error "bad-port-offset" "`port_offset` is no whole number from 0 to 65535",
    Error "bad-log-target" "`log_target` is no target",
    Error "bad-host-access" "`host_access` is no boolean",
    Error "bad-probe" "`probe` is none of fast, full and off",
    Error "bad-hostname" "`hostname` is no host name",
    Error "bad-mac" "`mac` is no hardware address of a single host",
    Error "duplicate-mac" "two deckies have one hardware address",
    Warning "duplicate-hostname" "two deckies have one host name",
    Error "ip-with-amount" "one address cannot be given to several deckies",
    Error "hostname-with-amount" "one host name cannot be given to several deckies",
    Error "mac-with-amount" "one hardware address cannot be given to several deckies",
    Error "duplicate-name" "two deckies come out with one name",
    Error "bad-setting" "a setting of a service does not fit its schema",
    Warning "bad-port" "a port of a custom service is none and is left out",
    Error "bad-talk" "the conversation of a custom service cannot be read",
    Warning "service-twice" "a service is listed twice",
    Warning "empty-service" "nothing stands between two commas",
    Warning "random-services" "a decky gets random services because nothing was said",
    Warning "orphan-subsection" "a subsection belongs to no decky",
    Warning "unused-subsection" "a subsection is for a service that its decky does not run",
    Warning "near-rename" "a new decky is called nearly like one that would be removed",
    Warning "shrunk-group" "members of a group vanish while the group stays",
    Warning "regrouped-decky" "a decky vanishes because it became a group, or a group because it became one decky",
    Warning "commented-out-decky" "the section of a decky that would be removed is inside a comment or value",
}

/// A problem before its place is turned into line and column.
pub(super) struct Problem {
    severity: Severity,
    code: &'static str,
    /// None: the file as a whole.
    span: Option<Range<usize>>,
    message: String,
    label: Option<String>,
    related: Vec<(Range<usize>, String)>,
    help: Option<String>,
}

impl Problem {
    fn new(severity: Severity, code: &'static str, span: Option<Range<usize>>, message: String) -> Self {
        Self { severity, code, span, message, label: None, related: Vec::new(), help: None }
    }

    /// An error of the file as a whole.
    pub(super) fn of_file(code: &'static str, message: String) -> Self {
        Self::new(Severity::Error, code, None, message)
    }

    pub(super) fn error(code: &'static str, span: Range<usize>, message: String) -> Self {
        Self::new(Severity::Error, code, Some(span), message)
    }

    pub(super) fn warning(code: &'static str, span: Range<usize>, message: String) -> Self {
        Self::new(Severity::Warning, code, Some(span), message)
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    pub(super) fn related(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.related.push((span, label.into()));
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }
}

/// Most problems of one severity that are kept; a file of 512 KiB could have a quarter of a million.
const KEPT: usize = 1000;

/// Most words that get a suggestion: each costs a comparison with every known word.
const SUGGESTIONS: usize = 200;

/// Collects problems.
pub(super) struct Sink<'s> {
    text: &'s Text<'s>,
    file: &'s str,
    found: Vec<Diagnostic>,
    /// Code and place, so that a value of `[DEFAULT]` is complained about once and not in every section.
    seen: HashSet<(&'static str, usize)>,
    errors: usize,
    warnings: usize,
    suggestions: usize,
}

impl<'s> Sink<'s> {
    pub(super) fn new(text: &'s Text<'s>, file: &'s str) -> Self {
        Self { text, file, found: Vec::new(), seen: HashSet::new(), errors: 0, warnings: 0, suggestions: 0 }
    }

    pub(super) fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Whether one more problem would only be counted; then it is. Spares a long list of wrong items their texts.
    pub(super) fn is_full(&mut self, severity: Severity) -> bool {
        let count = match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        let full = *count >= KEPT;
        *count += usize::from(full);
        full
    }

    pub(super) fn add(&mut self, problem: Problem) {
        if !self.seen.insert((problem.code, problem.span.as_ref().map_or(0, |s| s.start))) {
            return;
        }
        let count = match problem.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        *count += 1;
        if *count > KEPT {
            return;
        }
        let (line, column) = problem.span.as_ref().map_or((0, 0), |s| self.text.position(s.start));
        let text = self.text;
        let related = problem.related.into_iter().map(|(span, label)| {
            let (line, column) = text.position(span.start);
            Related { line, column, span, label }
        });
        self.found.push(Diagnostic {
            severity: problem.severity,
            code: problem.code,
            message: problem.message,
            file: self.file.to_owned(),
            line,
            column,
            span: problem.span.unwrap_or_default(),
            label: problem.label,
            related: related.collect(),
            help: problem.help,
        });
    }

    /// The help line with the nearest known word, while suggestions last.
    pub(super) fn did_you_mean<'a>(
        &mut self,
        word: &str,
        among: impl Iterator<Item = &'a str>,
    ) -> Option<String> {
        self.suggestions += 1;
        if self.suggestions > SUGGESTIONS {
            return None;
        }
        catalog::nearest(word, among).map(|near| format!("did you mean `{near}`?"))
    }

    /// Everything, in the order of the file.
    pub(super) fn finish(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|d| d.span.start);
        let left_out = self.errors.saturating_sub(KEPT) + self.warnings.saturating_sub(KEPT);
        if left_out > 0 {
            self.found.push(Diagnostic {
                severity: Severity::Error,
                code: "too-many-problems",
                message: format!("{left_out} more problems are not shown"),
                file: self.file.to_owned(),
                line: 0,
                column: 0,
                span: 0..0,
                label: None,
                related: Vec::new(),
                help: Some("solve the ones above first".to_owned()),
            });
        }
        self.found
    }
}
