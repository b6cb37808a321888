//! What can be typed: the one definition that help, man pages and completions come from. No logic.

mod help;
mod source;

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::ArgValueCandidates;

use super::complete;
use help::{DEPLOY_HELP, EVENTS_HELP, EXIT_CODES, PLAN_HELP, TEARDOWN_HELP};

pub use source::{NetworkArgs, QuickArgs, SourceArgs, WaitArgs};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Plans and runs fleets of decoy hosts on a network.
#[derive(Debug, Parser)]
#[command(
    name = "decnet",
    version,
    styles = STYLES,
    max_term_width = 100,
    after_help = "First steps: `decnet check fleet.ini`, `decnet plan fleet.ini`, `decnet deploy fleet.ini`, `decnet status`.",
    after_long_help = EXIT_CODES,
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// Options that every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Args, Clone, Debug)]
pub struct Global {
    /// Form of the output; which ones fit depends on the command
    #[arg(short, long, global = true, value_enum, default_value_t, help_heading = "Global options")]
    pub output: Output,
    /// When to colour; NO_COLOR and TERM=dumb are honoured with `auto`
    #[arg(long, global = true, value_enum, default_value_t, help_heading = "Global options")]
    pub color: ColorChoice,
    /// Say nothing but errors on standard error
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Global options")]
    pub quiet: bool,
    /// Say more on standard error
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub verbose: bool,
    /// Never ask; without a terminal nothing is asked anyway
    #[arg(long, global = true, help_heading = "Global options")]
    pub no_input: bool,
    /// Where the fleet, its events and the engine's socket live [default: /var/lib/decnet for root,
    /// the XDG state directory otherwise]
    #[arg(long, global = true, value_name = "DIR", env = "DECNET_STATE_DIR", hide_env_values = true,
          value_hint = ValueHint::DirPath, help_heading = "Global options")]
    pub state_dir: Option<PathBuf>,
}

/// Forms of output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Text for people
    #[default]
    Table,
    /// Text with every column
    Wide,
    /// One JSON document, `format_version` 1
    Json,
    /// One JSON object a line
    Jsonl,
    /// Comma-separated, with a header
    Csv,
    /// One name a line
    Name,
    /// Logins to crack, one a line, as hashcat reads them (`events`)
    Hashcat,
    /// The same for John the Ripper, jumbo version (`events`)
    John,
}

impl Output {
    /// The word on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Wide => "wide",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Name => "name",
            Self::Hashcat => "hashcat",
            Self::John => "john",
        }
    }
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal
    #[default]
    Auto,
    /// Into pipes as well
    Always,
    /// Never
    Never,
}

/// What runs the deckies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum EngineKind {
    /// decnet's own, no images, no daemon but itself
    #[default]
    Embedded,
    /// Docker containers; this version has no such engine and refuses
    Docker,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Plan, show the difference, apply it
    #[command(after_long_help = DEPLOY_HELP)]
    Deploy(DeployArgs),
    /// Show what `deploy` would do; changes nothing
    #[command(after_long_help = PLAN_HELP)]
    Plan(PlanArgs),
    /// Remove deckies, after showing which
    #[command(after_long_help = TEARDOWN_HELP)]
    Teardown(TeardownArgs),
    /// The recorded fleet and each decky's state
    List(NamesArgs),
    /// Recorded against observed, per service, with reasons
    #[command(after_long_help = EXIT_CODES)]
    Status(StatusArgs),
    /// Everything about one decky
    Show(ShowArgs),
    /// What attackers did
    #[command(after_long_help = EVENTS_HELP)]
    Events(EventsArgs),
    /// The operations that deploys, mutates and teardowns started
    Lifecycle(LifecycleArgs),
    /// Make observed equal recorded again
    Reconcile(ReconcileArgs),
    /// Draw a new set of services
    Mutate(MutateArgs),
    /// Check a fleet file; touches neither store nor host
    Check(CheckArgs),
    /// Write the fleet as a fleet file
    #[command(
        after_long_help = "`decnet export | decnet deploy --replace-fleet -` plans no change. The file holds the services' passwords."
    )]
    Export,
    /// Take over the fleet of a DECNET SQLite database
    Import(ImportArgs),
    /// The services a decky can run
    Services,
    /// The archetypes a decky can be
    Archetypes,
    /// The distros a decky can claim
    Distros,
    /// The engine that runs the deckies
    #[command(subcommand)]
    Engine(EngineCommand),
    /// What this host can do; each problem with its remedy
    Doctor,
    /// Print the line that sets up completion in a shell
    #[command(
        after_long_help = "bash: add `source <(decnet completions bash)` to ~/.bashrc\nzsh:  add `source <(decnet completions zsh)` to ~/.zshrc\nfish: `decnet completions fish > ~/.config/fish/completions/decnet.fish`"
    )]
    Completions {
        /// Which shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Prints a man page; `all DIR` writes every page
    #[command(name = "__man", hide = true)]
    Man {
        /// Page name
        page: String,
        /// Folder for `all`
        dir: Option<PathBuf>,
    },
    /// Forks the worker processes
    #[command(name = "__workers", hide = true)]
    Workers {
        /// Inherited descriptor of its control socket
        fd: i32,
    },
    /// Event writer process
    #[command(name = "__events", hide = true)]
    EventWriter {
        /// Inherited descriptor of its control socket
        fd: i32,
    },
    /// Runs the escape drill in this process and prints each action
    #[command(name = "__drill", hide = true)]
    Drill,
}

