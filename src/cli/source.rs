//! Where a fleet comes from: a file, standard input, or flags.

use std::borrow::Cow;
use std::io::Read;
use std::path::Path;

use super::args::{NetworkArgs, QuickArgs, SourceArgs};
use super::context::{self, Context};
use super::error::{CliError, CliResult, Kind};
use crate::event::escape;
use crate::fleet::{Host, Mode, Overrides, Quick, Refusal};
use crate::fleetfile::{self, Diagnostic, Loaded, Severity};
use crate::model::{CustomService, Driver, Fleet, FleetSpec};

/// Used when nothing is named; the working directory only, never its parents.
const DEFAULT_FILE: &str = "fleet.ini";

/// A fleet file that was read, not yet understood.
pub(super) struct FleetText {
    /// The path as typed, or `-`.
    pub(super) name: String,
    bytes: Vec<u8>,
}

impl FleetText {
    /// Understands it.
    pub(super) fn load(&self, strict: bool, known_customs: &[CustomService]) -> Loaded {
        let options = fleetfile::Options { name: &self.shown(), strict, known_customs };
        fleetfile::load(&self.bytes, &options)
    }

    /// The name, safe to print.
    pub(super) fn shown(&self) -> String {
        if self.name == "-" { "<stdin>".to_owned() } else { escape::text(&self.name).into_owned() }
    }

    /// Its content as text, for carets.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// SHA-256 of its bytes: what a saved plan was computed from.
    pub(super) fn digest(&self) -> String {
        use sha2::Digest;
        hex::encode(sha2::Sha256::digest(&self.bytes))
    }
}

/// Reads a file, standard input for `-`, or `./fleet.ini`.
pub(super) fn read_file(file: Option<&Path>) -> CliResult<FleetText> {
    let path = file.unwrap_or(Path::new(DEFAULT_FILE));
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        // One byte past the limit is enough to see that it is too large.
        let limit = (fleetfile::MAX_BYTES + 1) as u64;
        std::io::stdin()
            .lock()
            .take(limit)
            .read_to_end(&mut bytes)
            .map_err(|e| CliError::new(Kind::Failure, format!("cannot read standard input: {e}")))?;
        return Ok(FleetText { name: "-".into(), bytes });
    }
    Ok(FleetText { name: path.display().to_string(), bytes: context::read(path)? })
}

/// Renders diagnostics for people.
pub(super) fn show_diagnostics(cx: &mut Context, text: &FleetText, found: &[Diagnostic]) {
    let quiet = cx.ui.loudness() == crate::ui::Loudness::Quiet;
    let shown: Vec<Diagnostic> =
        found.iter().filter(|d| !quiet || d.severity == Severity::Error).cloned().collect();
    if !shown.is_empty() {
        let rendered = fleetfile::render(&text.text(), &shown, cx.ui.color_err());
        cx.ui.raw_error(&rendered);
    }
}

/// What a deploy asks for.
pub(super) enum Source {
    /// A file.
    File {
        /// What it says.
        spec: FleetSpec,
        /// As it was read.
        text: FleetText,
    },
    /// Flags: what they come to depends on the names that the fleet has, so it is worked out anew for
    /// every plan.
    Quick(Quick),
}

impl Source {
    /// The spec against this fleet.
    pub(super) fn spec(
        &self,
        mode: Mode,
        fleet: &Fleet,
        host: &Host,
        flags: &Overrides,
    ) -> Result<Cow<'_, FleetSpec>, Vec<Refusal>> {
        match self {
            Self::File { spec, .. } => Ok(Cow::Borrowed(spec)),
            Self::Quick(quick) => crate::fleet::quick(quick, mode, fleet, host, flags).map(Cow::Owned),
        }
    }

    /// The file, if it is one.
    pub(super) fn text(&self) -> Option<&FleetText> {
        match self {
            Self::File { text, .. } => Some(text),
            Self::Quick(_) => None,
        }
    }
}

/// Reads and understands what `deploy` and `plan` were given. Problems of a file are shown here, all
/// at once; an error among them ends the command with 3.
pub(super) fn load(cx: &mut Context, args: &SourceArgs, fleet: &Fleet) -> CliResult<Source> {
    if let Some(count) = args.quick.deckies {
        return Ok(Source::Quick(quick(&args.quick, count)?));
    }
    let text = read_file(args.file.as_deref())?;
    if args.file.is_none() {
        cx.ui.note(&format!("Using ./{DEFAULT_FILE}"));
    }
    let mut loaded = text.load(args.strict, &fleet.customs);
    if args.replace_fleet {
        let names: Vec<String> = fleet.members.iter().map(|m| m.name.clone()).collect();
        let mut found = fleetfile::removal_warnings(&loaded, &names);
        if args.strict {
            found.iter_mut().for_each(|d| d.severity = Severity::Error);
        }
        loaded.diagnostics.append(&mut found);
    }
    let broken = loaded.diagnostics.iter().any(|d| d.severity == Severity::Error);
    // A file without a decky is no mistake of the file while there is a fleet to lose: the planner
    // refuses it by name (7).
    if broken && cx.output == super::args::Output::Json {
        cx.json(&crate::ui::wire::diagnostics(&text.name, &loaded.diagnostics));
    }
    show_diagnostics(cx, &text, &loaded.diagnostics);
    if broken {
        let errors = loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
        let count = crate::ui::count(errors, "error", "errors");
        cx.ui.note(&format!("{}: {count}; nothing was changed.", text.shown()));
        let only_empty =
            loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error).all(|d| d.code == "no-decky");
        let kind = if only_empty && args.replace_fleet && !fleet.members.is_empty() {
            Kind::Refused
        } else {
            Kind::Invalid
        };
        if kind == Kind::Refused {
            cx.ui.hint("to remove the whole fleet say so: `decnet teardown --all`");
        }
        return Err(CliError::silent(kind));
    }
    Ok(Source::File { spec: loaded.spec, text })
}

fn quick(args: &QuickArgs, count: u32) -> CliResult<Quick> {
    if args.services.is_none() && args.archetype.is_none() && !args.randomize_services {
        return Err(super::error::usage("say what the deckies run")
            .hint("add --services A,B, --archetype SLUG or --randomize-services"));
    }
    Ok(Quick {
        count: count as usize,
        services: args.services.clone(),
        archetype: args.archetype.clone(),
        randomize: args.randomize_services,
        distros: args.distro.iter().cloned().collect(),
        ip_start: args.ip_start,
    })
}

/// The network flags as the planner takes them.
pub(super) fn overrides(args: &NetworkArgs) -> CliResult<Overrides> {
    if args.engine == super::args::EngineKind::Docker {
        return Err(CliError::new(Kind::Environment, "this version of decnet has no docker engine")
            .hint("leave out --engine docker: the embedded engine needs no images and no daemon"));
    }
    Ok(Overrides {
        driver: if args.ipvlan { Some(Driver::Ipvlan) } else { args.driver },
        interface: args.interface.clone(),
        subnet: args.subnet,
        gateway: args.gateway,
    })
}