/// Shells with completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
    /// elvish
    Elvish,
    /// PowerShell
    Powershell,
}

/// `decnet deploy`.
#[derive(Args, Clone, Debug)]
pub struct DeployArgs {
    /// Apply exactly this saved plan, or refuse (5) if anything it was computed from changed
    #[arg(long, value_name = "PLAN", value_hint = ValueHint::FilePath,
          conflicts_with_all = ["file", "replace_fleet", "deckies", "interface", "subnet", "gateway", "driver", "ipvlan", "limit"])]
    pub plan: Option<PathBuf>,
    /// Plan and show, change nothing: the same as `decnet plan`
    #[arg(long, conflicts_with = "plan")]
    pub dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Waiting.
    #[command(flatten)]
    pub wait: WaitArgs,
    // Last, since the headings it opens stay open.
    /// Where the fleet comes from.
    #[command(flatten)]
    pub source: SourceArgs,
}

/// `decnet plan`.
#[derive(Args, Clone, Debug)]
pub struct PlanArgs {
    /// Save the plan for `deploy --plan`; the file holds the services' passwords (mode 0600)
    #[arg(long, value_name = "PLAN", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
    /// Where the fleet comes from.
    #[command(flatten)]
    pub source: SourceArgs,
}

/// `decnet teardown`.
#[derive(Args, Clone, Debug)]
pub struct TeardownArgs {
    /// Which deckies
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(complete::deckies))]
    pub names: Vec<String>,
    /// The whole fleet
    #[arg(long, conflicts_with = "names")]
    pub all: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Refuse (7) when more than N deckies would go
    #[arg(long, value_name = "N")]
    pub max_removals: Option<usize>,
    /// Kill switch: end every worker at once, store or no store; rows are removed if there is one
    #[arg(long, requires = "all")]
    pub now: bool,
    /// Waiting.
    #[command(flatten)]
    pub wait: WaitArgs,
}

/// Deckies by name.
#[derive(Args, Clone, Debug)]
pub struct NamesArgs {
    /// Only these deckies
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(complete::deckies))]
    pub names: Vec<String>,
}

/// `decnet status`.
#[derive(Args, Clone, Debug)]
pub struct StatusArgs {
    /// Only these deckies
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(complete::deckies))]
    pub names: Vec<String>,
    /// Exit 11 when something is down, 10 when there is other drift
    #[arg(long)]
    pub exit_code: bool,
}

/// `decnet show`.
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// Which decky
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(complete::deckies))]
    pub name: String,
    /// Show passwords and keys
    #[arg(long)]
    pub show_secrets: bool,
}

/// `decnet events`.
#[derive(Args, Clone, Debug)]
pub struct EventsArgs {
    /// Keep printing as they come
    #[arg(short, long)]
    pub follow: bool,
    /// Only on these deckies
    #[arg(long, value_name = "NAME", value_delimiter = ',', add = ArgValueCandidates::new(complete::deckies))]
    pub decky: Vec<String>,
    /// Only on these services
    #[arg(long, value_name = "SLUG", value_delimiter = ',', add = ArgValueCandidates::new(complete::services))]
    pub service: Vec<String>,
    /// Only these kinds: connection, login, command, request, query, file, session, error
    #[arg(long, value_name = "KIND", value_delimiter = ',', add = ArgValueCandidates::new(complete::kinds))]
    pub kind: Vec<crate::event::Kind>,
    /// Only from these addresses or networks
    #[arg(long, value_name = "IP|CIDR", value_delimiter = ',')]
    pub src: Vec<ipnetwork::IpNetwork>,
    /// Only younger than this (90s, 1h, 2d) or since this time (2026-11-23T15:00:00Z)
    #[arg(long, value_name = "TIME", value_parser = super::parse::since)]
    pub since: Option<super::parse::Since>,
    /// Only the last N
    #[arg(short = 'n', long, value_name = "N")]
    pub tail: Option<usize>,
    /// With `-o hashcat`: only lines of this mode (hashcat takes one mode a run)
    #[arg(long, value_name = "MODE")]
    pub hash_mode: Option<u32>,
    /// Play a recorded terminal session; into a pipe its asciicast v2 file
    #[arg(long, value_name = "ID", conflicts_with_all = ["follow", "decky", "service", "kind", "src", "since", "tail", "hash_mode"],
          add = ArgValueCandidates::new(complete::recordings))]
    pub replay: Option<String>,
    /// With `--replay`: times as fast
    #[arg(long, value_name = "FACTOR", requires = "replay", value_parser = super::parse::speed)]
    pub speed: Option<f64>,
}

/// `decnet lifecycle`.
#[derive(Args, Clone, Debug)]
pub struct LifecycleArgs {
    /// Which operations; without any, the latest
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
    /// How many of the latest
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    pub tail: usize,
}

/// `decnet reconcile`.
#[derive(Args, Clone, Debug)]
pub struct ReconcileArgs {
    /// Show what would be repaired, change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Exit 10 when there was drift
    #[arg(long)]
    pub exit_code: bool,
    /// Waiting.
    #[command(flatten)]
    pub wait: WaitArgs,
}

/// `decnet mutate`.
#[derive(Args, Clone, Debug)]
pub struct MutateArgs {
    /// Which deckies
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(complete::deckies))]
    pub names: Vec<String>,
    /// The whole fleet
    #[arg(long, conflicts_with = "names")]
    pub all: bool,
    /// Show the draw, change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Waiting.
    #[command(flatten)]
    pub wait: WaitArgs,
}

/// `decnet check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// The fleet file, `-` for standard input [default: ./fleet.ini]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// Treat warnings as errors
    #[arg(long)]
    pub strict: bool,
}

/// `decnet import`.
#[derive(Args, Clone, Debug)]
pub struct ImportArgs {
    /// A DECNET database
    #[arg(value_name = "FILE.db", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Plan and show, change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Waiting.
    #[command(flatten)]
    pub wait: WaitArgs,
    /// The network: each flag wins over what the database says
    #[command(flatten)]
    pub network: NetworkArgs,
}

/// `decnet engine`.
#[derive(Debug, Subcommand)]
pub enum EngineCommand {
    /// Run the engine in the foreground (what a systemd unit starts)
    Run {
        /// Started by another command, which waits for one line on standard output
        #[arg(long, hide = true)]
        background: bool,
        /// What the program before this one, in the same process, left
        #[arg(long, hide = true)]
        estate: Option<i32>,
    },
    /// Its health
    Status,
    /// End it and every decky; the recorded fleet stays
    Stop,
    /// Have this program take its place, with every decky: after an upgrade
    Restart {
        /// Waiting.
        #[command(flatten)]
        wait: WaitArgs,
    },
}
